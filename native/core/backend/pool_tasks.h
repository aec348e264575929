// Operations of stages whose currents are averaged before the neuron: one task each. What a task writes is overwritten.
// ops/pooled_weight.h has the formulas.
#pragma once

#include "core/backend/values.h"
#include "ops/shape.h"

namespace onespike {

// The weights of the convolution that a stage and its pool are together.
struct PoolWeightsTask {
  static constexpr const char* kOperation = "pool_weights";
  float* pooled = nullptr;           // weights() numbers
  const float* parameter = nullptr;  // parameters() numbers
  StageShape shape = {};
};

// From the gradient of these weights to that of the parameters.
struct PoolWeightsBackwardTask {
  static constexpr const char* kOperation = "pool_weights";
  float* d_parameter = nullptr;     // parameters() numbers
  const float* d_pooled = nullptr;  // weights() numbers
  StageShape shape = {};
};

}  // namespace onespike
