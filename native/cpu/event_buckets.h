// The events of a stage's source bucketed by source channel, for the weight gradient of a convolution.
#pragma once

#include <cstdint>

#include "core/backend.h"
#include "core/thread_pool.h"
#include "cpu/scratch.h"

namespace onespike::cpu {

// An entry is the cell of the gradient map that tap (0, 0) of the event's residue class reads; a tap one further reads one
// cell before.
// Buckets of an image: (band of rows, channel, residue class of y and x modulo the stride).
struct EventBuckets {
  Scratch<uint32_t> cells, starts;
  Scratch<float> values;
  int64_t capacity = 0, buckets = 0;  // per image
  int bands = 1, band_rows = 0, classes = 1;
  bool valued = false;
};

void sort_by_channel(EventBuckets* buckets, const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool);

}  // namespace onespike::cpu
