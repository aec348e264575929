// The matrix product behind every forward pass and input gradient: rows are cells of a map, columns channels, the inner
// dimension runs over slices of channels and taps. kSteps sums per cell and channel, one for each time step, stay in
// registers: one tile of weights in shared memory serves all steps, and so does one window of spike times, which every
// step compares with t.
//
// A block has 4 warps; a warp owns row_tiles x 16 rows by all 64 columns. Why these numbers: kSteps * row tiles <= 5
// keeps the sums within 160 of the 255 registers that two blocks on an SM leave to a thread. A fragment of spikes costs
// 10 integer instructions and feeds 8 products; a fragment of weights is loaded once for kSteps * row tiles. One step
// alone (dense maps) gets 4 row tiles: 4 KiB of shared memory are read for 32 products, which is where shared memory
// and tensor cores of an SM take equally long.
//
// Rows are a rectangle of cells (8 x 8, or 16 x 16 of one step; of small maps several images), and what all taps read
// of one slice is loaded once as a window: with a tile of its own for every tap, five steps of bf16 would ask the L2
// cache of an H100 for 12 TB/s, twice what it gives; with windows it is 4. A row that a tap leads outside reads a cell
// of zeros. Slices are 64 channels of spike times or 32 of bf16, so that two windows and three tiles of weights fit
// twice into an SM.
#pragma once

#include <algorithm>

#include "cuda/device/launch.h"
#include "cuda/tensor/block_place.cuh"
#include "cuda/tensor/epilogue.cuh"

namespace onespike::cuda {

// Fills windows and tiles of weights, in the order of slices and, inside, taps.
template <bool kTimes, int kSteps>
class GemmLoader {
 public:
  static constexpr int kDepth = kTimes ? kSlice : kSlice / 2;  // channels of a slice
  static constexpr int kTile = kColumns * kDepth * 2;          // bytes of a tile of weights
  static constexpr int kMaps = []() consteval {                // of a window: one of spike times, or one per step
    if constexpr (kTimes) return 1;
    else return kSteps;
  }();

  __device__ GemmLoader(const GemmTask& g, const BlockPlace& place, unsigned char* shared)
      : g_(g), place_(place), shared_(shared) {
    const int zeros = g.window_buffers * kMaps * (kWindowRow / 16);
    for (int i = int(threadIdx.x); i < zeros; i += kThreads)
      *reinterpret_cast<uint4*>(shared + (i / 4 + 1) * g.window_bytes() - kWindowRow + i % 4 * 16) =
          make_uint4(0, 0, 0, 0);
  }
  __device__ int taps() const { return g_.kernel_h * g_.kernel_w; }
  __device__ int slices() const { return g_.fixed_taps * g_.slices * (kSlice / kDepth); }
  __device__ int window() const { return g_.window_bytes() * kMaps; }
  // Where the next product that nobody has computed finds its operands. Copies are kColumnStages - 1 products ahead, so
  // after next() the tile that comes round is the one to read.
  __device__ const unsigned char* window_now() const { return shared_ + read_window_ * window(); }
  __device__ const unsigned char* tile_now() const { return tiles() + tile_ * kTile; }
  __device__ void window_done() { read_window_ = read_window_ + 1 == g_.window_buffers ? 0 : read_window_ + 1; }

  // Starts the copies for the next product; after the last one none.
  __device__ __forceinline__ void next() {
    if (slice_ < slices()) {
      if (tap_ == 0) copy_window();
      copy_tile();
      if (++tap_ == taps()) {
        tap_ = 0, ++slice_, channel_ += kDepth;
        if (channel_ == g_.slices * kSlice) channel_ = 0, ++fixed_;
        write_window_ = write_window_ + 1 == g_.window_buffers ? 0 : write_window_ + 1;
      }
    }
    tile_ = tile_ + 1 == kColumnStages ? 0 : tile_ + 1;
    copy_async_commit();
  }

 private:
  __device__ unsigned char* tiles() const { return shared_ + g_.window_buffers * window(); }

  __device__ __forceinline__ void copy_window() const {
    unsigned char* to = shared_ + write_window_ * window();
    const int chunk = int(threadIdx.x) % 4;
#pragma unroll 1  // the sums leave few registers
    for (int i = int(threadIdx.x) / 4; i < g_.window_cells(); i += kThreads / 4) {
      const int in_window = g_.by_window_image.quotient(i), at = i - in_window * g_.window_h * g_.window_w,
                line = g_.by_window_w.quotient(at), image = place_.image + in_window;
      const int64_t cell = fixed_ + (place_.window_y + line) * g_.a_w + place_.window_x + at - line * g_.window_w;
      if constexpr (kTimes) {
        const bool inside = image < g_.images && channel_ + chunk * 16 < g_.a_stride;
        const uint8_t* from = static_cast<const uint8_t*>(g_.a);
        if (inside) from += image * g_.image_stride + cell * g_.a_stride + channel_ + chunk * 16;
        copy_async(to + i * kWindowRow + chunk * 16, from, inside ? 16 : 0);
      } else {
        const uint16_t* from = static_cast<const uint16_t*>(g_.a);
        const bool inside = image < g_.images && channel_ + chunk * kChunk < g_.a_stride;
        if (inside)
          from += image * g_.image_stride + (int64_t(g_.first_step) * g_.image_cells() + cell) * g_.a_stride +
                  channel_ + chunk * kChunk;
        unsigned char* at_step = to + half_chunk_offset(i, chunk);
#pragma unroll 1
        for (int t = g_.first_step; t < g_.first_step + kSteps; ++t, at_step += g_.window_bytes()) {
          copy_async(at_step, from, inside && t < g_.timesteps ? 16 : 0);
          from += int64_t(g_.image_cells()) * g_.a_stride;
        }
      }
    }
  }

