// One leaky integrate-and-fire neuron with at most one spike, forward and backward in time (docs/MATHEMATICS.md, "The
// neuron" and "Gradients through time"): where a spike is decided, for every backend. `A` is the arithmetic
// (ops/arithmetic.h).
//
//   forward    U(t) = leak * U(t-1) + I(t)        U(0) = u0 * V, 0 unless a network says otherwise
//              I(t) = scale * sum of weights + bias + analog current
//              a schedule multiplies scale and current by kappa(t), and V by theta(t), before they get here
//              O(t) = 1 if U(t) > V and the neuron has not fired before, else 0: a tie does not fire
//   backward   a(t) = dL/dO(t) * slope / V        for t <= t_f, else 0; slope = dO/dz at z = U(t)/V - 1
//              g(t) = a(t) + leak * g(t+1)        the gradient at U(t) and at I(t); g(T+1) = 0
//              dL/dV = -sum of a(t) * U(t)/V      dL/dleak = sum of g(t) * U(t-1)
//              with a schedule a(t) has 1/(V theta(t)), and dL/dV is as it stands
//              through U(0)                       dL/dV += leak * u0 * g(1)
//
// t_f is the spike time, T + 1 for a neuron that stays silent. Included inside a namespace: once by lif.h for scalars,
// and once for every instruction set by the CPU kernels, because a function is inlined only into code for the same
// instruction set.

// ---- forward

// U(t) without bias and analog current, which a kernel adds where there are any.
template <class A>
ONESPIKE_HD inline typename A::F lif_integrate(typename A::F u, typename A::F leak, typename A::F sum,
                                               typename A::F scale) {
  return A::mul_add(scale, sum, A::mul(leak, u));
}

template <class A>
ONESPIKE_HD inline typename A::Mask lif_fires(typename A::F potential, typename A::F threshold) {
  return A::greater(potential, threshold);
}

// The potential of a neuron after its spike. It is not needed any more, not even by the gradient: from minus infinity
// (or, without leak, from what is no number) it never fires again. That saves a mask per neuron, and registers are what
// the kernels run out of.
template <class A>
ONESPIKE_HD inline typename A::F lif_spent() {
  return A::set(-HUGE_VAL);
}

// Decides the spike of step t from U(t): `u` becomes what step t + 1 starts from, `fire_time` (0 = none yet) takes t.
template <class A>
ONESPIKE_HD inline void lif_fire(typename A::F& u, typename A::Time& fire_time, typename A::F potential,
                                 typename A::F threshold, int t) {
  const auto fires = lif_fires<A>(potential, threshold);
  fire_time = A::select_time(fires, A::time(t), fire_time);
  u = A::select(fires, lif_spent<A>(), potential);
}

// The same where U(t) - V is known to within `bound` alone: `above` becomes what the next step starts from. Between the
// bounds, both included, the spike time is kInDoubt, and the neuron ends as if it had fired.
constexpr int kInDoubt = -1;

template <class A>
ONESPIKE_HD inline void lif_fire_within(typename A::F& above, typename A::Time& fire_time, typename A::F next,
                                        typename A::F bound, int t) {
  const auto ends = A::at_least(next, A::neg(bound));
  const auto decided = A::select_time(A::greater(next, bound), A::time(t), A::time(kInDoubt));
  fire_time = A::select_time(ends, decided, fire_time);
  above = A::select(ends, lif_spent<A>(), next);
}

// A neuron between two steps, and one whole step of it; returns U(t).
template <class A>
struct LifState {
  typename A::F u = A::set(0);
  typename A::Time fire_time = A::time(0);
};

template <class A>
struct LifParams {
  typename A::F threshold, leak;
};

template <class A>
ONESPIKE_HD inline typename A::F lif_step(LifState<A>& neuron, const LifParams<A>& p, typename A::F sum,
                                          typename A::F scale, typename A::F bias, typename A::F current, int t) {
  const auto potential = A::add(A::add(lif_integrate<A>(neuron.u, p.leak, sum, scale), bias), current);
  lif_fire<A>(neuron.u, neuron.fire_time, potential, p.threshold, t);
  return potential;
}

// ---- a relaxed layer, whose neurons never fire and send one number at step 1

// From U(T) / (V theta(T)). What is not a number stays that.
template <class A>
ONESPIKE_HD inline typename A::F relaxed_value(typename A::F reached) {
  const typename A::F zero = A::set(0), one = A::set(1);
  return A::select(A::greater(reached, one), one, A::select(A::less(reached, zero), zero, reached));
}

// The derivative of that.
template <class A>
ONESPIKE_HD inline typename A::F relaxed_slope(typename A::F reached) {
  const typename A::F zero = A::set(0), one = A::set(1);
  return A::zero_unless(A::greater(reached, zero), A::select(A::less(reached, one), one, zero));
}

// ---- backward, for descending t

// g(t) from g(t+1) and a(t). A linear map commutes with it: on W^T a it gives W^T g.
template <class A>
ONESPIKE_HD inline typename A::F carry_leak(typename A::F leak, typename A::F later, typename A::F now) {
  return A::mul_add(leak, later, now);
}

// a(t) from dL/dO(t) and the slope of the surrogate; `inverse` is 1/V, `live` says t <= t_f. After the spike U(t) was
// not computed: a select, never a product, keeps what lies there out.
template <class A>
ONESPIKE_HD inline typename A::F spike_gradient(typename A::F d_spike, typename A::F slope, typename A::F inverse,
                                                typename A::Mask live) {
  return A::zero_unless(live, A::mul(A::mul(d_spike, slope), inverse));
}

// Gradients of threshold and leak, which sum over the steps and over all neurons of a layer.
template <class A>
struct LifSums {
  typename A::F threshold, leak;

  // Written out, because an implicit constructor is compiled without the instruction set of the kernels.
  ONESPIKE_HD LifSums() : threshold(A::set(0)), leak(A::set(0)) {}
};

// What a(t) adds to the sums and to g (g(t+1) before, g(t) after). `ratio` is U(t)/V, `before` U(t-1).
template <class A>
ONESPIKE_HD inline void accumulate_neuron(typename A::F& g, LifSums<A>& sums, typename A::F a, typename A::F ratio,
                                          typename A::F before, typename A::F leak, typename A::Mask live) {
  sums.threshold = A::sub(sums.threshold, A::zero_unless(live, A::mul(a, ratio)));
  g = carry_leak<A>(leak, g, a);
  sums.leak = A::add(sums.leak, A::zero_unless(live, A::mul(g, before)));
}

// What reaches the threshold through U(0) = initial * V, from g(1).
template <class A>
ONESPIKE_HD inline void accumulate_initial(LifSums<A>& sums, typename A::F g, typename A::F leak,
                                           typename A::F initial) {
  sums.threshold = A::mul_add(A::mul(leak, initial), g, sums.threshold);
}

// One whole step of a hidden neuron; returns a(t).
template <class A>
ONESPIKE_HD inline typename A::F lif_backward(typename A::F& g, LifSums<A>& sums, typename A::F d_spike,
                                              typename A::F slope, typename A::F ratio, typename A::F before,
                                              typename A::F inverse, typename A::F leak, typename A::Mask live) {
  const auto a = spike_gradient<A>(d_spike, slope, inverse, live);
  accumulate_neuron<A>(g, sums, a, ratio, before, leak, live);
  return a;
}
