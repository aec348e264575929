// From a description to shapes: checks a NetworkSpec and resolves it into stages, one per weighted layer.
#pragma once

#include <vector>

#include "core/network.h"
#include "core/spec.h"
#include "core/status.h"
#include "ops/shape.h"

namespace onespike {

struct Plan {
  NetworkSpec spec;
  std::vector<StageShape> stages;    // the last one is the output layer
  std::vector<TensorInfo> tensors;   // per stage: weight, bias if any, threshold, leak
  int chunk = 1;                     // images that pass through the spiking network together
  int ann_chunk = 1;                 // and through the ANN

  int classes() const { return stages.back().out_c; }
  bool needs_analog() const { return spec.encoder == Encoder::kHybrid || spec.encoder == Encoder::kDirect; }
};

Status make_plan(const NetworkSpec& spec, Plan* plan);

}  // namespace onespike
