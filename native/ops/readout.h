// Output layer, logits and loss of one image, with their gradients (docs/MATHEMATICS.md, "Readout and loss" and
// "Gradients through time").
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/lif.h"
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

ONESPIKE_HD inline float readout_logit(const float* u, int64_t stride, int time, const ReadoutParams& p) {
  return p.alpha * u[(p.timesteps - 1) * stride] / p.threshold + p.beta * float(p.timesteps + 1 - time);
}

// The distribution y' that the softmax of one image is compared with: its label, or two labels that share it, smoothed
// over the K classes.
struct Target {
  int label = 0, other = 0;
  double share = 1;  // of `label`; the rest is that of `other`
  double keep = 1;   // 1 - smoothing
  double floor = 0;  // smoothing / K, of every class

  ONESPIKE_HD Target(int only) : label(only), other(only) {}
  ONESPIKE_HD Target(int first, int second, float share_of_first, float smoothing, int classes)
      : label(first),
        other(second),
        share(share_of_first),
        keep(1 - double(smoothing)),
        floor(double(smoothing) / classes) {}

  // y'_k
  ONESPIKE_HD double of(int k) const { return keep * ((k == label) * share + (k == other) * (1 - share)) + floor; }
  // The mean logit under y', given the sum of all logits, which counts only where there is smoothing: an infinite logit
  // of another class is no part of the loss without it.
  ONESPIKE_HD double mean(const float* logits, double sum) const {
    const double labels = share == 1 ? logits[label] : share * logits[label] + (1 - share) * logits[other];
    return floor > 0 ? keep * labels + floor * sum : labels;
  }
};

// Softmax of one logit, from the largest logit and the sum of exp(logit - largest); the loss of one image, with the
// mean logit under its target.
ONESPIKE_HD inline double softmax(float logit, float top, double sum) { return std::exp(double(logit) - top) / sum; }
ONESPIKE_HD inline double softmax_loss(double mean, float top, double sum) { return std::log(sum) + top - mean; }

// Softmax cross-entropy of K logits. Writes softmax - y' into `d_logits` if not null; returns the loss.
ONESPIKE_HD inline double cross_entropy(const float* logits, int classes, const Target& target, float* d_logits) {
  float top = logits[0];
  for (int k = 1; k < classes; ++k) top = logits[k] > top ? logits[k] : top;
  double sum = 0, all = 0;
  for (int k = 0; k < classes; ++k) sum += std::exp(double(logits[k]) - top), all += logits[k];
  if (d_logits)
    for (int k = 0; k < classes; ++k) d_logits[k] = float(softmax(logits[k], top, sum) - target.of(k));
  return softmax_loss(target.mean(logits, all), top, sum);
}

ONESPIKE_HD inline int argmax(const float* logits, int classes) {
  int best = 0;
  for (int k = 1; k < classes; ++k)
    if (logits[k] > logits[best]) best = k;
  return best;
}

using NeuronGradient = LifSums<ScalarArithmetic<double>>;

// Gradient of one output neuron: a(t), the part of dL/dU(t) that does not come through the leak, perhaps in the place
// of U(t). It integrates past its spike, and its last potential counts by itself: dlogit/dU(T) = alpha / V. Returns
// the rest of a(T), which comes through the spike.
ONESPIKE_HD inline float readout_backward(const float* u, float* to, int64_t stride, float d_logit,
                                          const ReadoutParams& p, NeuronGradient* d) {
  using A = ScalarArithmetic<double>;
  const int T = p.timesteps, time = readout_time(u, stride, p);
  const double inverse = 1 / double(p.threshold);
  double g = 0;
  float through_spike = 0;
  for (int t = T; t >= 1; --t) {
    const double ratio = u[(t - 1) * stride] * inverse, before = t > 1 ? double(u[(t - 2) * stride]) : 0;
    const double d_spike = double(d_logit) * p.beta * (T + 1 - t);
    const double reach = p.theta ? 1 / double(p.theta[t - 1]) : 1;
    const float slope = slope_at(float(ratio * reach - 1), time, t, p.surrogate);
    double a = spike_gradient<A>(d_spike, slope, inverse * reach, t <= time);
    if (t == T) through_spike = float(a), a += double(d_logit) * p.alpha * inverse;
    accumulate_neuron<A>(g, *d, a, ratio, before, p.leak, true);
    to[(t - 1) * stride] = float(a);
  }
  return through_spike;
}

}  // namespace onespike
