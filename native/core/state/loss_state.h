// What the loss of a training step keeps in the backend's memory, and the running mean that one of its parts compares
// with.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/state/buffers.h"

namespace onespike {

struct LossState {
  explicit LossState(Backend& b) : teacher(b), time_weights(b), costs(b), weights(b), mean(b) {}
  Buffer<float> teacher;       // (batch, K) logits, where the backend cannot read the host's
  Buffer<float> time_weights;  // (T) of the loss after each step
  Buffer<float> costs;         // (stages) of a spike of each, in the step at work
  Buffer<double> weights;      // (stages) of a spike of each in the activity
  Buffer<double> mean;         // the running mean, while a group of steps is at work
  double activity = 0;         // the same between two groups
  bool costly = false;         // whether spikes have a cost in the group at work

  // Of a spike of a stage, for kernels; null = nothing.
  const float* cost(size_t stage) const { return costly ? costs.data() + stage : nullptr; }
  int64_t bytes() const {
    return teacher.bytes() + time_weights.bytes() + costs.bytes() + weights.bytes() + mean.bytes();
  }
};

}  // namespace onespike
