// The neuron of ops/lif-inl.h in floats: what the epilogues of all products share.
#pragma once

#include "core/backend/values.h"
#include "ops/lif.h"
#include "ops/portable.h"
#include "ops/surrogate.h"

namespace onespike::cuda {

using Float = ScalarArithmetic<float>;
using Neuron = LifState<Float>;
using Lif = LifParams<Float>;
// The caller has them because one pair of sums serves any number of neurons: registers are scarce.
using NeuronSums = LifSums<Float>;

// One step of a neuron, with the schedules of its layer if there are any: one branch, which all threads take alike.
ONESPIKE_HD inline float neuron_step(Neuron& neuron, const NeuronParams& params, const Lif& lif, float sum, float scale,
                                     float bias, float current, int t) {
  if (!params.kappa) return lif_step<Float>(neuron, lif, sum, scale, bias, current, t);
  const float kappa = params.kappa[t - 1];
  return lif_step<Float>(neuron, {lif.threshold * params.theta[t - 1], lif.leak}, sum, scale * kappa, bias,
                         current * kappa, t);
}

// a(t) from dL/dO(t), U(t) and U(t-1), for descending t; `g` is 0 before the last step. `fire_time` is T + 1 for a
// neuron that stayed silent; `inverse` is 1/V, `reach` 1/theta(t).
ONESPIKE_HD inline float neuron_backward(float& g, NeuronSums& sums, int t, float d_spike, float u, float before,
                                         int fire_time, float inverse, float reach, float leak,
                                         const SurrogateParams& surrogate) {
  const bool live = Float::reached(fire_time, t);
  const float ratio = u * inverse, slope = live ? slope_at(ratio * reach - 1, fire_time, t, surrogate) : 0;
  return lif_backward<Float>(g, sums, d_spike, slope, ratio, before, inverse * reach, leak, live);
}

// 1/theta(t).
ONESPIKE_HD inline float reach_of(const NeuronParams& params, int t) {
  return params.theta ? 1 / params.theta[t - 1] : 1.0f;
}

}  // namespace onespike::cuda
