// From a description to shapes: checks a NetworkSpec and resolves it into stages, one per weighted layer.
#pragma once

#include <vector>

#include "core/backend/backend.h"
#include "core/network.h"
#include "core/spec.h"
#include "core/status.h"
#include "ops/shape.h"

namespace onespike {

struct Plan {
  NetworkSpec spec;
  std::vector<StageShape> stages;   // the last one is the output layer
  std::vector<TensorInfo> tensors;  // per stage: weight, bias if any, threshold, leak
  int chunk = 1;                    // images that pass through the spiking network together in training
  int block = 1;                    // images whose linear layers share one weight gradient pass, whole chunks
  int inference_chunk = 1;  // images that pass through the spiking network together when nothing is kept for a gradient
  int ann_chunk = 1;        // and through the ANN

  int chunk_of(Mode mode, bool train) const { return mode == Mode::kAnn ? ann_chunk : train ? chunk : inference_chunk; }
  int classes() const { return stages.back().out_c; }
  // Linear layers above the first wait with their weight gradient until a block is complete.
  bool waits(size_t stage) const { return stage > 0 && stages[stage].linear; }
  // The map of a stage that the one above needs until then.
  bool keeps_block(size_t stage) const { return stage + 1 < stages.size() && waits(stage + 1); }
  EncoderEntry encoder() const { return encoder_entry(spec.encoder); }
  bool needs_analog() const { return encoder().analog != AnalogSteps::kNone; }
};

// Whether the numbers are in range; the layers are checked elsewhere.
Status check_spec(const NetworkSpec& spec);
Status make_plan(const NetworkSpec& spec, const ChunkLimits& chunk_limits, Plan* plan);

}  // namespace onespike
