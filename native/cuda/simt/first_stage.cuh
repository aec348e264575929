// What the kernels of first_stage.h share: rows of weights (tap, source channel) in groups of four, and how a warp
// gathers what its output cells meet at them, a cell per lane.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/device/shared_memory.h"
#include "cuda/simt/lane_channels.cuh"
#include "cuda/simt/tiles.cuh"
#include "cuda/tensor/ptx.cuh"
#include "ops/shape.h"

namespace onespike::cuda::first_stage {

constexpr int kGroupRows = 4;
constexpr int kGroups = 7;                              // of a word
constexpr int kWordRows = kGroups * kGroupRows;         // the 27 of 3 x 3 x 3 and one that is always zero
constexpr int kMostRows = 3 * kWordRows;                // 5 x 5 x 3 has 75
constexpr int kWarps = 8, kThreads = 32 * kWarps;       // of a block
constexpr int kColumns = 64;                            // output channels of a block
constexpr int kColumnBytes = kColumns * sizeof(float);  // of one cell, or one row of weights

ONESPIKE_HD inline int rows_of(const StageShape& s) { return s.taps() * s.src_cs; }
ONESPIKE_HD inline int words_of(const StageShape& s) { return (rows_of(s) + kWordRows - 1) / kWordRows; }
inline int column_tiles_of(const StageShape& s) { return (s.out_cs + kColumns - 1) / kColumns; }

constexpr int kLaneColumns = 4, kHalf = kColumns / kLaneColumns;  // forward, where half a warp has a cell
// Of one launch; the others follow in a loop, which spares their tables.
constexpr int64_t kMostBlocks = 2048;
// Cells that a warp gathers at once, one a lane: fewer where that gives more warps or takes too much memory.
constexpr int kMostRun = 32, kLeastRun = 8;
constexpr int64_t kWantedWarps = 4096;

struct Runs {
  int64_t cells;  // output cells of all images
  int run;

  __device__ int64_t step() const { return int64_t(gridDim.x) * kWarps * run; }
  __device__ int64_t begin() const { return (int64_t(blockIdx.x) * kWarps + int(threadIdx.x) / 32) * run; }
  __device__ int count(int64_t first) const { return int(min(int64_t(run), cells - first)); }
};

// The longest run that fits and leaves enough warps; `bytes(run)` is the shared memory of a block.
template <class Bytes>
Runs runs_of(int64_t cells, const Bytes& bytes) {
  int run = kMostRun;
  while (run > kLeastRun && (cells / run < kWantedWarps || bytes(run) > size_t(kMaxShared))) run /= 2;
  return {cells, run};
}

inline dim3 grid_of(const Runs& runs, const StageShape& s) {
  const int64_t cells = int64_t(kWarps) * runs.run;
  return dim3(unsigned(std::min((runs.cells + cells - 1) / cells, kMostBlocks)), unsigned(column_tiles_of(s)));
}

// Maps (n, T, out map) as kernels walk them, cell after cell: worked out on the host, because the compiler multiplies
// 64 bits again wherever registers are scarce.
struct StepStrides {
  int image_cells;
  int64_t step, behind;  // values of a step; of the steps of an image behind its first

  StepStrides(const StageShape& s, int timesteps)
      : image_cells(int(s.out_cells())), step(s.out_size()), behind((timesteps - 1) * s.out_size()) {}
};

// The source cell that an output cell meets at the first row. It may lie outside the map.
struct Origin {
  int y, x, place;

  __device__ Origin(const Cell& cell, const StageShape& s)
      : y(cell.y * s.stride - s.pad), x(cell.x * s.stride - s.pad) {
    place = (y * s.in_w + x) * s.src_cs;
  }
};

// Four rows after the other, and what output cells meet there. It is the same for all lanes of a warp.
class RowWalk {
 public:
  __device__ RowWalk(int row, const StageShape& s) : left_(rows_of(s) - row) {
    const Tap tap = tap_at(row, s.src_cs, s.kernel_w);
    y_ = tap.y, x_ = tap.x, channel_ = tap.channel;
    offset_ = (y_ * s.in_w + x_) * s.src_cs + channel_;
  }
  // Zero outside the map and beyond the last row; `map` is that of the image.
  template <class Value>
  __device__ __forceinline__ void next(Value (&values)[kGroupRows], const Value* map, const Origin& from,
                                       const StageShape& s) {
#pragma unroll
    for (int i = 0; i < kGroupRows; ++i) {
      const bool inside =
          i < left_ && unsigned(from.y + y_) < unsigned(s.in_h) && unsigned(from.x + x_) < unsigned(s.in_w);
      values[i] = inside ? map[from.place + offset_] : Value(0);
      ++offset_;
      if (++channel_ < s.src_cs) continue;
      channel_ = 0;
      if (++x_ < s.kernel_w) continue;
      x_ = 0, ++y_, offset_ += (s.in_w - s.kernel_w) * s.src_cs;
    }
    left_ -= kGroupRows;
  }

 private:
  int y_, x_, channel_, offset_, left_;
};

// take(group, values) for every group of rows from `first_row` on, with what the output cell `index` of all images
// meets there. A lane has a cell.
template <class Value, class Take>
__device__ __forceinline__ void each_group(const Value* maps, int64_t index, int first_row, int groups,
                                           const StageShape& s, const Take& take) {
  const Cell cell = cell_at(index, s.out_h, s.out_w);
  const Origin from(cell, s);
  const Value* map = maps + cell.image * s.src_size();
  RowWalk walk(first_row, s);
#pragma unroll 1
  for (int group = 0; group < groups; ++group) {
    Value values[kGroupRows];
    walk.next(values, map, from, s);
    take(group, values);
  }
}

__device__ __forceinline__ float4 load_four(const void* at) { return *static_cast<const float4*>(at); }

}  // namespace onespike::cuda::first_stage
