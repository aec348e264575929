// Included inside a namespace: once by binary.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

// Whether it fires: as a spiking neuron of a single step does.
template <class A>
ONESPIKE_HD inline auto binary_fires(typename A::F x, typename A::F threshold) {
  return A::greater(x, threshold);
}

// Sends 2 V where it fires. What is not a number stays that.
template <class A>
ONESPIKE_HD inline typename A::F binary_forward(typename A::F x, typename A::F threshold) {
  const typename A::F silent = A::select(A::at_least(threshold, x), A::set(0), x);
  return A::select(binary_fires<A>(x, threshold), A::add(threshold, threshold), silent);
}

// The gradient at x from `d`, that at the value sent, and from `cost` / (2 V), where `cost` is what firing costs: their
// sum where 0 < x <= 2 V, as if the quantiser were its clipped input (straight through). `d_threshold` is the term of
// the gradient of V.
template <class A>
ONESPIKE_HD inline typename A::F binary_backward(typename A::F d, typename A::F x, typename A::F threshold,
                                                 typename A::F scaled_cost, typename A::F& d_threshold) {
  const typename A::F zero = A::set(0), top = A::add(threshold, threshold);
  // 2 (q - x / (2 V)) inside, 2 q above, 0 below, with q = 1 where it fires. q itself, which costs, has -x / (2 V^2).
  const typename A::F fired = A::select(binary_fires<A>(x, threshold), A::set(2), zero);
  const typename A::F share = A::select(A::greater(x, top), zero, A::div(x, threshold));
  const typename A::F term = A::sub(A::mul(d, A::sub(fired, share)), A::mul(scaled_cost, share));
  d_threshold = A::zero_unless(A::greater(x, zero), term);
  return A::zero_unless(A::greater(x, zero), A::select(A::greater(x, top), zero, A::add(d, scaled_cost)));
}
