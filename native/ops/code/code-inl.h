// Included inside a namespace: once by code.h for scalars, and once for every instruction set by the CPU kernels,
// because a function is inlined only into code for the same instruction set.

// The level, so far, of a weighted input that is compared with its borders one after the other: one more for each that
// it reaches. A tie is sent, unlike that of a spiking neuron.
template <class A>
ONESPIKE_HD inline typename A::F next_level(typename A::F level, typename A::F weighted, typename A::F border) {
  return A::add(level, A::zero_unless(A::at_least(weighted, border), A::set(1)));
}
