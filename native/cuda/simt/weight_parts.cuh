// A weight gradient is a sum over cells of all images, in parts that have a copy of the packed weights each and are
// added up in order.
#pragma once

#include <algorithm>

#include "cuda/elementwise.cuh"
#include "cuda/device/gate.h"
#include "cuda/simt/tiles.cuh"

namespace onespike::cuda {

// Blocks that keep a large GPU busy, and the bytes of sums that wait to be added up for it.
constexpr int64_t kWantedBlocks = 512;
constexpr int64_t kSplitBytes = 64ll << 20;
constexpr int64_t kLeastDepth = 8 * kDepth;  // of a part

// The grid of a weight gradient and the depth of a part.
template <int kColumns>
TileGrid weight_grid(int64_t images, const StageShape& s, int64_t* part) {
  TileGrid grid = tile_grid<kColumns>(int64_t(s.taps()) * s.src_cs, s.out_cs);
  const int64_t depth = images * s.out_cells();
  const int64_t most = std::min(depth / kLeastDepth, kSplitBytes / (s.weights() * int64_t(sizeof(float))));
  const int64_t splits = std::max<int64_t>(1, std::min(kWantedBlocks / grid.tiles(), most));
  *part = ((depth + splits - 1) / splits + kDepth - 1) / kDepth * kDepth;
  grid.splits = int((depth + *part - 1) / *part);
  return grid;
}

struct AddParts {
  float* d_weight;
  const float* parts;
  int64_t weights;
  int splits;
  float scale;
  Gate gate;

  __device__ void operator()(int64_t i) const {
    if (gate.closed()) return;
    float sum = 0;
    for (int part = 0; part < splits; ++part) sum += parts[part * weights + i];
    d_weight[i] += scale * sum;
  }
};

}  // namespace onespike::cuda
