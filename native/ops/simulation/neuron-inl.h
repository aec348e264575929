// Hidden neurons of simulated codes, one step (docs/MATHEMATICS.md, "Simulated codes"). `A` is the arithmetic
// (ops/arithmetic.h). Unlike in a spiking layer of ops/lif-inl.h a tie fires: U >= V. Included inside a namespace: once
// by neuron.h for scalars, and once for every instruction set by the CPU kernels.

// rate, direct, phase: a spike takes the threshold away. Returns whether it fires.
template <class A>
ONESPIKE_HD inline typename A::Mask subtract_step(typename A::F& u, typename A::F input, typename A::F threshold) {
  const auto potential = A::add(u, input);
  const auto fires = A::at_least(potential, threshold);
  u = A::sub(potential, A::zero_unless(fires, threshold));
  return fires;
}

// burst: `g` doubles after a spike and is 1 after a step without one. Returns what is sent, g or 0, in units of
// `threshold`.
template <class A>
ONESPIKE_HD inline typename A::F burst_step(typename A::F& u, typename A::F& g, typename A::F input,
                                            typename A::F threshold) {
  const auto potential = A::add(u, input);
  const auto size = A::mul(threshold, g);
  const auto fires = A::at_least(potential, size);
  const auto sent = A::zero_unless(fires, g);
  u = A::sub(potential, A::zero_unless(fires, size));
  g = A::select(fires, A::add(g, g), A::set(1));
  return sent;
}

// ttfs-converted, one-spike-phase: fires at the first step whose border the potential reaches, and never again. `fired`
// is the step of the spike plus 1, or 0 while there is none.
template <class A>
ONESPIKE_HD inline void first_spike_step(typename A::F u, typename A::Time& fired, typename A::F border, int step) {
  const auto now = A::select_time(A::at_least(u, border), A::time(step + 1), fired);
  fired = A::select_time(A::reached(fired, A::time(1)), fired, now);
}
