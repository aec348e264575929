// One neuron over time, forward and backward (docs/MATHEMATICS.md, "The neuron" and "Gradients through time"): what the
// epilogues of all products share.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/portable.h"
#include "ops/surrogate.h"

namespace onespike::cuda {

// U(t) from U(t-1) and what came in. From minus infinity (or, without leak, from what is no number) a neuron never
// fires again: after its spike nobody wants its potential.
struct NeuronForward {
  float u = 0;
  int fire_time = 0;

  ONESPIKE_HD float step(int t, float scale, float sum, float bias, float current, float threshold, float leak) {
    const float potential = fmaf(scale, sum, leak * u) + bias + current;
    const bool fires = potential > threshold;
    fire_time = fires ? t : fire_time;
    u = fires ? -HUGE_VALF : potential;
    return potential;
  }
};

// Gradients of threshold and leak, which the neurons of a layer share.
struct NeuronGradient {
  float d_threshold = 0, d_leak = 0;
};

// a(t) from dL/dO(t), U(t) and U(t-1), for descending t.
struct NeuronBackward {
  float g = 0;

  // `fire_time` is T + 1 for a neuron that stayed silent; `inverse` is 1/threshold. sums += the gradients of both. The
  // caller has them because one pair of sums serves any number of neurons: registers are scarce.
  ONESPIKE_HD float step(int t, float d_spike, float u, float before, int fire_time, float inverse, float leak,
                         const SurrogateParams& surrogate, NeuronGradient& sums) {
    // Past the spike U(t) was not computed: a branch, never a product, keeps what lies there out.
    if (t > fire_time) {
      g = leak * g;
      return 0;
    }
    const float ratio = u * inverse;
    const float a = d_spike * slope_at(ratio - 1, fire_time, t, surrogate) * inverse;
    sums.d_threshold -= a * ratio;
    g = fmaf(leak, g, a);
    sums.d_leak = fmaf(g, before, sums.d_leak);
    return a;
  }
};

}  // namespace onespike::cuda
