// Included inside a namespace: once by surrogate.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

// dO/dz of the surrogates that depend on z; `A` is the arithmetic (ops/arithmetic.h).
template <Surrogate kind, class A>
ONESPIKE_HD inline typename A::F surrogate_slope(typename A::F z, const SurrogateParams& p) {
  const auto gamma = A::set(p.gamma), one = A::set(1);
  if constexpr (kind == Surrogate::kTriangle) {
    return A::mul(gamma, A::max(A::set(0), A::sub(one, A::abs(z))));
  } else if constexpr (kind == Surrogate::kRectangular) {
    return A::zero_unless(A::less(A::abs(z), A::set(p.scale)), gamma);
  } else if constexpr (kind == Surrogate::kArctan) {
    const auto x = A::mul(A::set(1.5707963267948966 * p.scale), z);
    return A::div(gamma, A::add(one, A::mul(x, x)));
  } else {
    static_assert(kind == Surrogate::kFastSigmoid, "a surrogate without a slope of z");
    const auto x = A::add(one, A::mul(A::set(p.scale), A::abs(z)));
    return A::div(gamma, A::mul(x, x));
  }
}
