// Operations of the ANN and of analog input: one task each. What a task writes is overwritten unless it says `+=`.
// core/backend/values.h has the layouts.
#pragma once

#include "core/backend/values.h"
#include "ops/shape.h"

namespace onespike {

// Average-pools a map, or its ReLU, into what DenseForwardTask and DenseWeightGradientTask read.
struct PackInputTask {
  static constexpr const char* kOperation = "pack_input";
  float* packed = nullptr;     // (n, padded_h, padded_w, src_cs) floats, in an order that the backend chooses
  const float* src = nullptr;  // (n, src map)
  bool relu = false;
  int n = 0;
  StageShape shape = {};
};

struct DenseForwardTask {
  static constexpr const char* kOperation = "dense_forward";
  float* out = nullptr;           // (n, out map)
  const float* packed = nullptr;  // of PackInputTask
  const float* weight = nullptr;
  const void* weight_forward = nullptr;  // of PackForwardTask
  const float* bias = nullptr;           // (out_cs), or null
  bool relu = false;
  int n = 0;
  StageShape shape = {};
};

struct DenseWeightGradientTask {
  static constexpr const char* kOperation = "dense_weight_gradient";
  float* d_weight = nullptr;      // +=
  const float* packed = nullptr;  // of PackInputTask
  const float* d_out = nullptr;   // (n, out map)
  int n = 0;
  StageShape shape = {};
};

struct DenseBiasGradientTask {
  static constexpr const char* kOperation = "dense_bias_gradient";
  float* d_bias = nullptr;       // +=
  const float* d_out = nullptr;  // (n, out map)
  int n = 0;
  StageShape shape = {};
};

// Through convolution and pool, times scale, zero where `activation` (the source after ReLU and dropout) is 0; of
// coded networks everywhere.
struct DenseInputGradientTask {
  static constexpr const char* kOperation = "dense_input_gradient";
  float* d_src = nullptr;        // (n, src map)
  bool add = false;              // to `d_src`, which another stage that reads the same map has written
  const float* d_out = nullptr;  // (n, out map)
  const float* weight = nullptr;
  const void* weight_backward = nullptr;  // of PackBackwardTask
  const float* activation = nullptr;      // (n, src map), or null
  float scale = 1;
  int n = 0;
  StageShape shape = {};
};

}  // namespace onespike
