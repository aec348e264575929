// What the matrix products share: tiles in shared memory and the fragments that tensor cores take from them.
//
// Operands are bf16, in slices of 64 along the inner dimension: 128 bytes a row, whose eight chunks of 16 bytes lie at
// (chunk XOR row) mod 8, so that the eight rows that one ldmatrix phase reads fall into different banks.
//
// A tensor core does not mind in which order the inner dimension comes, as long as both operands have the same. From a byte
// map a lane takes 16 neighbouring channels of a row in one load: word j of them is what step j of 16 multiplies. So inside a
// slice channel 16 p + 4 j + i has position 16 j + 2 p + (i & 1) + 8 (i >> 1): weights and bf16 maps are packed in that order.
#pragma once

#include <cstdint>

#include "cuda/ptx.cuh"
#include "ops/portable.h"
#include "ops/shape.h"

namespace onespike::cuda {

constexpr int kSlice = 64;             // inner dimension of a tile
constexpr int kRowBytes = 2 * kSlice;
constexpr int kChunk = 8;              // bf16 in 16 bytes
constexpr int kColumns = 64;           // output columns of a block: eight tiles of 8
constexpr int kColumnTiles = kColumns / 8;
constexpr int kTileBytes = kColumns * kRowBytes;
constexpr int kWarps = 4;
constexpr int kThreads = 32 * kWarps;
// Dynamic shared memory that every device from sm_80 on gives to one block (sm_86 and sm_89: 99 KiB) and, twice, to one SM of
// sm_80 and sm_90.
constexpr int kSharedBudget = 96 << 10;

// Position of a channel inside its slice, and back.
ONESPIKE_HD constexpr int slice_position(int channel) {
  return channel / 4 % 4 * 16 + channel / 16 * 2 + channel % 2 + channel / 2 % 2 * 8;
}
ONESPIKE_HD constexpr int slice_channel(int position) {
  return position % 8 / 2 * 16 + position / 16 * 4 + position / 8 % 2 * 2 + position % 2;
}

// Byte offset of a chunk in a tile.
ONESPIKE_HD constexpr int chunk_offset(int row, int chunk) { return row * kRowBytes + ((chunk ^ (row & 7)) * 16); }

// Fragments of the 16 x 64 weights of step j, for all eight column tiles: tile (64 columns, slice).
__device__ __forceinline__ void load_columns(uint32_t (&b)[kColumnTiles][2], const unsigned char* tile, int j) {
  const int lane = int(threadIdx.x) % 32, column = lane / 16 * 8 + lane % 8, chunk = 2 * j + lane / 8 % 2;
#pragma unroll
  for (int pair = 0; pair < kColumnTiles / 2; ++pair) {
    uint32_t r[4];
    ldmatrix(r, tile + chunk_offset(pair * 16 + column, chunk));
    b[2 * pair][0] = r[0], b[2 * pair][1] = r[1], b[2 * pair + 1][0] = r[2], b[2 * pair + 1][1] = r[3];
  }
}

// A fragment (16 rows from `row` on) of step j of a bf16 tile.
__device__ __forceinline__ void load_rows(uint32_t (&a)[4], const unsigned char* tile, int row, int j) {
  const int lane = int(threadIdx.x) % 32;
  ldmatrix(a, tile + chunk_offset(row + lane % 16, 2 * j + lane / 16));
}

// What fires at the step, of four spike times: bf16 2.0 (one bit, so that no conversion is needed) or 0. `step4` is the step in
// every byte; times and steps stay below 64, so the subtraction borrows from no neighbour.
constexpr float kSpikeValue = 2;
constexpr int kMaxByteStep = 63;
__device__ __forceinline__ void spikes_at(uint32_t& low, uint32_t& high, uint32_t times, uint32_t step4) {
  const uint32_t hits = (0x40404040u - (times ^ step4)) & 0x40404040u;
  low = __byte_perm(hits, 0, 0x1404);
  high = __byte_perm(hits, 0, 0x3424);
}

// Where a weight lies in the packed tensor (core's order: tile of output channels, tap, source channel, channel in the tile).
ONESPIKE_HD inline int64_t packed_index(const StageShape& s, int out, int tap, int source) {
  int begin = 0, width = kMaxTile;
  while (out >= begin + width || width > s.out_cs - begin) {
    if (width > s.out_cs - begin) width /= 2;
    else begin += width;
  }
  return int64_t(begin) * s.taps() * s.src_cs + (int64_t(tap) * s.src_cs + source) * width + (out - begin);
}

}  // namespace onespike::cuda
