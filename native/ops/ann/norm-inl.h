// Included inside a namespace: once by norm.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

// A weighted input in units of its channel's standard deviation; `inverse` is 1 / sqrt(var + epsilon).
template <class A>
ONESPIKE_HD inline typename A::F standardised(typename A::F y, typename A::F mean, typename A::F inverse) {
  return A::mul(A::sub(y, mean), inverse);
}

template <class A>
ONESPIKE_HD inline typename A::F norm_forward(typename A::F standard, typename A::F weight, typename A::F bias) {
  return A::mul_add(standard, weight, bias);
}

// The gradient at y from `d`, that at the normalised value. `d_mean` and `d_standard` are the means over the group of d
// and of d times the standardised value: what d changes about the group's own mean and variance.
template <class A>
ONESPIKE_HD inline typename A::F norm_backward(typename A::F d, typename A::F standard, typename A::F weight,
                                               typename A::F inverse, typename A::F d_mean, typename A::F d_standard) {
  return A::mul(A::mul(weight, inverse), A::sub(A::sub(d, d_mean), A::mul(standard, d_standard)));
}
