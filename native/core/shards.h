// How the images of a batch are divided into shards, whose gradients are added in one order whatever computes them
// (docs/MATHEMATICS.md, "Shards and ranks").
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "core/limits.h"
#include "core/status.h"

namespace onespike {

// The shards of a batch that one rank computes, which are neighbours in the whole batch.
struct BatchShards {
  std::vector<int64_t> counts;  // images of each, one shard after the other, perhaps none; empty = there are no shards
  int64_t first = 0;            // position of the first image in the whole batch
  int64_t images = 0;           // of the whole batch

  bool none() const { return counts.empty(); }
  bool operator==(const BatchShards&) const = default;

  // Whether they divide `count` images. Errors: kArg.
  Status check(int64_t count) const {
    const auto wrong = [](const std::string& what) { return Status::error(Code::kArg, "Expected " + what); };
    if (!limits::kShards.holds(double(counts.size())))
      return wrong("between 1 and " + std::to_string(int64_t(limits::kShards.max)) + " shards but received " +
                   std::to_string(counts.size()));
    if (std::any_of(counts.begin(), counts.end(), [count](int64_t n) { return n < 0 || n > count; }) ||
        std::accumulate(counts.begin(), counts.end(), int64_t{0}) != count)
      return wrong("shards of " + std::to_string(count) + " images together, which the batch has");
    if (first < 0 || images < 1 || first > images - count)
      return wrong("the images from " + std::to_string(first) + " on, " + std::to_string(count) +
                   " of them, within a whole batch but received one of " + std::to_string(images));
    return Status::success();
  }
};

}  // namespace onespike
