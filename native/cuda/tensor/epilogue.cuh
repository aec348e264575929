// How the sums of the product of gemm.cuh reach the epilogue that makes something of them: from the registers that hold
// them, or through shared memory to threads that own four neighbouring columns of one row.
//
// In fragments a thread has two columns here and two there, and all registers are full of them: an epilogue that reads
// memory as well waits for one pair of columns after the other. On an H200 the input gradient of 64 channels took 2.4
// ms that way, four fifths of it in the epilogue; behind the shared memory a row of 64 columns is read and written as
// 256 neighbouring bytes, and a thread has the loads of all steps under way at once.
#pragma once

#include "cuda/tensor/block_place.cuh"
#include "cuda/tensor/tile.cuh"

namespace onespike::cuda {

constexpr int kQuad = 4;                         // columns of a thread
constexpr int kQuads = kColumns / kQuad;         // of a row
constexpr int kQuadThreads = kThreads / kQuads;  // rows that a block has under way at once

template <bool kTimes, int kSteps>
using Sums = float[kSteps][row_tiles(kTimes, kSteps)][kColumnTiles][4];

template <int kSteps, int kRows>
class StagedSums {
 public:
  static constexpr int kBytes = kSteps * kRows * kColumns * int(sizeof(float));
  static_assert(kBytes <= kMaxShared);

  __device__ explicit StagedSums(unsigned char* shared) : sums_(reinterpret_cast<float*>(shared)) {}

  // Two neighbouring columns, from a fragment.
  __device__ __forceinline__ void put(int step, int row, int column, float first, float second) const {
    *reinterpret_cast<float2*>(sums_ + place(step, row, column / kQuad) + column % kQuad) = make_float2(first, second);
  }
  __device__ __forceinline__ void get(float (&to)[kQuad], int step, int row, int quad) const {
    const float4 four = *reinterpret_cast<const float4*>(sums_ + place(step, row, quad));
    to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
  }

 private:
  // Quads of neighbouring rows are swapped, so that the four rows that half a warp writes fall into different banks.
  __device__ static int place(int step, int row, int quad) {
    return ((step * kRows + row) * kQuads + (quad ^ ((row & 3) << 1))) * kQuad;
  }

  float* const sums_;
};

__device__ __forceinline__ void load_quad(float (&to)[kQuad], const float* from) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}
__device__ __forceinline__ void store_quad(float* to, const float (&from)[kQuad]) {
  *reinterpret_cast<float4*>(to) = make_float4(from[0], from[1], from[2], from[3]);
}
__device__ __forceinline__ void load_quad(int (&to)[kQuad], const uint8_t* from) {
  const uchar4 four = *reinterpret_cast<const uchar4*>(from);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

// The sums of every row and two neighbouring columns to the epilogue, from the registers that hold them.
template <bool kTimes, int kSteps, class Epilogue>
__device__ __forceinline__ void end_in_registers(const Sums<kTimes, kSteps>& sums, Epilogue& epilogue,
                                                 const BlockPlace& here, const GemmTask& g) {
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
#pragma unroll
  for (int m = 0; m < row_tiles(kTimes, kSteps); ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const Row row = here.row((warp * row_tiles(kTimes, kSteps) + m) * 16 + half * 8 + lane / 4, g);
      if (!here.exists(row, g)) continue;
#pragma unroll
      for (int c = 0; c < kColumnTiles; ++c) {
        float values[kSteps][2];
#pragma unroll
        for (int t = 0; t < kSteps; ++t)
          values[t][0] = sums[t][m][c][2 * half], values[t][1] = sums[t][m][c][2 * half + 1];
        epilogue.values(row, here.column_tile * kColumns + c * 8 + lane % 4 * 2, values);
      }
    }
}

template <bool kTimes, int kSteps>
using Staged = StagedSums<kSteps, kWarps * 16 * row_tiles(kTimes, kSteps)>;

// All sums of the block to shared memory, in the place of its windows and weights.
template <bool kTimes, int kSteps>
__device__ __forceinline__ void stage_sums(const Sums<kTimes, kSteps>& sums, const Staged<kTimes, kSteps>& staged) {
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  __syncthreads();  // nobody reads windows any more
#pragma unroll
  for (int t = 0; t < kSteps; ++t)
#pragma unroll
    for (int m = 0; m < row_tiles(kTimes, kSteps); ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int c = 0; c < kColumnTiles; ++c)
          staged.put(t, (warp * row_tiles(kTimes, kSteps) + m) * 16 + half * 8 + lane / 4, c * 8 + lane % 4 * 2,
                     sums[t][m][c][2 * half], sums[t][m][c][2 * half + 1]);
  __syncthreads();
}

// The same to an epilogue that takes four neighbouring columns of a row at a time.
template <bool kTimes, int kSteps, class Epilogue>
__device__ __forceinline__ void end_by_quads(const Staged<kTimes, kSteps>& staged, Epilogue& epilogue,
                                             const BlockPlace& here, const GemmTask& g) {
  const int quad = int(threadIdx.x) % kQuads;
#pragma unroll 1
  for (int i = int(threadIdx.x) / kQuads; i < kWarps * 16 * row_tiles(kTimes, kSteps); i += kQuadThreads) {
    const Row row = here.row(i, g);
    if (!here.exists(row, g)) continue;
    float values[kSteps][kQuad];
#pragma unroll
    for (int t = 0; t < kSteps; ++t) staged.get(values[t], t, i, quad);
    epilogue.quad(row, here.column_tile * kColumns + quad * kQuad, values);
  }
}

template <class Epilogue>
concept TakesQuads = requires { typename Epilogue::Quads; };

}  // namespace onespike::cuda
