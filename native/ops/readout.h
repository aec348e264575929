// Output layer, logits and loss of one image, with their gradients (docs/MATHEMATICS.md, "Readout and loss" and
// "Gradients through time").
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/lif.h"
#include "ops/loss/cross_entropy.h"
#include "ops/surrogate.h"

namespace onespike {

struct ReadoutParams {
  int timesteps = 0;
  float alpha = 1, beta = 1, threshold = 1, leak = 1;
  SurrogateParams surrogate;
  const float* theta = nullptr;  // (T) factors of the threshold at each step; null: all are 1

  ONESPIKE_HD float threshold_at(int t) const { return theta ? threshold * theta[t - 1] : threshold; }
};

// First t with U(t) > V theta(t), or T + 1. `u` holds U(1..T) of one output neuron, `stride` floats apart.
ONESPIKE_HD inline int readout_time(const float* u, int64_t stride, const ReadoutParams& p) {
  for (int t = 1; t <= p.timesteps; ++t)
    if (lif_fires<ScalarArithmetic<float>>(u[(t - 1) * stride], p.threshold_at(t))) return t;
  return p.timesteps + 1;
}

// The logit after the last step, of a neuron that fired at `time`.
ONESPIKE_HD inline float readout_logit(const float* u, int64_t stride, int time, const ReadoutParams& p) {
  return p.alpha * u[(p.timesteps - 1) * stride] / p.threshold + p.beta * float(p.timesteps + 1 - time);
}

// The logit after step t, from the spike time over all steps.
ONESPIKE_HD inline float readout_logit_at(const float* u, int64_t stride, int time, int t, ReadoutParams p) {
  p.timesteps = t;
  return readout_logit(u, stride, time < t + 1 ? time : t + 1, p);
}

using NeuronGradient = LifSums<ScalarArithmetic<double>>;

// Gradient of one output neuron: a(t), the part of dL/dU(t) that does not come through the leak, perhaps in the place
// of U(t), and the part of a(t) that comes through the spike, unless `through_spike` is null; steps are `stride` floats
// apart in all of them. The neuron integrates past its spike. d_logit(t) is the gradient at the logit after step t,
// whose potential counts by itself: dlogit(t)/dU(t) = alpha / V. Where the loss sees the last step alone it is 0 before
// T.
template <class DLogit>
ONESPIKE_HD inline void readout_backward(const float* u, float* to, float* through_spike, int64_t stride,
                                         const DLogit& d_logit, const ReadoutParams& p, NeuronGradient* d) {
  using A = ScalarArithmetic<double>;
  const int T = p.timesteps, time = readout_time(u, stride, p);
  const double inverse = 1 / double(p.threshold);
  double g = 0, d_later = 0, d_time = 0;  // sums over the logits from step t on: of theirs, and times the steps since t
  for (int t = T; t >= 1; --t) {
    const double ratio = u[(t - 1) * stride] * inverse, before = t > 1 ? double(u[(t - 2) * stride]) : 0;
    const double d_here = d_logit(t);
    d_later += d_here, d_time += d_later;
    const double d_spike = p.beta * d_time;
    const double reach = p.theta ? 1 / double(p.theta[t - 1]) : 1;
    const float slope = slope_at(float(ratio * reach - 1), time, t, p.surrogate);
    double a = spike_gradient<A>(d_spike, slope, inverse * reach, t <= time);
    if (through_spike) through_spike[(t - 1) * stride] = float(a);
    if (t == T || d_here != 0) a += d_here * p.alpha * inverse;
    accumulate_neuron<A>(g, *d, a, ratio, before, p.leak, true);
    to[(t - 1) * stride] = float(a);
  }
}

}  // namespace onespike
