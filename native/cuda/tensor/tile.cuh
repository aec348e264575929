// What the matrix products share: tiles in shared memory and the fragments that tensor cores take from them.
//
// Operands are bf16, in slices of 64 along the inner dimension: 128 bytes a row, whose eight chunks of 16 bytes lie at
// (chunk XOR row) mod 8, so that the eight rows that one ldmatrix phase reads fall into different banks.
//
// A tensor core does not mind in which order the inner dimension comes, as long as both operands have the same. From a
// byte map a lane takes 16 neighbouring channels of a row in one load: word j of them is what step j of 16 multiplies.
// So inside a slice channel 16 p + 4 j + i has position 16 j + 2 p + (i & 1) + 8 (i >> 1): weights and bf16 maps are
// packed in that order.
#pragma once

#include <cstdint>

#include "cuda/tensor/gemm_task.h"
#include "cuda/tensor/ptx.cuh"
#include "ops/portable.h"
#include "ops/shape.h"

namespace onespike::cuda {

constexpr int kRowBytes = 2 * kSlice;
constexpr int kChunk = 8;  // bf16 in 16 bytes
constexpr int kColumnTiles = kColumns / 8;
constexpr int kTileBytes = kColumns * kRowBytes;
constexpr int kThreads = 32 * kWarps;

// The channel at a position of its slice.
ONESPIKE_HD constexpr int slice_channel(int position) {
  return position % 8 / 2 * 16 + position / 16 * 4 + position / 8 % 2 * 2 + position % 2;
}

// Byte offset of a chunk in a tile.
ONESPIKE_HD constexpr int chunk_offset(int row, int chunk) { return row * kRowBytes + ((chunk ^ (row & 7)) * 16); }

// The same for tiles with 32 channels, 64 bytes, in a row.
ONESPIKE_HD constexpr int half_chunk_offset(int row, int chunk) {
  return row * (kRowBytes / 2) + ((chunk ^ (row / 2 & 3)) * 16);
}

// What fires at a step, of four spike times: bf16 2.0 (one bit, so that no conversion is needed) or 0. A spike time
// plus 2 in the upper half of its byte is the selector of a byte permutation for one bf16: the lower half, 0, picks
// byte 0 of a table for the lower byte, and the time picks the byte that is 2.0 at its step and 0 at all others. So a
// pair of bf16 takes one instruction, where comparing bytes and spreading them took two and a half. Byte 2 is for
// neurons that never fire; with 3 for step 1 the other steps lie in the half of the table that an instruction can hold
// as a constant.
constexpr float kSpikeValue = 2;
constexpr int kMaxByteStep = 63;

// Four spike times for a table, which knows steps 1 to kMaxSteps: those after `first`.
__device__ __forceinline__ uint32_t times_in_table(uint32_t times, int first) {
  uint32_t relative = 0;
#pragma unroll 1  // rare, and the sums leave few registers
  for (uint32_t step = 1; step <= uint32_t(kMaxSteps) && uint32_t(first) + step <= uint32_t(kMaxByteStep); ++step) {
    // Times and steps stay below 64, so the subtraction borrows from no neighbour.
    const uint32_t hits = (0x40404040u - (times ^ (uint32_t(first) + step) * 0x01010101u)) & 0x40404040u;
    relative |= (hits >> 6) * step;
  }
  return relative;
}

// Which byte of a table each of four such times picks.
__device__ __forceinline__ uint32_t table_places(uint32_t times) { return times + 0x02020202u; }
// The two lower and the two upper of them as selectors.
__device__ __forceinline__ void table_selectors(uint32_t (&selectors)[2], uint32_t times) {
  const uint32_t places = table_places(times);
  selectors[0] = places << 4, selectors[1] = places >> 12;
}

// The table of step 1 to kMaxSteps.
struct SpikeTable {
  uint32_t low, high;

  __device__ __forceinline__ explicit SpikeTable(int step)
      : low(step == 1 ? 0x40000000u : 0), high(step == 1 ? 0 : 0x40u << 8 * (step - 2)) {}
  __device__ __forceinline__ uint32_t spikes(uint32_t selector) const { return permute_bytes(low, high, selector); }
};

// Where the weights of one output channel lie in the packed tensor (core's order: tile of output channels, tap, source
// channel, channel in the tile). The search for the tile is a loop, so it is made once per channel.
struct PackedChannel {
  int64_t first;
  int width, src_cs;  // of the tile; channels of the source

  ONESPIKE_HD PackedChannel(const StageShape& s, int out) : src_cs(s.src_cs) {
    int begin = 0;
    width = kMaxTile;
    while (out >= begin + width || width > s.out_cs - begin) {
      if (width > s.out_cs - begin) width /= 2;
      else begin += width;
    }
    first = int64_t(begin) * s.taps() * s.src_cs + (out - begin);
  }
  ONESPIKE_HD int64_t index(int tap, int source) const { return first + (int64_t(tap) * src_cs + source) * width; }
};

}  // namespace onespike::cuda
