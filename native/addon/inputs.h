// From the objects of binding-types.ts to the structs of the core: specification, batch, optimiser, counters.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "addon/support/handles.h"
#include "addon/support/napi_setup.h"
#include "backends.h"
#include "core/dataset.h"
#include "core/network.h"
#include "core/spec.h"

namespace onespike::addon {

class Instance;

// A batch as it came: either own copies of pixels and labels, or rows of a data set that it keeps alive.
struct BatchInput {
  std::vector<uint8_t> pixels;  // (count, C, H, W)
  std::vector<int32_t> labels;  // (count) or empty
  Rows rows;                    // without a data set if there are pixels
  int64_t count = 0;
  bool has_rows() const { return rows.data != nullptr; }
  // Of the whole batch, of which other ranks may have parts.
  int64_t images() const { return rows.shards.none() ? count : rows.shards.images; }
};

// The loss as it came; `teacher` computes the logits that a distillation compares with, or is null.
struct LossInput {
  LossOptions options;
  std::shared_ptr<NetworkEntry> teacher;
  Mode teacher_mode = Mode::kAnn;
};

enum class Labels { kOptional, kRequired };

NetworkSpec read_spec(Napi::Value value);
BackendSpec read_backend(Napi::Value value);  // of the same object
Encoder read_encoder(Napi::Value value, const std::string& name);
std::vector<float> read_channels(Napi::Value value, const std::string& name, int channels, const Limit& limit);
Mode read_mode(Napi::Value value);
TensorKind read_tensor_kind(Napi::Value value, const std::string& name);
OptimizerOptions read_optimizer(Napi::Value value, const std::string& name);
// The loss of training steps of the network `student`, whose `shape` it must fit.
LossInput read_loss(Instance& instance, Napi::Value value, const NetworkEntry& student, const std::string& name);

// Copies the batch; checks that it fits the network, that every index exists and every label used is a class.
BatchInput read_batch(Instance& instance, Napi::Value value, const NetworkShape& shape, Labels labels,
                      const std::string& name);

}  // namespace onespike::addon
