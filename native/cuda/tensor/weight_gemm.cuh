// The matrix product behind every weight gradient, transposed: rows are 64 output channels, columns 64 source channels
// of one tap, the inner dimension runs over images, cells and steps. Tiles, stages and workers: weight_task.h.
//
// A block has 4 warps; each takes one unit of the tile, and all share the g of 64 output channels. 64 x 64 sums are 128
// registers; fragments of g are loaded once for eight column tiles of sources.
//
// Of bytes, spike times or counts, ldmatrix transposes pairs of neighbouring channels as if they were one value: a word
// holds two cells of two channels, so one column tile is even channels and the next one the odd channels between.
#pragma once

#include "cuda/device/launch.h"
#include "cuda/tensor/weight_loader.cuh"

namespace onespike::cuda {

using WeightSums = float[4][kColumnTiles][4];

// A fragments, 64 output channels by 16 cells from `cell` on, of the g of one step.
__device__ __forceinline__ void load_gradients(uint32_t (&a)[4][4], const unsigned char* tile, int cell) {
  const int lane = int(threadIdx.x) % 32, row = lane / 16 * 8 + lane % 8;
#pragma unroll
  for (int m = 0; m < 4; ++m)
    ldmatrix_transposed(a[m], tile + cell * kRowBytes + halves_offset(row, 2 * m + lane / 8 % 2));
}

// The bytes of 16 cells from `cell` on. Words 2 q and 2 q + 1 hold, of the first and the last eight cells, two cells of
// channels 16 q + 2 k and 16 q + 2 k + 1, k = lane / 4: (cell, channel), (cell, channel + 1), (cell + 1, channel), ..
__device__ __forceinline__ void load_bytes(uint32_t (&words)[8], const unsigned char* source, int cell) {
  const int lane = int(threadIdx.x) % 32, row = lane % 16;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint32_t r[4];
    ldmatrix_transposed(r, source + cell * (kRowBytes / 2) + half_chunk_offset(row, 2 * half + lane / 16));
#pragma unroll
    for (int i = 0; i < 4; ++i) words[4 * half + i] = r[i];
  }
}

// Of a word of spike times the selectors (tile.cuh) of the two cells of the even channel, in the lower half, and of the
// odd channel, in the upper half, which costs a shift at every step and saves a register.
__device__ __forceinline__ uint32_t selectors_of_pair(uint32_t times) {
  return __byte_perm(table_places(times) << 4, 0, 0x3120);
}
// Of counts below 128. Byte 0x43 before a count makes 128 + count of it: 7 bits of mantissa, units of 1.
__device__ __forceinline__ void counts_of_pair(uint32_t& even, uint32_t& odd, uint32_t counts) {
  constexpr uint32_t kOnes = 0x3f803f80u, kMinus128 = 0xc300c300u;
  even = fma_bf16(__byte_perm(counts, 0x43u, 0x4240), kOnes, kMinus128);
  odd = fma_bf16(__byte_perm(counts, 0x43u, 0x4341), kOnes, kMinus128);
}

// The products of a stage that a warp computes: all, or of a unit that several warps share (WeightTask::sharing) every
// other 16 cells and, of four warps, every other step.
template <bool kShared>
struct Share {
  int index = 0, count = 1;  // of this warp, of all

  __device__ int first_cell() const { return kShared ? index % 2 * 16 : 0; }
  __device__ constexpr int cells_apart() const { return kShared ? 32 : 16; }
  __device__ int first_step() const { return kShared ? index / 2 : 0; }
  __device__ int steps_apart() const { return kShared ? count / 2 : 1; }
};

// sums += g * sources of one stage. Column k of column tile c is channel 16 (c / 2) + 2 k + c % 2 of the unit.
template <bool kShared>
__device__ __forceinline__ void multiply_times(WeightSums& sums, const unsigned char* gradients,
                                               const unsigned char* source, const WeightTask& w, int first_step,
                                               int steps, Share<kShared> share) {
#pragma unroll(kShared ? 1 : kStageCells / 16)
  for (int cell = share.first_cell(); cell < kStageCells; cell += share.cells_apart()) {
    uint32_t words[8], any = 0;
    load_bytes(words, source, cell);
#pragma unroll
    for (int i = 0; i < 8; ++i) any |= words[i];
    if (!__any_sync(0xffffffffu, any != 0)) continue;
    if (w.timesteps > kMaxSteps) {
#pragma unroll
      for (int i = 0; i < 8; ++i) words[i] = times_in_table(words[i], first_step);
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) words[i] = selectors_of_pair(words[i]);
#pragma unroll 1
    for (int t = share.first_step(); t < steps; t += share.steps_apart()) {
      uint32_t a[4][4];
      load_gradients(a, gradients + t * WeightTile<SourceFormat::kTimes>::kGradientBytes, cell);
      const SpikeTable table(t + 1);
#pragma unroll
      for (int c = 0; c < kColumnTiles; c += 2) {
        const uint32_t even[2] = {table.spikes(words[c]), table.spikes(words[c + 1])},
                       odd[2] = {table.spikes(words[c] >> 16), table.spikes(words[c + 1] >> 16)};
#pragma unroll
        for (int m = 0; m < 4; ++m) mma_bf16(sums[m][c], a[m], even), mma_bf16(sums[m][c + 1], a[m], odd);
      }
    }
  }
}

