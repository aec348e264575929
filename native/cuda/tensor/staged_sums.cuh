// The sums of a block on their way from the fragments of tensor cores to threads that own four neighbouring columns of
// one row, through shared memory.
//
// In fragments a thread has two columns here and two there, and all registers are full of them: an epilogue that reads
// memory as well waits for one pair of columns after the other. On an H200 the input gradient of 64 channels took 2.4
// ms that way, four fifths of it in the epilogue; behind the shared memory a row of 64 columns is read and written as
// 256 neighbouring bytes, and a thread has the loads of all steps under way at once.
#pragma once

#include "cuda/tensor/tile.cuh"

namespace onespike::cuda {

constexpr int kQuad = 4;                         // columns of a thread
constexpr int kQuads = kColumns / kQuad;         // of a row
constexpr int kQuadThreads = kThreads / kQuads;  // rows that a block has under way at once

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

}  // namespace onespike::cuda
