// A neuron that fires at most once, one step at a time, forward and backward (SPEC sections 3 and 5). For code that handles
// one neuron per thread; the CPU's vector kernels say the same in vectors.
#pragma once

#include <cstdint>

#include "ops/portable.h"
#include "ops/surrogate.h"

namespace onespike {

struct Neuron {
  float potential = 0;
  int time = 0;  // of its spike; 0 = not yet

  // U(t) from what arrives at step t. After the spike it is of no use to anyone.
  ONESPIKE_HD float step(int t, float input, float threshold, float leak) {
    potential = leak * potential + input;
    if (time == 0 && potential > threshold) time = t;
    return potential;
  }
};

// Turns U(T), U(T-1), .. into a(T), a(T-1), .. and adds up the gradients of threshold and leak.
struct NeuronBackward {
  float inverse, leak;
  int fire_time;  // T + 1 = silent
  SurrogateParams surrogate;
  float g = 0, d_threshold = 0, d_leak = 0;

  // `time` is the byte of the map: 0 = never.
  ONESPIKE_HD NeuronBackward(float threshold, float leak_in, int time, int timesteps, const SurrogateParams& p)
      : inverse(1 / threshold), leak(leak_in), fire_time(time == 0 ? timesteps + 1 : time), surrogate(p) {}

  // a(t) from U(t), U(t-1) and dL/dO(t).
  ONESPIKE_HD float step(int t, float u, float before, float d_spike) {
    if (t > fire_time) return 0;
    const float ratio = u * inverse;
    const float a = d_spike * slope_at(ratio - 1, fire_time, t, surrogate) * inverse;
    d_threshold -= a * ratio;
    g = a + leak * g;
    d_leak += g * before;
    return a;
  }
};

}  // namespace onespike
