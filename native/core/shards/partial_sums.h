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

  Status ensure(int64_t count) {
    const Status status = values.ensure(count);
    return status.ok() ? result.ensure(1) : status;
  }
  int64_t bytes() const { return values.bytes() + result.bytes(); }
};

struct PartialSums {
  explicit PartialSums(Backend& b) : linked(b), spikes(b) {}
  std::vector<std::unique_ptr<PartialSum>> levels;  // level k: of 2^k shards
  int64_t groups = 0;                               // that normalised their images, over the shards so far
  std::vector<std::byte> own, received;             // through the host: the sums of this rank and of another, packed
  PartialSum linked;                                // between devices: what another rank has sent
  Buffer<int64_t> spikes;                           // and its spikes per stage

  int64_t bytes() const {
    int64_t sum = int64_t(own.capacity() + received.capacity()) + linked.bytes() + spikes.bytes();
    for (const auto& level : levels) sum += level->bytes();
    return sum;
  }
};

}  // namespace onespike
