// Operations on the input, on masks and on whole blocks of memory: one task each. What a task writes is overwritten
// unless it says `+=`. core/backend/values.h has the layouts.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/backend/values.h"
#include "core/spec.h"
#include "ops/shape.h"

namespace onespike {

struct ZeroTask {
  static constexpr const char* kOperation = "zero";
  void* memory = nullptr;
  size_t bytes = 0;
};

// How image bytes become input.
struct EncodeParams {
  Encoder encoder = Encoder::kHybrid;
  int channels = 0, height = 0, width = 0, timesteps = 0;
  const float* mean = nullptr;  // (C)
  const float* std = nullptr;
  double lo = 0, hi = 1;
  uint64_t seed = 0;  // of the rate encoder
  const StepInputs* inputs = nullptr;
  int last = 0;  // spikes after this step are left out
};

// Pixels -> NHWC. Null outputs are not wanted.
struct EncodeTask {
  static constexpr const char* kOperation = "encode";
  float* analog = nullptr;          // (n, H, W, C)
  uint8_t* times = nullptr;         // (n, H, W, C)
  int8_t* values = nullptr;         // (n, last, H, W, C) codes of event_value
  const uint8_t* pixels = nullptr;  // (n, C, H, W)
  EncodeParams params = {};
  int n = 0;
  int64_t first_image = 0;  // its position in the batch, by which the rate encoder draws
};

// 0 and 1: one draw per neuron from (seed, step, layer, image).
struct DropoutMaskTask {
  static constexpr const char* kOperation = "dropout_mask";
  uint8_t* mask = nullptr;  // (n, out map)
  uint64_t seed = 0;
  const StepInputs* inputs = nullptr;
  int n = 0;
  int64_t first_image = 0;
  StageShape shape = {};
};

struct MaskTimesTask {
  static constexpr const char* kOperation = "apply_mask";
  uint8_t* to = nullptr;           // (count)
  const uint8_t* times = nullptr;  // (count)
  const uint8_t* mask = nullptr;   // (count)
  int64_t count = 0;               // of whole maps
};

struct MaskValuesTask {
  static constexpr const char* kOperation = "apply_mask";
  float* values = nullptr;        // (count) *= mask * scale
  const uint8_t* mask = nullptr;  // (count)
  float scale = 1;
  int64_t count = 0;
};

struct CountEventsTask {
  static constexpr const char* kOperation = "count_events";
  int64_t* total = nullptr;        // += number of bytes that are not zero, or of one bits
  const uint8_t* times = nullptr;  // (count)
  int64_t count = 0;               // of whole maps
  bool bits = false;
};

}  // namespace onespike
