// The matrix product behind every forward pass and input gradient: rows are cells of a map, columns channels, the inner
// dimension runs over taps and slices of 64 channels. kSteps sums per cell and channel, one for each time step, stay in registers:
// one tile of weights in shared memory serves all steps, and so does one tile of spike times, which every step compares with t.
//
// A block has 4 warps; a warp owns kRowTiles x 16 rows by all 64 columns. Why these numbers: kSteps * kRowTiles <= 5 keeps the sums within
// 160 of the 255 registers that two blocks on an SM leave to a thread. A fragment of spikes costs 10 integer instructions and
// feeds 8 products; a fragment of weights is loaded once for kSteps * kRowTiles. One step alone (dense maps) gets 4 row tiles: 4 KiB of
// shared memory are read for 32 products, which is where shared memory and tensor cores of an SM take equally long.
#pragma once

#include <algorithm>

#include "cuda/launch.h"
#include "cuda/tile.cuh"

namespace onespike::cuda {

struct GemmTask {
  const void* a;        // spike times (image, a_h, a_w, a_stride), or bf16 (image, T, a_h, a_w, a_stride)
  const void* b;        // weights, packed by pack_weights
  int images, timesteps;
  int first_step;       // of the kSteps of this launch, from 0
  int row_h, row_w;     // cells that receive, per image
  int a_h, a_w, a_stride;
  int slices;           // of 64 channels, per tap
  int kernel_h, kernel_w;
  int column_tiles;     // of 64
  // The cell that row y reads at tap k: (y * multiply + offset + sign * k) / divide, if that is whole and inside.
  int multiply, divide, sign, offset;

  ONESPIKE_HD int64_t rows() const { return int64_t(images) * row_h * row_w; }
};

// Forward: an output cell reads input cells.
inline GemmTask forward_task(int n, int timesteps, const StageShape& s) {
  GemmTask g{};
  g.images = n, g.timesteps = timesteps;
  g.row_h = s.out_h, g.row_w = s.out_w, g.a_h = s.in_h, g.a_w = s.in_w;
  g.slices = (s.src_cs + kSlice - 1) / kSlice, g.a_stride = g.slices * kSlice;
  g.kernel_h = s.kernel_h, g.kernel_w = s.kernel_w;
  g.column_tiles = (s.out_cs + kColumns - 1) / kColumns;
  g.multiply = s.stride, g.divide = 1, g.sign = 1, g.offset = -s.pad;
  return g;
}

// Backward: an input cell reads output cells. A linear layer has one output cell and weights of its own for each input cell: there
// rows are images, and the columns run over input cells as well.
inline GemmTask backward_task(int n, int timesteps, const StageShape& s) {
  GemmTask g{};
  const bool linear = s.linear;
  g.images = n, g.timesteps = timesteps;
  g.row_h = linear ? 1 : s.in_h, g.row_w = linear ? 1 : s.in_w, g.a_h = s.out_h, g.a_w = s.out_w;
  g.slices = (s.out_cs + kSlice - 1) / kSlice, g.a_stride = g.slices * kSlice;
  g.kernel_h = linear ? 1 : s.kernel_h, g.kernel_w = linear ? 1 : s.kernel_w;
  g.column_tiles = (s.src_cs + kColumns - 1) / kColumns * (linear ? s.taps() : 1);
  g.multiply = 1, g.divide = linear ? 1 : s.stride, g.sign = -1, g.offset = linear ? 0 : s.pad;
  return g;
}

template <bool kTimes, int kSteps, int kRowTiles>
struct GemmTile {
  static constexpr int kRows = kWarps * 16 * kRowTiles;
  static constexpr int kRowData = kTimes ? kRows * kSlice : kSteps * kRows * kRowBytes;
  static constexpr int kStageBytes = kRowData + kTileBytes;
  static constexpr int kInfoBytes = kRows * 8;
  static constexpr int kStages = std::min(4, (kSharedBudget - kInfoBytes) / kStageBytes < 2 ? 2 : (kSharedBudget - kInfoBytes) / kStageBytes);
  static constexpr int kShared = kStages * kStageBytes + kInfoBytes;
  static_assert(kShared <= 99 << 10);
};

struct RowInfo {
  int image;            // -1: no such row
  uint16_t y, x;
};

// Fills the stages of shared memory with what the tiles need, in the order of taps and slices.
template <bool kTimes, int kSteps, int kRowTiles>
class GemmLoader {
 public:
  using Tile = GemmTile<kTimes, kSteps, kRowTiles>;

  __device__ GemmLoader(const GemmTask& g, const RowInfo* rows, int column_tile) : g_(g), rows_(rows) {
    b_ = static_cast<const unsigned char*>(g.b) + int64_t(column_tile) * total() * kTileBytes;
  }
  __device__ int total() const { return g_.kernel_h * g_.kernel_w * g_.slices; }

