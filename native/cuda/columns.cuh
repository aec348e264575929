// Sums over the columns of a matrix in double precision: threads add rows, a block adds its threads, and the blocks are
// added in one order. How many there are depends on the number of rows alone, so a sum is the same every time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/elementwise.cuh"

namespace onespike::cuda {

constexpr int kColumnLanes = 16;  // neighbouring columns that a block adds up
constexpr int kColumnLines = kElementThreads / kColumnLanes;
constexpr int64_t kColumnBlocks = 64;
constexpr int kMostColumnSums = 2;

// partial (block, stride, kSums): sums of some rows.
template <int kSums, class F>
__global__ void __launch_bounds__(kElementThreads) columns_kernel(double* partial, F f, int64_t rows, int stride) {
  __shared__ double shared[kColumnLines][kColumnLanes][kSums];
  const int lane = int(threadIdx.x) % kColumnLanes, line = int(threadIdx.x) / kColumnLanes,
            lanes = stride / kColumnLanes;
  const int column = int(blockIdx.x) % lanes * kColumnLanes + lane;
  const int64_t block = int(blockIdx.x) / lanes, blocks = int(gridDim.x) / lanes;
  double sums[kSums] = {};
  for (int64_t row = block * kColumnLines + line; row < rows; row += blocks * kColumnLines) f(row, column, sums);
  for (int j = 0; j < kSums; ++j) shared[line][lane][j] = sums[j];
  __syncthreads();
  if (line != 0) return;
  for (int i = 1; i < kColumnLines; ++i)
    for (int j = 0; j < kSums; ++j) sums[j] += shared[i][lane][j];
  for (int j = 0; j < kSums; ++j) partial[(block * stride + column) * kSums + j] = sums[j];
}

template <int kSums, class Done>
struct AddColumnBlocks {
  Done done;
  const double* partial;
  int64_t blocks;
  int stride;

  __device__ void operator()(int64_t column) const {
    double sums[kSums] = {};
    for (int64_t block = 0; block < blocks; ++block)
      for (int j = 0; j < kSums; ++j) sums[j] += partial[(block * stride + column) * kSums + j];
    done(int(column), sums);
  }
};

// done(column, sums over the rows of what f(row, column, sums) adds), for every column below `stride`, a multiple of
// kColumnLanes; `partial` has kColumnBlocks * stride * kSums numbers.
template <int kSums, class F, class Done>
void sum_columns(Stream& stream, const char* name, int64_t rows, int stride, const F& f, const Done& done,
                 double* partial) {
  static_assert(kSums <= kMostColumnSums);
  const int64_t blocks = std::clamp<int64_t>(rows / kElementThreads, 1, kColumnBlocks);
  launch(stream, dim3(unsigned(blocks * (stride / kColumnLanes))), dim3(kElementThreads), 0, name,
         columns_kernel<kSums, F>, partial, f, rows, stride);
  each(stream, name, stride, AddColumnBlocks<kSums, Done>{done, partial, blocks, stride});
}

}  // namespace onespike::cuda
