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

// What fires at the step, of four spike times: bf16 2.0 (one bit, so that no conversion is needed) or 0. `step4` is the
// step in every byte; times and steps stay below 64, so the subtraction borrows from no neighbour.
constexpr float kSpikeValue = 2;
constexpr int kMaxByteStep = 63;
__device__ __forceinline__ uint32_t hits_at(uint32_t times, uint32_t step4) {
  return (0x40404040u - (times ^ step4)) & 0x40404040u;
}
__device__ __forceinline__ void spikes_at(uint32_t& low, uint32_t& high, uint32_t times, uint32_t step4) {
  const uint32_t hits = hits_at(times, step4);
  low = __byte_perm(hits, 0, 0x1404);
  high = __byte_perm(hits, 0, 0x3424);
}

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
