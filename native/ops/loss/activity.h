// The cost of spikes in training: a regulariser on how many there are (docs/MATHEMATICS.md, "Activity target").
#pragma once

#include <cstdint>

#include "ops/portable.h"

namespace onespike {

// dL/dO(t) of every neuron and step of a layer. `mean` is the running mean of s, `weight` that of a spike of the layer
// in s, `share` of an image in the batch.
ONESPIKE_HD inline float spike_cost(double mean, float target, float strength, double weight, double share) {
  return mean > target ? float(double(strength) * (mean - target) * weight * share) : 0.0f;
}

// s of a batch, from its spikes per layer.
ONESPIKE_HD inline double mean_activity(const int64_t* spikes, const double* weights, int layers, double share) {
  double sum = 0;
  for (int i = 0; i < layers; ++i) sum += double(spikes[i]) * weights[i];
  return sum * share;
}

}  // namespace onespike