  // Tiles of a tap follow one another by slices, and slices of one cell after the other where a linear layer reads
  // several. A tile and the bytes of a thread in it are 32 bits from where the weights begin: 4 GiB are 2^31 of them.
  __device__ __forceinline__ void copy_tile() const {
    const unsigned per_tap = unsigned(g_.fixed_taps * g_.slices) * unsigned(kTileBytes), at = threadIdx.x * 16;
    unsigned char* to = tiles() + tile_ * kTile + at;
    const unsigned char* from =
        static_cast<const unsigned char*>(g_.b) +
        (unsigned(place_.column_tile * taps() + tap_) * per_tap + unsigned(slice_ * kTile) + at);
#pragma unroll
    for (int i = 0; i < kTile; i += kThreads * 16) copy_async(to + i, from + i);
  }

  const GemmTask& g_;
  const BlockPlace& place_;
  unsigned char* const shared_;
  int slice_ = 0, fixed_ = 0, channel_ = 0, tap_ = 0, write_window_ = 0, read_window_ = 0, tile_ = 0;
};

// Fragments of the 16 x 64 weights of step j of a tile, for all eight column tiles. Rows 16 apart are swizzled alike,
// so that the places of step 0 serve every j.
__device__ __forceinline__ void load_columns(uint32_t (&b)[kColumnTiles][2], const unsigned char* tile, int j) {
  const int lane = int(threadIdx.x) % 32, row = lane % 16;
#pragma unroll
  for (int pair = 0; pair < kColumnTiles / 2; ++pair) {
    uint32_t r[4];
    ldmatrix_transposed(r, tile + chunk_offset(row, 2 * pair + lane / 16) + j * 16 * kRowBytes);
    b[2 * pair][0] = r[0], b[2 * pair][1] = r[1], b[2 * pair + 1][0] = r[2], b[2 * pair + 1][1] = r[3];
  }
}

// What a lane loads of the rows of its warp: two rows of every tile as spike times, one as bf16 (ldmatrix).
template <bool kTimes, int kSteps>
struct WarpCells {
  SourceCells of[row_tiles(kTimes, kSteps)][kTimes ? 2 : 1];

  __device__ WarpCells(const BlockPlace& place, const GemmTask& g) {
    const int lane = int(threadIdx.x) % 32, first = int(threadIdx.x) / 32 * row_tiles(kTimes, kSteps) * 16;
#pragma unroll
    for (int m = 0; m < row_tiles(kTimes, kSteps); ++m)
#pragma unroll
      for (int half = 0; half < (kTimes ? 2 : 1); ++half)
        of[m][half] = SourceCells(first + m * 16 + (kTimes ? half * 8 + lane / 4 : lane % 16), place, g);
  }
};

// sums += the product of one tap and slice of spike times.
template <int kSteps>
__device__ __forceinline__ void multiply_times(Sums<true, kSteps>& sums, const unsigned char* window,
                                               const unsigned char* columns, const WarpCells<true, kSteps>& cells,
                                               int ky, int kx, const GemmTask& g) {
  constexpr int kRowTiles = row_tiles(true, kSteps);
  const int lane = int(threadIdx.x) % 32;
  uint32_t times[kRowTiles][2][4], any = 0;
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int cell = cells.of[m][half].at(ky, kx, g);
      const uint4 words = *reinterpret_cast<const uint4*>(window + cell * kWindowRow + lane % 4 * 16);
      times[m][half][0] = words.x, times[m][half][1] = words.y, times[m][half][2] = words.z,
      times[m][half][3] = words.w;
      any |= words.x | words.y | words.z | words.w;
    }
  if (!__any_sync(0xffffffffu, any != 0)) return;  // no event: padding, or a silent corner
  if (g.first_step > 0 ||
      g.timesteps > kMaxSteps) {  // asked once: a branch inside keeps loads and products of different j apart
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int j = 0; j < 4; ++j) times[m][half][j] = times_in_table(times[m][half][j], g.first_step);
  }
