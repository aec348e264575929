// Dense forward pass of first_stage.h. Half a warp multiplies four output cells at once, four output channels a lane:
// 16 products for two loads of 16 bytes from shared memory, one of weights and one of the cells' values.
#include "cuda/simt/first_stage.cuh"
#include "cuda/simt/first_stage.h"

namespace onespike::cuda {
namespace first_stage {
namespace {

struct DenseTask : DenseForwardTask {
  Runs runs;
};

// values (row, run) of the source map. A lane has a cell; what is outside the map or the run is zero.
__device__ void gather_values(float* values, const DenseTask& task, int64_t first, int count) {
  const StageShape& s = task.shape;
  const int lane = int(threadIdx.x) % 32, rows = rows_of(s), run = task.runs.run;
  if (lane >= run) return;
  const auto store = [&](int group, const float (&v)[kGroupRows]) {
#pragma unroll
    for (int i = 0; i < kGroupRows; ++i) {
      const int row = group * kGroupRows + i;
      if (row < rows) values[row * run + lane] = lane < count ? v[i] : 0;
    }
  };
  each_group(task.packed, first + min(lane, count - 1), 0, (rows + kGroupRows - 1) / kGroupRows, s, store);
}

constexpr int kHalfCells = 4;  // that half a warp multiplies at once

// sums = the products of kHalfCells cells and the lane's four columns.
__device__ __forceinline__ void multiply_rows(float (&sums)[kHalfCells][kLaneColumns], const float* weights,
                                              const float* values, int rows, int run) {
#pragma unroll 4
  for (int row = 0; row < rows; ++row) {
    const float4 w = load_four(weights + row * kColumns), v = load_four(values + row * run);
    const float cells[] = {v.x, v.y, v.z, v.w}, columns[] = {w.x, w.y, w.z, w.w};
#pragma unroll
    for (int i = 0; i < kHalfCells; ++i)
#pragma unroll
      for (int j = 0; j < kLaneColumns; ++j) sums[i][j] = multiply_add(cells[i], columns[j], sums[i][j]);
  }
}

// Shared memory: the weights, then the values of every warp.
size_t dense_bytes(const StageShape& s, int run) {
  return size_t(rows_of(s)) * (kColumnBytes + kWarps * run * sizeof(float));
}

__global__ void __launch_bounds__(kThreads, 4) dense_kernel(DenseTask task) {
  const StageShape& s = task.shape;
  const int rows = rows_of(s), run = task.runs.run, lane = int(threadIdx.x) % 32;
  float* weights = reinterpret_cast<float*>(dynamic_shared());
  float* values = weights + rows * kColumns + int(threadIdx.x) / 32 * rows * run;
  for (int i = int(threadIdx.x); i < rows * kColumns; i += kThreads) {
    const LaneChannels at(int(blockIdx.y) * kColumns + i % kColumns, rows, s);
    if (at.live) weights[i] = task.weight[at.weight(i / kColumns)];
  }
  __syncthreads();
  const LaneChannels at(int(blockIdx.y) * kColumns + lane % kHalf * kLaneColumns, rows, s);
  const float4 bias = task.bias && at.live ? load_four(task.bias + at.channel) : float4();
  const float biases[] = {bias.x, bias.y, bias.z, bias.w};
  for (int64_t first = task.runs.begin(); first < task.runs.cells; first += task.runs.step()) {
    const int count = task.runs.count(first);
    gather_values(values, task, first, count);
    __syncwarp();
    for (int local = lane / kHalf * kHalfCells; local < count && at.live; local += 2 * kHalfCells) {
      float sums[kHalfCells][kLaneColumns] = {};
      multiply_rows(sums, weights + lane % kHalf * kLaneColumns, values + local, rows, run);
#pragma unroll
      for (int i = 0; i < kHalfCells; ++i) {
        if (local + i >= count) continue;
#pragma unroll
        for (int j = 0; j < kLaneColumns; ++j) {
          const float value = sums[i][j] + biases[j];
          sums[i][j] = task.relu && value < 0 ? 0 : value;  // not a number stays one
        }
        *reinterpret_cast<float4*>(task.out + (first + local + i) * s.out_cs + at.channel) =
            make_float4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
      }
    }
    __syncwarp();
  }
}

}  // namespace
}  // namespace first_stage

void first_stage_dense_forward(Stream& stream, const DenseForwardTask& task) {
  using namespace first_stage;
  const StageShape& s = task.shape;
  const auto bytes = [&](int run) { return dense_bytes(s, run); };
  const Runs runs = runs_of(task.n * s.out_cells(), bytes);
  launch(stream, grid_of(runs, s), dim3(kThreads), bytes(runs.run), "first_dense_forward", dense_kernel,
         DenseTask{task, runs});
}

}  // namespace onespike::cuda