// The same of counts.
template <bool kShared>
__device__ __forceinline__ void multiply_counts(WeightSums& sums, const unsigned char* gradients,
                                                const unsigned char* source, int steps, Share<kShared> share) {
  using Tile = WeightTile<SourceFormat::kCounts>;
#pragma unroll 1
  for (int t = share.first_step(); t < steps; t += share.steps_apart())
#pragma unroll(kShared ? 1 : kStageCells / 16)
    for (int cell = share.first_cell(); cell < kStageCells; cell += share.cells_apart()) {
      uint32_t words[8], a[4][4];
      load_bytes(words, source + t * kWarps * Tile::kSourceBytes, cell);
      load_gradients(a, gradients + t * Tile::kGradientBytes, cell);
#pragma unroll
      for (int c = 0; c < kColumnTiles; c += 2) {
        uint32_t even[2], odd[2];
        counts_of_pair(even[0], odd[0], words[c]);
        counts_of_pair(even[1], odd[1], words[c + 1]);
#pragma unroll
        for (int m = 0; m < 4; ++m) mma_bf16(sums[m][c], a[m], even), mma_bf16(sums[m][c + 1], a[m], odd);
      }
    }
}

// The same of bf16, of one step. Column k of column tile c is channel 8 c + k.
template <bool kShared>
__device__ __forceinline__ void multiply_halves(WeightSums& sums, const unsigned char* gradients,
                                                const unsigned char* source, Share<kShared> share) {
  const int lane = int(threadIdx.x) % 32, row = lane % 16;
#pragma unroll(kShared ? 1 : kStageCells / 16)
  for (int cell = share.first_cell(); cell < kStageCells; cell += share.cells_apart()) {
    uint32_t a[4][4];
    load_gradients(a, gradients, cell);
#pragma unroll
    for (int pair = 0; pair < kColumnTiles / 2; ++pair) {
      uint32_t r[4];
      ldmatrix_transposed(r, source + cell * kRowBytes + halves_offset(row, 2 * pair + lane / 16));
      const uint32_t even[2] = {r[0], r[1]}, odd[2] = {r[2], r[3]};
#pragma unroll
      for (int m = 0; m < 4; ++m) mma_bf16(sums[m][2 * pair], a[m], even), mma_bf16(sums[m][2 * pair + 1], a[m], odd);
    }
  }
}

// One stage of the unit `unit` of its tile.
template <SourceFormat kFormat, bool kShared>
__device__ __forceinline__ void multiply(WeightSums& sums, const WeightTask& w, const unsigned char* stage, int unit,
                                         int first_step, int steps, Share<kShared> share) {
  using Tile = WeightTile<kFormat>;
  const unsigned char* source = stage + Tile::kSources + unit * Tile::kSourceBytes;
  if constexpr (kFormat == SourceFormat::kTimes) multiply_times(sums, stage, source, w, first_step, steps, share);
  else if constexpr (kFormat == SourceFormat::kCounts) multiply_counts(sums, stage, source, steps, share);
  else multiply_halves(sums, stage, source, share);
}

// The source channel, within its unit, of sum i of column tile c.
template <SourceFormat kFormat>
__device__ __forceinline__ int source_channel(int c, int i) {
  const int column = int(threadIdx.x) % 4 * 2 + i % 2;
  return kFormat == SourceFormat::kHalves ? c * 8 + column : c / 2 * 16 + column * 2 + c % 2;
}

// d_weight += scale * sums of 16 output channels from `first_out` on and kCount column tiles from `first_column` on.
template <SourceFormat kFormat, int kCount>
__device__ __forceinline__ void add_to_weights(const WeightTask& w, const Unit& unit, int first_out, int first_column,
                                               const float (&sums)[kCount][4]) {
  const int out = first_out + int(threadIdx.x) % 32 / 4;
  if (first_out >= w.shape.out_cs) return;
  const PackedChannel packed(w.shape, out);  // 16 neighbours lie in one tile of the tensor
  float* to = w.d_weight + packed.index(unit.tap, unit.channel);
  const int channels = w.shape.src_cs - unit.channel;
  float old[kCount][4];
#pragma unroll
  for (int c = 0; c < kCount; ++c)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int channel = source_channel<kFormat>(first_column + c, i);
      old[c][i] = channel < channels ? to[channel * packed.width + i / 2 * 8] : 0;
    }
