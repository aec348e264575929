// The events of a stage's source bucketed by source channel, for the weight gradient of a convolution.
//
//   unit 0:  | channel 0, kind 0: .. | channel 0, kind 1: .. | channel 1, kind 0: .. | ..
//   unit 1:  ..
//
// A unit is a part of g that fits the cache for one tile of channels: a band of rows of one image, or, where maps are
// small, a group of images, so that a row of weights is read and written once for many events. A kind is a residue
// class of row and column modulo the stride. An entry is the cell, counted from the group's first, that tap (0, 0) of
// its kind reads; a tap one further reads one cell before.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "core/thread_pool.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

class EventBuckets {
 public:
  explicit EventBuckets(ScratchSet& set) : cells_(set), starts_(set), values_(set), next_(set) {}

  // Sorts the events of n images; within a bucket they lie by image and row.
  void sort(const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool);

  bool valued() const { return valued_; }  // whether every event has a value of its own
  int groups() const { return groups_; }
  int bands() const { return bands_; }
  int kinds() const { return kinds_; }
  int64_t group_images() const { return group_images_; }
  const uint32_t* cells() const { return cells_.data(); }
  const float* values() const { return values_.data(); }
  // Where channel 0 of a unit begins; the other (channel, kind) follow, and one end.
  const uint32_t* starts(int group, int band) const {
    return starts_.data() + (int64_t(group) * bands_ + band) * unit_buckets_;
  }

 private:
  Scratch<uint32_t> cells_, starts_;
  Scratch<float> values_;
  Scratch<uint32_t> next_;  // (n, band, channel, kind): events of an image, then where its next one goes
  int groups_ = 1, bands_ = 1, kinds_ = 1;
  int64_t group_images_ = 1, unit_buckets_ = 0;
  bool valued_ = false;
};

}  // namespace onespike::cpu
