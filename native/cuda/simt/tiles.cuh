// A tile of a matrix product in 32-bit floats: kTileRows by kColumns sums, four rows by four columns a thread, with
// slices of both operands in shared memory. Problems say where their operands come from.
#pragma once

#include <cstdint>

#include "cuda/device/launch.h"
#include "ops/shape.h"

namespace onespike::cuda {

constexpr int kTileRows = 64;
constexpr int kDepth = 16;  // of a slice
constexpr int64_t kMostBlocks = 1 << 30;

// Fused where the device fuses. The emulator's processor may have no such instruction.
__device__ __forceinline__ float multiply_add(float a, float b, float c) {
#ifdef __CUDA_ARCH__
  return fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

template <int kColumns>
struct SimtTile {
  static constexpr int kThreads = kTileRows * kColumns / 16;
  static constexpr int kBlocks = 512 / kThreads;  // on an SM at least: leaves a thread 128 registers
  static constexpr int kPad = 4;                  // of a row in shared memory: transposed stores meet fewer banks twice

  float a[kDepth][kTileRows + kPad];
  float b[kDepth][kColumns + kPad];
};

// Position of a thread's 4 x 4 sums.
template <int kColumns>
__device__ __forceinline__ int thread_row() {
  return int(threadIdx.x) / (kColumns / 4) * 4;
}
template <int kColumns>
__device__ __forceinline__ int thread_column() {
  return int(threadIdx.x) % (kColumns / 4) * 4;
}

// sums += the slice in shared memory.
template <int kColumns>
__device__ __forceinline__ void multiply_slice(float (&sums)[4][4], const SimtTile<kColumns>& tile) {
  const int row = thread_row<kColumns>(), column = thread_column<kColumns>();
#pragma unroll
  for (int k = 0; k < kDepth; ++k) {
    float a[4], b[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = tile.a[k][row + i], b[i] = tile.b[k][column + i];
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[i][j] = multiply_add(a[i], b[j], sums[i][j]);
  }
}

// sums = a * b over depth [begin, end). `load_a(tile, k)` and `load_b(tile, k)` fill the slice from depth k on, with
// zeros from `end` on, and answer whether there was anything but zeros: slices without are skipped.
template <int kColumns, class LoadA, class LoadB>
__device__ __forceinline__ void multiply(float (&sums)[4][4], SimtTile<kColumns>& tile, int64_t begin, int64_t end,
                                         const LoadA& load_a, const LoadB& load_b) {
  for (int64_t k = begin; k < end; k += kDepth) {
    const bool any = load_a(tile, k);
    if (!__syncthreads_or(any)) continue;
    load_b(tile, k);
    __syncthreads();
    multiply_slice<kColumns>(sums, tile);
    __syncthreads();
  }
}

// Source cells that an output cell meets at a tap.
struct Cell {
  int64_t image;
  int y, x;
};

ONESPIKE_HD inline Cell cell_at(int64_t row, int height, int width) {
  const int cells = height * width;
  // A device divides 32 bits several times faster than 64.
  const int64_t image = row < (int64_t(1) << 32) ? int64_t(uint32_t(row) / uint32_t(cells)) : row / cells;
  const int cell = int(row - image * cells);
  return {image, cell / width, cell % width};
}

struct Tap {
  int y, x, channel;
};

ONESPIKE_HD inline Tap tap_at(int64_t k, int channels, int kernel_w) {
  const int tap = int(k / channels);
  return {tap / kernel_w, tap % kernel_w, int(k - int64_t(tap) * channels)};
}

// Input coordinate of output coordinate o at a tap; -1 outside.
ONESPIKE_HD inline int input_at(int o, int tap, int in, const StageShape& s) {
  const int i = o * s.stride + tap - s.pad;
  return i >= 0 && i < in ? i : -1;
}

// Output coordinate that reads input coordinate i at a tap; -1 if there is none.
ONESPIKE_HD inline int output_at(int i, int tap, int out, const StageShape& s) {
  const int o = i + s.pad - tap;
  return o >= 0 && o % s.stride == 0 && o / s.stride < out ? o / s.stride : -1;
}

// Loads the columns of the packed weights in the order of the forward pass: depth (tap, source channel), columns output
// channels.
template <int kColumns>
__device__ __forceinline__ void load_weights(SimtTile<kColumns>& tile, const float* weight, int64_t k, int64_t depth,
                                             int first_column, int channels) {
  for (int i = int(threadIdx.x); i < kDepth * kColumns; i += SimtTile<kColumns>::kThreads) {
    const int column = first_column + i % kColumns, row = i / kColumns;
    float value = 0;
    if (column < channels && k + row < depth) {
      const Tile at = tile_of(column, channels);
      value = weight[at.begin * depth + (k + row) * at.width + (column - at.begin)];
    }
    tile.b[row][i % kColumns] = value;
  }
}

// Blocks of tiles: column tiles next to each other, so that they find the rows in the cache.
struct TileGrid {
  int64_t row_tiles;
  int column_tiles, splits;

  ONESPIKE_HD int64_t tiles() const { return row_tiles * column_tiles * splits; }
};

// Calls launch(columns) with the width of the tiles as a constant.
template <class F>
void with_columns(int channels, const F& run) {
  if (channels <= 16) run(std::integral_constant<int, 16>());
  else if (channels <= 32) run(std::integral_constant<int, 32>());
  else run(std::integral_constant<int, 64>());
}

template <int kColumns>
TileGrid tile_grid(int64_t rows, int64_t columns, int splits = 1) {
  return {(rows + kTileRows - 1) / kTileRows, int((columns + kColumns - 1) / kColumns), splits};
}

}  // namespace onespike::cuda
