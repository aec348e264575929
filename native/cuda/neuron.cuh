// The neuron of ops/lif-inl.h in floats: what the epilogues of all products share.
#pragma once

#include "ops/lif.h"
#include "ops/portable.h"
#include "ops/surrogate.h"

namespace onespike::cuda {

using Float = ScalarArithmetic<float>;
using Neuron = LifState<Float>;
using Lif = LifParams<Float>;
// The caller has them because one pair of sums serves any number of neurons: registers are scarce.
using NeuronSums = LifSums<Float>;

// a(t) from dL/dO(t), U(t) and U(t-1), for descending t; `g` is 0 before the last step. `fire_time` is T + 1 for a
// neuron that stayed silent; `inverse` is 1/V.
ONESPIKE_HD inline float neuron_backward(float& g, NeuronSums& sums, int t, float d_spike, float u, float before,
                                         int fire_time, float inverse, float leak, const SurrogateParams& surrogate) {
  const bool live = Float::reached(fire_time, t);
  const float ratio = u * inverse, slope = live ? slope_at(ratio - 1, fire_time, t, surrogate) : 0;
  return lif_backward<Float>(g, sums, d_spike, slope, ratio, before, inverse, leak, live);
}

}  // namespace onespike::cuda
