// The matrix product behind every weight gradient, transposed: rows are 64 output channels, columns 64 source channels
// of one tap, the inner dimension runs over images, cells and steps.
//
// A block has 4 warps; each takes one unit, a tap and 64 source channels, and all share the g of 64 output channels. A
// stage of shared memory holds 32 cells: g of several steps, and for every unit the sources, as spike times for all
// steps at once or as bf16 of one step. 64 x 64 sums are 128 registers; fragments of g are loaded once for eight tiles
// of sources.
//
// From spike times a lane takes 8 neighbouring channels of 4 cells and turns bytes round in registers, so that a word
// holds 4 cells of one channel. Cells within a step of 16 may come in any order: slot 2 p + (i & 1) + 8 (i >> 1) is
// cell p + 4 i, which lets rows of times at a pitch of 96 bytes be read without bank conflicts.
#pragma once

#include "cuda/device/launch.h"
#include "cuda/tensor/tile.cuh"

namespace onespike::cuda {

struct WeightTask {
  const void* source;    // spike times (image, in_h, in_w, src_cs), or bf16 (image, T, in_h, in_w, src_cs)
  const uint16_t* g;     // bf16 (image, T, out_h, out_w, out_cs)
  int64_t image_stride;  // values of g from one image to the next
  float* partial;        // (splits, packed weights)
  int images, timesteps;
  int stage_steps;  // steps of one stage
  int splits;
  StageShape shape;
  Gate gate;

  ONESPIKE_HD int64_t cells() const { return int64_t(images) * shape.out_h * shape.out_w; }
  ONESPIKE_HD int step_blocks() const { return (timesteps + stage_steps - 1) / stage_steps; }
  ONESPIKE_HD int source_tiles() const { return (shape.src_cs + kSlice - 1) / kSlice; }
  ONESPIKE_HD int out_tiles() const { return (shape.out_cs + kSlice - 1) / kSlice; }
  ONESPIKE_HD int units() const { return shape.taps() * source_tiles(); }
  ONESPIKE_HD int groups() const { return (units() + kWarps - 1) / kWarps; }
};

constexpr int kStageCells = 32;
constexpr int kTimesPitch = 96;
constexpr int kMaxStageSteps = 5;

template <bool kTimes>
struct WeightTile {
  static constexpr int kSteps = kTimes ? kMaxStageSteps : 1;
  static constexpr int kSourceBytes = kStageCells * (kTimes ? kTimesPitch : kRowBytes);  // per unit
  static constexpr int kGradientBytes = kStageCells * kRowBytes;                         // per step
  static constexpr int kStageBytes = kSteps * kGradientBytes + kWarps * kSourceBytes;
  static constexpr int kStages = 3;
  static constexpr int kShared = kStages * kStageBytes;
  static_assert(kShared <= kMaxShared);
};

// Cell of a slot of a step of 16.
__device__ __forceinline__ int cell_of_slot(int slot) { return slot % 8 / 2 + 4 * (slot % 2 + 2 * (slot / 8)); }

struct Unit {
  int ky, kx, channel;  // of its first source channel
  bool exists;

  __device__ Unit(const WeightTask& w, int index) : exists(index < w.units()) {
    const int tap = index / w.source_tiles();
    ky = tap / w.shape.kernel_w, kx = tap % w.shape.kernel_w, channel = index % w.source_tiles() * kSlice;
  }
};

template <bool kTimes>
class WeightLoader {
 public:
  using Tile = WeightTile<kTimes>;
  __device__ WeightLoader(const WeightTask& w, int first_unit, int out_channel, int64_t begin, int64_t end)
      : w_(w), first_unit_(first_unit), out_channel_(out_channel), next_(begin), end_(end) {}

  // Starts the copies of the next stage; after the last one none. Steps of a stage are inner to its cells.
  __device__ __forceinline__ void next(unsigned char* stage) {
    if (next_ < end_) {
      const int blocks = w_.step_blocks(), first_step = int(next_ % blocks) * w_.stage_steps;
      load_gradient(stage, next_ / blocks * kStageCells, first_step);
      load_sources(stage + Tile::kSteps * Tile::kGradientBytes, next_ / blocks * kStageCells, first_step);
      ++next_;
    }
    copy_async_commit();
  }

