// Included inside a namespace: once by update.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

template <class M>
ONESPIKE_HD inline void sgd_update(typename M::F& w, typename M::F g, typename M::F& m, const UpdateParams& p) {
  g = M::add(M::mul(g, M::set(p.gradient_scale)), M::mul(M::set(p.weight_decay), w));
  m = M::add(M::mul(M::set(p.momentum), m), g);
  w = M::sub(w, M::mul(M::set(p.learning_rate), m));
}

// `top` is the running maximum of v (amsgrad) and is left alone without it.
template <class M>
ONESPIKE_HD inline void adam_update(typename M::F& w, typename M::F g, typename M::F& m, typename M::F& v,
                                    typename M::F& top, const UpdateParams& p) {
  g = M::mul(g, M::set(p.gradient_scale));
  if (p.decoupled) w = M::mul(w, M::set(p.shrink));
  else g = M::add(g, M::mul(M::set(p.weight_decay), w));
  m = M::add(M::mul(M::set(p.beta1), m), M::mul(M::set(p.rest1), g));
  v = M::add(M::mul(M::set(p.beta2), v), M::mul(M::set(p.rest2), M::mul(g, g)));
  auto second = v;
  if (p.amsgrad) second = top = M::max(top, v);
  const auto scale = M::add(M::mul(M::sqrt(second), M::set(p.inverse_root)), M::set(p.epsilon));
  w = M::sub(w, M::div(M::mul(M::set(p.corrected_rate), m), scale));
}