  // Starts the copies of the next tile into `stage`; after the last one none.
  __device__ __forceinline__ void next(unsigned char* stage) {
    if (done_ < total()) {
      copy_rows(stage);
      unsigned char* tile = stage + Tile::kRowData;
      for (int at = int(threadIdx.x) * 16; at < kTileBytes; at += kThreads * 16) copy_async<16>(tile + at, b_ + at);
      b_ += kTileBytes;
      ++done_;
      if (++slice_ == g_.slices) {
        slice_ = 0;
        if (++kx_ == g_.kernel_w) kx_ = 0, ++ky_;
      }
    }
    copy_async_commit();
  }

 private:
  __device__ __forceinline__ bool source(int& at, int row, int tap, int size) const {
    at = row * g_.multiply + g_.offset + g_.sign * tap;
    if (at < 0) return false;
    if (g_.divide > 1) {
      if (at % g_.divide != 0) return false;
      at /= g_.divide;
    }
    return at < size;
  }

  __device__ __forceinline__ void copy_rows(unsigned char* stage) const {
    constexpr int kChunks = kTimes ? kSlice / 16 : kSlice / kChunk;  // of 16 bytes per row
    const int chunk = int(threadIdx.x) % kChunks;
    for (int row = int(threadIdx.x) / kChunks; row < Tile::kRows; row += kThreads / kChunks) {
      const RowInfo info = rows_[row];
      int y = 0, x = 0;
      bool inside = info.image >= 0 && source(y, info.y, ky_, g_.a_h) && source(x, info.x, kx_, g_.a_w);
      if constexpr (kTimes) {
        const int channel = slice_ * kSlice + chunk * 16;
        inside = inside && channel < g_.a_stride;
        const uint8_t* from = static_cast<const uint8_t*>(g_.a);
        if (inside) from += ((int64_t(info.image) * g_.a_h + y) * g_.a_w + x) * g_.a_stride + channel;
        copy_async<16>(stage + row * kSlice + chunk * 16, from, inside ? 16 : 0);
      } else {
        const uint16_t* from = static_cast<const uint16_t*>(g_.a);
        const int64_t step = int64_t(g_.a_h) * g_.a_w * g_.a_stride;
        if (inside)
          from += (int64_t(info.image) * g_.timesteps + g_.first_step) * step + (int64_t(y) * g_.a_w + x) * g_.a_stride + slice_ * kSlice + chunk * kChunk;
#pragma unroll
        for (int t = 0; t < kSteps; ++t) {
          const bool wanted = inside && g_.first_step + t < g_.timesteps;
          copy_async<16>(stage + t * Tile::kRows * kRowBytes + chunk_offset(row, chunk), wanted ? from + t * step : from, wanted ? 16 : 0);
        }
      }
    }
  }

  const GemmTask& g_;
  const RowInfo* rows_;
  const unsigned char* b_;
  int done_ = 0, slice_ = 0, ky_ = 0, kx_ = 0;
};

template <int kSteps, int kRowTiles>
using Sums = float[kSteps][kRowTiles][kColumnTiles][4];

// sums += one stage: rows of spike times.
template <int kSteps, int kRowTiles>
__device__ __forceinline__ void multiply_times(Sums<kSteps, kRowTiles>& sums, const unsigned char* stage, const unsigned char* columns, int first_step) {
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  uint32_t times[kRowTiles][2][4], any = 0;
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = (warp * kRowTiles + m) * 16 + half * 8 + lane / 4;
      const uint4 words = *reinterpret_cast<const uint4*>(stage + row * kSlice + lane % 4 * 16);
      times[m][half][0] = words.x, times[m][half][1] = words.y, times[m][half][2] = words.z, times[m][half][3] = words.w;
      any |= words.x | words.y | words.z | words.w;
    }
  if (!__any_sync(0xffffffffu, any != 0)) return;  // no event: padding, or a silent corner
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    uint32_t b[kColumnTiles][2];
    load_columns(b, columns, j);
#pragma unroll
    for (int t = 0; t < kSteps; ++t) {
      const uint32_t step4 = uint32_t(first_step + t + 1) * 0x01010101u;
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
        uint32_t a[4];
        spikes_at(a[0], a[2], times[m][0][j], step4);
        spikes_at(a[1], a[3], times[m][1][j], step4);
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c) mma_bf16(sums[t][m][c], a, b[c]);
      }
    }
  }
}

// sums += one stage: rows of bf16 for every step.
template <int kSteps, int kRowTiles>
__device__ __forceinline__ void multiply_steps(Sums<kSteps, kRowTiles>& sums, const unsigned char* stage, const unsigned char* columns) {
  constexpr int kRows = kWarps * 16 * kRowTiles;
  const int warp = int(threadIdx.x) / 32;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    uint32_t b[kColumnTiles][2];
    load_columns(b, columns, j);
#pragma unroll
    for (int t = 0; t < kSteps; ++t)
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
        uint32_t a[4];
        load_rows(a, stage + t * kRows * kRowBytes, (warp * kRowTiles + m) * 16, j);
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c) mma_bf16(sums[t][m][c], a, b[c]);
      }
  }
}

