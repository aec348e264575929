// Kernels over elements, and sums over them in double precision: a tree within a block, then the blocks in one order.
// How many blocks there are depends on the number of elements alone, so a sum is bit-identical every time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/device/launch.h"
#include "cuda/device/workspace.h"

namespace onespike::cuda {

constexpr int kElementThreads = 256;
constexpr int64_t kElementBlocks = 1 << 14;  // of one launch: the others follow in a loop
constexpr int64_t kSumBlocks = 1024;

__device__ __forceinline__ int64_t first_element() { return blockIdx.x * int64_t(blockDim.x) + threadIdx.x; }
__device__ __forceinline__ int64_t element_stride() { return gridDim.x * int64_t(blockDim.x); }

template <class F>
__global__ void __launch_bounds__(kElementThreads) each_kernel(int64_t count, F f) {
  for (int64_t i = first_element(); i < count; i += element_stride()) f(i);
}

inline unsigned blocks_for(int64_t count, int64_t most) {
  return unsigned(std::clamp<int64_t>((count + kElementThreads - 1) / kElementThreads, 1, most));
}

// f(i) for i < count.
template <class F>
void each(Stream& stream, const char* name, int64_t count, const F& f) {
  if (count > 0)
    launch(stream, dim3(blocks_for(count, kElementBlocks)), dim3(kElementThreads), 0, name, each_kernel<F>, count, f);
}

// Adds the threads' sums up; the result is in every thread's.
template <int kSums>
__device__ __forceinline__ void add_up(double (&sums)[kSums]) {
  __shared__ double shared[kSums][kElementThreads];
  for (int j = 0; j < kSums; ++j) shared[j][threadIdx.x] = sums[j];
  for (int half = kElementThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) < half)
      for (int j = 0; j < kSums; ++j) shared[j][threadIdx.x] += shared[j][threadIdx.x + half];
  }
  __syncthreads();
  for (int j = 0; j < kSums; ++j) sums[j] = shared[j][0];
  __syncthreads();
}

template <int kSums, class F>
__global__ void __launch_bounds__(kElementThreads) sum_kernel(int64_t count, F f, double* partial) {
  double sums[kSums] = {};
  for (int64_t i = first_element(); i < count; i += element_stride()) f(i, sums);
  add_up(sums);
  if (threadIdx.x == 0)
    for (int j = 0; j < kSums; ++j) partial[int64_t(blockIdx.x) * kSums + j] = sums[j];
}

template <int kSums, class Done>
__global__ void __launch_bounds__(kElementThreads) end_sum_kernel(int64_t count, const double* partial, Done done) {
  double sums[kSums] = {};
  for (int64_t i = threadIdx.x; i < count; i += kElementThreads)
    for (int j = 0; j < kSums; ++j) sums[j] += partial[i * kSums + j];
  add_up(sums);
  if (threadIdx.x == 0) done(sums);
}

// done(sums of count rows of kSums numbers).
template <int kSums, class Done>
void end_sum(Stream& stream, const char* name, int64_t count, const double* partial, const Done& done) {
  launch(stream, dim3(1), dim3(kElementThreads), 0, name, end_sum_kernel<kSums, Done>, count, partial, done);
}

// done(sums over i < count of what f(i, sums) adds); `partial` has kSumBlocks * kSums numbers.
template <int kSums, class F, class Done>
void sum(Stream& stream, const char* name, int64_t count, const F& f, const Done& done, double* partial) {
  const unsigned blocks = blocks_for(count, kSumBlocks);
  launch(stream, dim3(blocks), dim3(kElementThreads), 0, name, sum_kernel<kSums, F>, count, f, partial);
  end_sum<kSums>(stream, name, blocks, partial, done);
}

}  // namespace onespike::cuda