 private:
  __device__ __forceinline__ void load_gradient(unsigned char* stage, int64_t first_cell, int first_step) const {
    const int64_t cells = w_.shape.out_cells(), total = w_.cells(), stride = w_.shape.out_cs;
    const int chunk = int(threadIdx.x) % 8, channel = out_channel_ + chunk * kChunk;
    for (int row = int(threadIdx.x) / 8; row < kStageCells; row += kThreads / 8) {
      const int64_t index = first_cell + row, image = index / cells, cell = index % cells;
      for (int t = 0; t < w_.stage_steps; ++t) {
        const bool inside = index < total && first_step + t < w_.timesteps && channel < stride;
        const uint16_t* from = w_.g;
        if (inside) from += image * w_.image_stride + ((first_step + t) * cells + cell) * stride + channel;
        copy_async<16>(stage + t * Tile::kGradientBytes + chunk_offset(row, chunk), from, inside ? 16 : 0);
      }
    }
  }

  __device__ __forceinline__ void load_sources(unsigned char* stage, int64_t first_cell, int first_step) const {
    constexpr int kChunks = kTimes ? kSlice / 16 : kSlice / kChunk;
    const StageShape& s = w_.shape;
    const int chunk = int(threadIdx.x) % kChunks;
    for (int row = int(threadIdx.x) / kChunks; row < kStageCells; row += kThreads / kChunks) {
      const int64_t index = first_cell + row;
      const int image = int(index / s.out_cells()), cell = int(index % s.out_cells());
      const int top = cell / s.out_w * s.stride - s.pad, left = cell % s.out_w * s.stride - s.pad;
#pragma unroll
      for (int u = 0; u < kWarps; ++u) {
        const Unit unit(w_, first_unit_ + u);
        const int y = top + unit.ky, x = left + unit.kx;
        bool inside = unit.exists && index < w_.cells() && y >= 0 && x >= 0 && y < s.in_h && x < s.in_w;
        if constexpr (kTimes) {
          const int channel = unit.channel + chunk * 16;
          inside = inside && channel < s.src_cs;
          const uint8_t* from = static_cast<const uint8_t*>(w_.source);
          if (inside) from += ((int64_t(image) * s.in_h + y) * s.in_w + x) * s.src_cs + channel;
          copy_async<16>(stage + u * Tile::kSourceBytes + row * kTimesPitch + chunk * 16, from, inside ? 16 : 0);
        } else {
          const int channel = unit.channel + chunk * kChunk;
          inside = inside && channel < s.src_cs;
          const uint16_t* from = static_cast<const uint16_t*>(w_.source);
          if (inside)
            from += (((int64_t(image) * w_.timesteps + first_step) * s.in_h + y) * s.in_w + x) * s.src_cs + channel;
          copy_async<16>(stage + u * Tile::kSourceBytes + chunk_offset(row, chunk), from, inside ? 16 : 0);
        }
      }
    }
  }

  const WeightTask& w_;
  const int first_unit_, out_channel_;
  int64_t next_;
  const int64_t end_;
};

using WeightSums = float[4][kColumnTiles][4];

// A fragments, 64 output channels by 16 cells from `cell` on, of the g of one step.
__device__ __forceinline__ void load_gradients(uint32_t (&a)[4][4], const unsigned char* tile, int cell) {
  const int lane = int(threadIdx.x) % 32, row = cell + cell_of_slot(lane / 16 * 8 + lane % 8);
#pragma unroll
  for (int m = 0; m < 4; ++m) ldmatrix_transposed(a[m], tile + chunk_offset(row, 2 * m + lane / 8 % 2));
}

// Bytes of 4 words as a 4 x 4 matrix, turned round.
__device__ __forceinline__ void transpose_bytes(uint32_t& a, uint32_t& b, uint32_t& c, uint32_t& d) {
  const uint32_t ab_low = __byte_perm(a, b, 0x5140), ab_high = __byte_perm(a, b, 0x7362);
  const uint32_t cd_low = __byte_perm(c, d, 0x5140), cd_high = __byte_perm(c, d, 0x7362);
  a = __byte_perm(ab_low, cd_low, 0x5410), b = __byte_perm(ab_low, cd_low, 0x7632);
  c = __byte_perm(ab_high, cd_high, 0x5410), d = __byte_perm(ab_high, cd_high, 0x7632);
}

// sums += g * spikes of one stage. Column g of tile c is channel 8 g + c.
__device__ __forceinline__ void multiply_times(WeightSums& sums, const unsigned char* gradients,
                                               const unsigned char* source, int first_step, int steps) {
  const int lane = int(threadIdx.x) % 32, group = lane / 4, position = lane % 4;
#pragma unroll
  for (int cell = 0; cell < kStageCells; cell += 16) {
    uint32_t words[8];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint2 pair = *reinterpret_cast<const uint2*>(source + (cell + position + 4 * i) * kTimesPitch + group * 8);
      words[i] = pair.x, words[4 + i] = pair.y;
    }
    uint32_t any = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i) any |= words[i];
    if (!__any_sync(0xffffffffu, any != 0)) continue;
    transpose_bytes(words[0], words[1], words[2], words[3]);
    transpose_bytes(words[4], words[5], words[6], words[7]);
    for (int t = 0; t < steps; ++t) {
      uint32_t a[4][4];
      load_gradients(a, gradients + t * WeightTile<true>::kGradientBytes, cell);
      const uint32_t step4 = uint32_t(first_step + t + 1) * 0x01010101u;
#pragma unroll
      for (int c = 0; c < kColumnTiles; ++c) {
        uint32_t b[2];
        spikes_at(b[0], b[1], words[c], step4);
#pragma unroll
        for (int m = 0; m < 4; ++m) mma_bf16(sums[m][c], a[m], b);
      }
    }
  }
}

