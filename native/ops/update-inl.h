// Included inside a namespace: once by update.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

// A moment whose gradients are zero, of a weight whose input never fires, decays to a few units in the last place of
// the smallest floats and stays there, where a vector of them takes Intel's processors 75 ns instead of 2.5 (Granite
// Rapids). Below the smallest normal float it becomes zero. A NaN stays.
template <class A>
ONESPIKE_HD inline typename A::F moment_or_zero(typename A::F m) {
  return A::select(A::less(A::abs(m), A::set(1.17549435e-38f)), A::set(0.0f), m);
}

template <class A>
ONESPIKE_HD inline void sgd_update(typename A::F& w, typename A::F g, typename A::F& m, const UpdateParams& p) {
  g = A::add(A::mul(g, A::set(p.gradient_scale)), A::mul(A::set(p.weight_decay), w));
  m = moment_or_zero<A>(A::add(A::mul(A::set(p.momentum), m), g));
  const auto step = p.nesterov ? A::add(g, A::mul(A::set(p.momentum), m)) : m;
  w = A::sub(w, A::mul(A::set(p.learning_rate), step));
}

// The exponential moving average of a parameter takes in its new value.
template <class A>
ONESPIKE_HD inline void average_update(typename A::F& average, typename A::F w, float decay, float rest) {
  average = A::add(A::mul(A::set(decay), average), A::mul(A::set(rest), w));
}

// `top` is the running maximum of v (amsgrad) and is left alone without it.
template <class A>
ONESPIKE_HD inline void adam_update(typename A::F& w, typename A::F g, typename A::F& m, typename A::F& v,
                                    typename A::F& top, const UpdateParams& p) {
  g = A::mul(g, A::set(p.gradient_scale));
  if (p.decoupled) w = A::mul(w, A::set(p.shrink));
  else g = A::add(g, A::mul(A::set(p.weight_decay), w));
  m = moment_or_zero<A>(A::add(A::mul(A::set(p.beta1), m), A::mul(A::set(p.rest1), g)));
  v = moment_or_zero<A>(A::add(A::mul(A::set(p.beta2), v), A::mul(A::set(p.rest2), A::mul(g, g))));
  auto second = v;
  if (p.amsgrad) second = top = A::max(top, v);
  const auto scale = A::add(A::mul(A::sqrt(second), A::set(p.inverse_root)), A::set(p.epsilon));
  w = A::sub(w, A::div(A::mul(A::set(p.corrected_rate), m), scale));
}
