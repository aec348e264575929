// Operations of batch normalisation: one task each. What a task writes is overwritten unless it says `+=`.
// ops/ann/norm.h has the formulas, core/backend/values.h the layouts. Arrays of one number per channel have out_cs of
// them; two such arrays that belong together lie one after the other: `affine` is gamma and beta, `running` mean and
// variance.
#pragma once

#include "core/backend/values.h"
#include "ops/shape.h"

namespace onespike {

// Mean and variance of a group's weighted input, channel by channel.
struct NormStatisticsTask {
  static constexpr const char* kOperation = "norm_statistics";
  float* moments = nullptr;         // (2, out_cs) mean, 1 / sqrt(variance + epsilon)
  float* sums = nullptr;            // (2, out_cs) += mean, unbiased variance
  const float* weighted = nullptr;  // (n, out map)
  int n = 0;                        // images of the group
  StageShape shape = {};
};

// The normalised input, or its ReLU.
struct NormForwardTask {
  static constexpr const char* kOperation = "norm_forward";
  float* out = nullptr;             // (n, out map)
  const float* weighted = nullptr;  // (n, out map)
  const float* moments = nullptr;   // of NormStatisticsTask
  const float* affine = nullptr;    // (2, out_cs)
  bool relu = false;
  int n = 0;
  StageShape shape = {};
};

// The gradient at the weighted input, statistics included, in the place of that at the normalised input.
struct NormBackwardTask {
  static constexpr const char* kOperation = "norm_backward";
  float* d_out = nullptr;           // (n, out map)
  float* d_affine = nullptr;        // (2, out_cs) += gradients of gamma and beta
  const float* weighted = nullptr;  // (n, out map)
  const float* moments = nullptr;   // of NormStatisticsTask
  const float* affine = nullptr;    // (2, out_cs)
  int n = 0;
  StageShape shape = {};
};

// The running statistics after a step of so many groups, unless it was not finite.
struct RunningStatisticsTask {
  static constexpr const char* kOperation = "update";
  float* running = nullptr;     // (2, out_cs) running mean and variance
  const float* sums = nullptr;  // of NormStatisticsTask, over the groups
  int out_cs = 0;
  int groups = 1;
  const StepResult* result = nullptr;
};

// Weights and bias of the layer that a stage is with running statistics.
struct FoldNormTask {
  static constexpr const char* kOperation = "fold_norm";
  float* folded_weight = nullptr;  // as `weight`
  float* folded_bias = nullptr;    // (out_cs)
  const float* weight = nullptr;
  const float* bias = nullptr;     // (out_cs), or null
  const float* affine = nullptr;   // (2, out_cs)
  const float* running = nullptr;  // (2, out_cs)
  StageShape shape = {};
};

// From the gradients of the folded weights and bias to those of what they were folded from.
struct FoldNormBackwardTask {
  static constexpr const char* kOperation = "fold_norm";
  float* d_weight = nullptr;  // of the folded weights; replaced
  float* d_bias = nullptr;    // (out_cs) of the folded bias; replaced, if the stage has no bias by zeros
  float* d_affine = nullptr;  // (2, out_cs) += gradients of gamma and beta
  const float* weight = nullptr;
  const float* bias = nullptr;     // (out_cs), or null
  const float* affine = nullptr;   // (2, out_cs)
  const float* running = nullptr;  // (2, out_cs)
  StageShape shape = {};
};

}  // namespace onespike