// sums += g * values of one stage of one step. Column g of tile c is channel 8 c + g.
__device__ __forceinline__ void multiply_steps(WeightSums& sums, const unsigned char* gradients,
                                               const unsigned char* source) {
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int cell = 0; cell < kStageCells; cell += 16) {
    uint32_t a[4][4];
    load_gradients(a, gradients, cell);
    const int row = cell + cell_of_slot(lane / 8 % 2 * 8 + lane % 8);
#pragma unroll
    for (int pair = 0; pair < kColumnTiles / 2; ++pair) {
      uint32_t r[4];
      ldmatrix_transposed(r, source + chunk_offset(row, 2 * pair + lane / 16));
      const uint32_t even[2] = {r[0], r[1]}, odd[2] = {r[2], r[3]};
#pragma unroll
      for (int m = 0; m < 4; ++m) mma_bf16(sums[m][2 * pair], a[m], even), mma_bf16(sums[m][2 * pair + 1], a[m], odd);
    }
  }
}

// Block (group of units + groups * tile of output channels, split).
template <bool kTimes>
__global__ void __launch_bounds__(kThreads, 2) weight_kernel(WeightTask w) {
  if (w.gate.closed()) return;
  using Tile = WeightTile<kTimes>;
  unsigned char* shared = dynamic_shared();
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const int first_unit = int(blockIdx.x) % w.groups() * kWarps, out_channel = int(blockIdx.x) / w.groups() * kSlice;
  const int64_t stages = (w.cells() + kStageCells - 1) / kStageCells * w.step_blocks();
  const int64_t begin = stages * blockIdx.y / w.splits, end = stages * (blockIdx.y + 1) / w.splits;
  WeightLoader<kTimes> loader(w, first_unit, out_channel, begin, end);
  for (int i = 0; i < Tile::kStages - 1; ++i) loader.next(shared + i * Tile::kStageBytes);

  const Unit unit(w, first_unit + warp);
  WeightSums sums = {};
  int stage = 0;
  for (int64_t i = begin; i < end; ++i, stage = stage + 1 == Tile::kStages ? 0 : stage + 1) {
    copy_async_wait<Tile::kStages - 2>();
    __syncthreads();  // the stage is there for all, and the one before is free
    loader.next(shared + (stage == 0 ? Tile::kStages - 1 : stage - 1) * Tile::kStageBytes);
    if (!unit.exists) continue;
    const unsigned char* gradients = shared + stage * Tile::kStageBytes;
    const unsigned char* source = gradients + Tile::kSteps * Tile::kGradientBytes + warp * Tile::kSourceBytes;
    if constexpr (kTimes) {
      const int first_step = int(i % w.step_blocks()) * w.stage_steps, left = w.timesteps - first_step;
      multiply_times(sums, gradients, source, first_step, left < w.stage_steps ? left : w.stage_steps);
    } else {
      multiply_steps(sums, gradients, source);
    }
  }
  copy_async_wait<0>();
  if (!unit.exists) return;

  float* partial = w.partial + int64_t(blockIdx.y) * w.shape.weights();
  const int tap = unit.ky * w.shape.kernel_w + unit.kx;
#pragma unroll
  for (int m = 0; m < 4; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int out = out_channel + m * 16 + lane / 4 + half * 8;
      if (out >= w.shape.out_cs) continue;
      const PackedChannel packed(w.shape, out);
#pragma unroll
      for (int c = 0; c < kColumnTiles; ++c)
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int column = lane % 4 * 2 + i, channel = unit.channel + (kTimes ? column * 8 + c : c * 8 + column);
          if (channel < w.shape.src_cs) partial[packed.index(tap, channel)] = sums[m][c][2 * half + i];
        }
    }
}

}  // namespace onespike::cuda
