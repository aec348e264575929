// What a step over shards keeps besides: sums over some of its shards, and what travels between ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/backend/backend.h"
#include "core/state/buffers.h"

namespace onespike {

// All that the images of a shard add to, added up over 1, 2, 4, ... neighbouring shards.
struct PartialSum {
  explicit PartialSum(Backend& b) : values(b), result(b) {}
  Buffer<float> values;  // gradients and the sums of normalisation, one array after the other
  Buffer<StepResult> result;
};

struct PartialSums {
  std::vector<std::unique_ptr<PartialSum>> levels;  // level k: of 2^k shards
  int64_t groups = 0;                               // that normalised their images, over the shards so far
  std::vector<std::byte> own, received;             // the sums of this rank and of another, packed

  int64_t bytes() const {
    int64_t sum = int64_t(own.capacity() + received.capacity());
    for (const auto& level : levels) sum += level->values.bytes() + level->result.bytes();
    return sum;
  }
};

}  // namespace onespike
