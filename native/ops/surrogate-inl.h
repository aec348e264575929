// Included inside a namespace: once by surrogate.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

// dO/dz of the surrogates that depend on z.
template <Surrogate kind, class M>
ONESPIKE_HD inline typename M::F surrogate_slope(typename M::F z, const SurrogateParams& p) {
  const auto gamma = M::set(p.gamma), one = M::set(1);
  if constexpr (kind == Surrogate::kTriangle) {
    return M::mul(gamma, M::max(M::set(0), M::sub(one, M::abs(z))));
  } else if constexpr (kind == Surrogate::kRectangular) {
    return M::below(M::abs(z), M::set(p.kappa), gamma);
  } else if constexpr (kind == Surrogate::kArctan) {
    const auto x = M::mul(M::set(1.5707963267948966 * p.kappa), z);
    return M::div(gamma, M::add(one, M::mul(x, x)));
  } else {
    const auto x = M::add(one, M::mul(M::set(p.kappa), M::abs(z)));
    return M::div(gamma, M::mul(x, x));
  }
}
