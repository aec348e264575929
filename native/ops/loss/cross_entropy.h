// Softmax cross-entropy of the logits of one image with its label (docs/MATHEMATICS.md, "Readout and loss").
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/portable.h"

namespace onespike {

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
    return mean_of([logits](int k) { return logits[k]; }, sum);
  }
  template <class Logit>
  ONESPIKE_HD double mean_of(const Logit& logit, double sum) const {
    const double labels = share == 1 ? logit(label) : share * logit(label) + (1 - share) * logit(other);
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

}  // namespace onespike
