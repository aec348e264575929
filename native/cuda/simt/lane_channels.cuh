// Neighbouring output channels of a lane, and where their weights lie in the packed tensor.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "ops/shape.h"

namespace onespike::cuda {

// From `channel` on, as many as the caller reads at once: they never cross a tile of the packed weights, because tiles
// begin at multiples of kLane.
struct LaneChannels {
  int channel, width;
  int64_t begin;
  bool live;  // there is such a channel

  __device__ LaneChannels(int channel, int64_t rows, const StageShape& s) : channel(channel), live(channel < s.out_cs) {
    const Tile at = live ? tile_of(channel, s.out_cs) : Tile();
    width = at.width, begin = at.begin * rows + (channel - at.begin);
  }
  // In the row (tap, source channel).
  __device__ int64_t weight(int64_t row) const { return begin + row * width; }
};

}  // namespace onespike::cuda