// Epilogue: made from its task; values(row, column, v) receives the kSteps sums of two neighbouring columns; finish() is called by
// all threads at the end.
template <bool kTimes, int kSteps, int kRowTiles, class Epilogue>
__global__ void __launch_bounds__(kThreads, 2) gemm_kernel(GemmTask g, typename Epilogue::Task task) {
  using Tile = GemmTile<kTimes, kSteps, kRowTiles>;
  unsigned char* shared = dynamic_shared();
  auto* rows = reinterpret_cast<RowInfo*>(shared + Tile::kStages * Tile::kStageBytes);
  const int column_tile = int(blockIdx.x % unsigned(g.column_tiles));
  const int64_t first_row = int64_t(blockIdx.x / unsigned(g.column_tiles)) * Tile::kRows, row_count = g.rows();
  for (int i = int(threadIdx.x); i < Tile::kRows; i += kThreads) {
    const int64_t row = first_row + i;
    const int cells = g.row_h * g.row_w, cell = int(row % cells);
    rows[i] = {row < row_count ? int(row / cells) : -1, uint16_t(cell / g.row_w), uint16_t(cell % g.row_w)};
  }
  __syncthreads();

  GemmLoader<kTimes, kSteps, kRowTiles> loader(g, rows, column_tile);
  const int total = loader.total();
  for (int i = 0; i < Tile::kStages - 1; ++i) loader.next(shared + i * Tile::kStageBytes);
  Sums<kSteps, kRowTiles> sums = {};
  for (int i = 0, stage = 0; i < total; ++i, stage = stage + 1 == Tile::kStages ? 0 : stage + 1) {
    copy_async_wait<Tile::kStages - 2>();
    __syncthreads();  // the stage is there for all, and the one before is free
    loader.next(shared + (stage == 0 ? Tile::kStages - 1 : stage - 1) * Tile::kStageBytes);
    const unsigned char* at = shared + stage * Tile::kStageBytes;
    if constexpr (kTimes) multiply_times<kSteps, kRowTiles>(sums, at, at + Tile::kRowData, g.first_step);
    else multiply_steps<kSteps, kRowTiles>(sums, at, at + Tile::kRowData);
  }
  copy_async_wait<0>();

  Epilogue epilogue(task, g);
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = (warp * kRowTiles + m) * 16 + half * 8 + lane / 4;
      const RowInfo info = rows[row];
      if (info.image < 0) continue;
#pragma unroll
      for (int c = 0; c < kColumnTiles; ++c) {
        float values[kSteps][2];
#pragma unroll
        for (int t = 0; t < kSteps; ++t) values[t][0] = sums[t][m][c][2 * half], values[t][1] = sums[t][m][c][2 * half + 1];
        epilogue.values(info, column_tile * kColumns + c * 8 + lane % 4 * 2, values);
      }
    }
  epilogue.finish();
}

// Steps that one launch sums: all up to 5, else equal blocks of at most 4.
inline int steps_per_launch(int timesteps) {
  if (timesteps <= 5) return timesteps;
  const int launches = (timesteps + 3) / 4;
  return (timesteps + launches - 1) / launches;
}

ONESPIKE_HD constexpr int row_tiles(int steps) { return steps == 1 ? 4 : steps == 2 ? 2 : 1; }

inline int64_t gemm_blocks(const GemmTask& g, int steps) {
  const int rows = kWarps * 16 * row_tiles(steps);
  return (g.rows() + rows - 1) / rows * g.column_tiles;
}

template <bool kTimes, class Epilogue, int kSteps>
void launch_gemm(Stream& stream, const char* name, const GemmTask& g, const typename Epilogue::Task& task) {
  launch(stream, dim3(unsigned(gemm_blocks(g, kSteps))), dim3(kThreads), GemmTile<kTimes, kSteps, row_tiles(kSteps)>::kShared, name,
         gemm_kernel<kTimes, kSteps, row_tiles(kSteps), Epilogue>, g, task);
}

// As many steps as steps_per_launch says.
template <bool kTimes, class Epilogue>
void launch_steps(Stream& stream, const char* name, const GemmTask& g, const typename Epilogue::Task& task) {
  switch (steps_per_launch(g.timesteps)) {
    case 1: return launch_gemm<kTimes, Epilogue, 1>(stream, name, g, task);
    case 2: return launch_gemm<kTimes, Epilogue, 2>(stream, name, g, task);
    case 3: return launch_gemm<kTimes, Epilogue, 3>(stream, name, g, task);
    case 4: return launch_gemm<kTimes, Epilogue, 4>(stream, name, g, task);
    default: return launch_gemm<kTimes, Epilogue, 5>(stream, name, g, task);
  }
}

}  // namespace onespike::cuda