#pragma unroll
  for (int j = 0; j < kSlice / 16; ++j) {
    uint32_t b[kColumnTiles][2];
    load_columns(b, columns, j);
    uint32_t selectors[kRowTiles][2][2];
#pragma unroll
    for (int m = 0; m < kRowTiles; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) table_selectors(selectors[m][half], times[m][half][j]);
#pragma unroll
    for (int t = 0; t < kSteps; ++t)
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
        uint32_t a[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) a[i] = SpikeTable(t + 1).spikes(selectors[m][i % 2][i / 2]);
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c) mma_bf16(sums[t][m][c], a, b[c]);
      }
  }
}

// sums += the product of one tap and slice of bf16, for every step.
template <int kSteps>
__device__ __forceinline__ void multiply_steps(Sums<false, kSteps>& sums, const unsigned char* window,
                                               const unsigned char* columns, const WarpCells<false, kSteps>& sources,
                                               int ky, int kx, const GemmTask& g) {
  constexpr int kRowTiles = row_tiles(false, kSteps);
  const int lane = int(threadIdx.x) % 32;
  int cells[kRowTiles];
#pragma unroll
  for (int m = 0; m < kRowTiles; ++m) cells[m] = sources.of[m][0].at(ky, kx, g);
#pragma unroll
  for (int j = 0; j < kSlice / 32; ++j) {
    uint32_t b[kColumnTiles][2];
    load_columns(b, columns, j);
#pragma unroll
    for (int t = 0; t < kSteps; ++t)
#pragma unroll
      for (int m = 0; m < kRowTiles; ++m) {
        uint32_t a[4];
        ldmatrix(a, window + t * g.window_bytes() + half_chunk_offset(cells[m], 2 * j + lane / 16));
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c) mma_bf16(sums[t][m][c], a, b[c]);
      }
  }
}

// Epilogue: made from its task; values(row, column, v) receives the kSteps sums of two neighbouring columns, or where
// the epilogue has a type Quads, quad(row, column, v) those of four; finish() is called by all threads at the end.
template <bool kTimes, int kSteps, class Epilogue>
__global__ void __launch_bounds__(kThreads, 2) gemm_kernel(GemmTask g, typename Epilogue::Task task) {
  if (g.gate.closed()) return;
  const BlockPlace place(g);
  GemmLoader<kTimes, kSteps> loader(g, place, dynamic_shared());
  for (int i = 0; i < kColumnStages - 1; ++i) loader.next();
  const WarpCells<kTimes, kSteps> cells(place, g);
  Sums<kTimes, kSteps> sums = {};
  for (int slice = loader.slices(); slice > 0; --slice) {
    for (int ky = 0; ky < g.kernel_h; ++ky)
      for (int kx = 0; kx < g.kernel_w; ++kx) {
        copy_async_wait<kColumnStages - 2>();
        __syncthreads();  // what this product needs is there for all, and what the one before needed is free
        loader.next();
        if constexpr (kTimes) multiply_times<kSteps>(sums, loader.window_now(), loader.tile_now(), cells, ky, kx, g);
        else multiply_steps<kSteps>(sums, loader.window_now(), loader.tile_now(), cells, ky, kx, g);
      }
    loader.window_done();
  }
  copy_async_wait<0>();

  // Made again: nothing of it has to stay in registers meanwhile.
  const BlockPlace here(g);
  if constexpr (TakesQuads<Epilogue>) {
    const Staged<kTimes, kSteps> staged(dynamic_shared());
    stage_sums<kTimes, kSteps>(sums, staged);
    Epilogue epilogue(task, g);
    end_by_quads<kTimes, kSteps>(staged, epilogue, here, g);
    epilogue.finish();
  } else {
    Epilogue epilogue(task, g);
    end_in_registers<kTimes, kSteps>(sums, epilogue, here, g);
    epilogue.finish();
  }
}

template <bool kTimes, class Epilogue, int kSteps>
void launch_gemm(Stream& stream, const char* name, const GemmTask& g, const typename Epilogue::Task& task) {
  int bytes = g.shared_bytes(kTimes, kSteps);
  if constexpr (TakesQuads<Epilogue>) bytes = std::max(bytes, Staged<kTimes, kSteps>::kBytes);
  launch(stream, dim3(unsigned(g.blocks())), dim3(kThreads), size_t(bytes), name, gemm_kernel<kTimes, kSteps, Epilogue>,
         g, task);
}

// Whether there may be other launches for other steps: as many as that are all there are (plan_gemm).
template <int kSteps>
constexpr bool kCarries = kSteps < kMaxSteps;

// One launch of the steps that plan_gemm chose.
template <bool kTimes, class Epilogue>
void launch_steps(Stream& stream, const char* name, const GemmTask& g, int steps, const typename Epilogue::Task& task) {
  switch (steps) {
    case 1: return launch_gemm<kTimes, Epilogue, 1>(stream, name, g, task);
    case 2: return launch_gemm<kTimes, Epilogue, 2>(stream, name, g, task);
    case 3: return launch_gemm<kTimes, Epilogue, 3>(stream, name, g, task);
    case 4: return launch_gemm<kTimes, Epilogue, 4>(stream, name, g, task);
    default: return launch_gemm<kTimes, Epilogue, 5>(stream, name, g, task);
  }
}

}  // namespace onespike::cuda
