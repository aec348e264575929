// Batch normalisation of one channel (docs/MATHEMATICS.md, "Batch normalisation"): statistics of a group of images,
// running statistics, and folding both into the weights before it.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/arithmetic.h"
#include "ops/portable.h"

namespace onespike {

constexpr double kNormEpsilon = 1e-5;
constexpr double kNormMomentum = 0.1;  // share of the newest statistics in the running ones

#include "ops/ann/norm-inl.h"

// Count, mean and sum of squared deviations from the mean.
struct Moments {
  double count = 0, mean = 0, square = 0;

  ONESPIKE_HD double variance() const { return count > 0 ? square / count : 0; }
  // Unbiased, for the running statistics; of a single number it is 0.
  ONESPIKE_HD double unbiased() const { return count > 1 ? square / (count - 1) : 0; }
};

// The moments of two sets of numbers together (Chan, Golub and LeVeque 1979). Unlike the difference of sums of squares
// it loses no digits where the mean is large.
ONESPIKE_HD inline Moments joined(const Moments& a, const Moments& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  Moments all;
  all.count = a.count + b.count;
  const double difference = b.mean - a.mean;
  all.mean = a.mean + difference * (b.count / all.count);
  all.square = a.square + b.square + difference * difference * (a.count * b.count / all.count);
  return all;
}

ONESPIKE_HD inline double norm_inverse(double variance) { return 1 / std::sqrt(variance + kNormEpsilon); }

// The running value after a step whose groups have the mean `value`.
ONESPIKE_HD inline float running_value(float running, double value) {
  return float((1 - kNormMomentum) * running + kNormMomentum * value);
}

// Images of the group that begins with the first of the `left` images of a batch: a remainder of less than half a group
// joins the group before it.
inline int norm_group_at(int group, int64_t left) { return int(2 * left < 3 * int64_t(group) ? left : group); }
inline int largest_norm_group(int group) { return int((3 * int64_t(group) - 1) / 2); }
inline int norm_groups(int group, int64_t images) {
  int groups = 0;
  for (; images > 0; ++groups) images -= norm_group_at(group, images);
  return groups;
}

// Normalisation by running statistics is a linear map of the weighted input W x + b, so it is the layer with weights
// W * scale and bias `shift`.
struct FoldedNorm {
  float scale = 1, shift = 0;
};

ONESPIKE_HD inline FoldedNorm folded_norm(float weight, float bias, float mean, float variance, float layer_bias) {
  const double scale = weight * norm_inverse(variance);
  return {float(scale), float(bias + scale * (double(layer_bias) - mean))};
}

// The gradient of `weight` from what the folded layer received: `d_scale` is the sum of d(folded weight) * W.
ONESPIKE_HD inline double folded_d_weight(double d_scale, float d_shift, float mean, float variance, float layer_bias) {
  return (d_scale + double(d_shift) * (double(layer_bias) - mean)) * norm_inverse(variance);
}

}  // namespace onespike
