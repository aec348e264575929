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

// A neuron before its first step; `real` is false for one that only fills the layout.
ONESPIKE_HD inline Neuron fresh_neuron(const NeuronParams& params, bool real) {
  return {real ? params.initial_potential() : 0.0f, 0};
}

// One step of a neuron, with the schedules of its layer if there are any: one branch, which all threads take alike.
ONESPIKE_HD inline float neuron_step(Neuron& neuron, const NeuronParams& params, const Lif& lif, float sum, float scale,
                                     float bias, float current, int t) {
  if (!params.kappa) return lif_step<Float>(neuron, lif, sum, scale, bias, current, t);
  const float kappa = params.kappa[t - 1];
  return lif_step<Float>(neuron, {lif.threshold * params.theta[t - 1], lif.leak}, sum, scale * kappa, bias,
                         current * kappa, t);
}

// The slope of the surrogate at U(t), which counts up to the spike; `inverse` is 1/V, `reach` 1/theta(t), `fire_time`
// T + 1 for a neuron that stayed silent. `slope_of_kind` is slope_at, or slope_of where the kind of the surrogate is a
// constant of the code: who has many neurons asks for it once (with_surrogate).
using SlopeOfKind = float(float z, int fire_time, int t, const SurrogateParams& p);
template <SlopeOfKind slope_of_kind>
ONESPIKE_HD inline float neuron_slope(float u, int fire_time, int t, float inverse, float reach,
                                      const SurrogateParams& surrogate) {
  return Float::reached(fire_time, t) ? slope_of_kind(u * inverse * reach - 1, fire_time, t, surrogate) : 0;
}

// a(t) from dL/dO(t), the slope there, U(t) and U(t-1), for descending t; `g` is 0 before the last step, `initial`
// U(0)/V.
ONESPIKE_HD inline float neuron_backward(float& g, NeuronSums& sums, int t, float d_spike, float slope, float u,
                                         float before, int fire_time, float inverse, float reach, float leak,
                                         float initial) {
  const float a = lif_backward<Float>(g, sums, d_spike, slope, u * inverse, before, inverse * reach, leak,
                                      Float::reached(fire_time, t));
  if (t == 1) accumulate_initial<Float>(sums, g, leak, initial);
  return a;
}

// 1/theta(t).
ONESPIKE_HD inline float reach_of(const NeuronParams& params, int t) {
  return params.theta ? 1 / params.theta[t - 1] : 1.0f;
}

}  // namespace onespike::cuda