#pragma unroll
  for (int c = 0; c < kCount; ++c)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int channel = source_channel<kFormat>(first_column + c, i);
      if (channel < channels) to[channel * packed.width + i / 2 * 8] = fmaf(w.scale, sums[c][i], old[c][i]);
    }
}

// Where the sums (m, c) of a lane lie in a part.
__device__ __forceinline__ int64_t part_offset(int m, int c) {
  return ((m * kColumnTiles + c) * 32 + int(threadIdx.x) % 32) * 4;
}

// A block is a worker.
template <SourceFormat kFormat>
__global__ void __launch_bounds__(kThreads, 2) weight_kernel(WeightTask w) {
  if (w.gate.closed()) return;
  using Tile = WeightTile<kFormat>;
  unsigned char* shared = dynamic_shared();
  const int warp = int(threadIdx.x) / 32, worker = int(blockIdx.x);
  const int64_t stages = w.tile_stages(), end = w.first_stage(worker + 1);
  int64_t at = w.first_stage(worker);
  WeightLoader<kFormat> loader(w, at, end);
  for (int i = 0; i < Tile::kStages - 1; ++i) loader.next(shared + i * Tile::kStageBytes);

  int stage = 0;
  while (at < end) {
    const int tile = int(at / stages);
    const int begin = int(at % stages), count = int(end - at < stages - begin ? end - at : stages - begin);
    const int sharing = w.sharing(tile % w.groups());
    const Unit unit(w, tile, warp / sharing);
    int first_step = begin % w.step_blocks() * w.stage_steps;
    WeightSums sums = {};
    for (int i = 0; i < count; ++i, stage = stage + 1 == Tile::kStages ? 0 : stage + 1) {
      copy_async_wait<Tile::kStages - 2>();
      __syncthreads();  // the stage is there for all, and the one before is free
      loader.next(shared + (stage == 0 ? Tile::kStages - 1 : stage - 1) * Tile::kStageBytes);
      const unsigned char* now = shared + stage * Tile::kStageBytes;
      const int left = w.timesteps - first_step, steps = left < w.stage_steps ? left : w.stage_steps;
      if (unit.exists && sharing == 1) multiply<kFormat>(sums, w, now, warp, first_step, steps, Share<false>());
      else if (unit.exists)
        multiply<kFormat>(sums, w, now, warp / sharing, first_step, steps, Share<true>{warp % sharing, sharing});
      first_step = left > w.stage_steps ? first_step + w.stage_steps : 0;
    }
    at += count;
    if (!unit.exists) continue;
    if (count == stages && sharing == 1) {
#pragma unroll
      for (int m = 0; m < 4; ++m) add_to_weights<kFormat>(w, unit, tile / w.groups() * kSlice + m * 16, 0, sums[m]);
    } else {
      float* to = w.partial + w.part(worker, tile, warp);
#pragma unroll
      for (int m = 0; m < 4; ++m)
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c)
          *reinterpret_cast<float4*>(to + part_offset(m, c)) =
              make_float4(sums[m][c][0], sums[m][c][1], sums[m][c][2], sums[m][c][3]);
    }
  }
  copy_async_wait<0>();
}

// d_weight += scale * the parts, in the order of workers and, of one, warps. Block (tile, m + 4 * column tile); a warp
// is a unit.
template <SourceFormat kFormat>
__global__ void __launch_bounds__(kThreads) add_parts_kernel(WeightTask w) {
  constexpr int kAtOnce = 8;
  if (w.gate.closed()) return;
  const int tile = int(blockIdx.x), m = int(blockIdx.y) % 4, c = int(blockIdx.y) / 4, warp = int(threadIdx.x) / 32;
  const int64_t stages = w.tile_stages();
  const int sharing = w.sharing(tile % w.groups()), first = w.worker_of(tile * stages);
  const int parts = (w.worker_of((tile + 1) * stages - 1) - first + 1) * sharing;
  const Unit unit(w, tile, warp);
  if (parts == 1 || !unit.exists) return;  // weight_kernel has added all there is
  float sums[1][4] = {};
  for (int begin = 0; begin < parts; begin += kAtOnce) {
    float4 part[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int worker = first + (begin + i) / sharing, of_unit = (begin + i) % sharing;
      if (begin + i < parts)
        part[i] = *reinterpret_cast<const float4*>(w.partial + w.part(worker, tile, warp * sharing + of_unit) +
                                                   part_offset(m, c));
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i)
      if (begin + i < parts)
        sums[0][0] += part[i].x, sums[0][1] += part[i].y, sums[0][2] += part[i].z, sums[0][3] += part[i].w;
  }
  add_to_weights<kFormat>(w, unit, tile / w.groups() * kSlice + m * 16, c, sums);
}

}  // namespace onespike::cuda
