// Coded networks and maximum pools on the GPU; the formulas are those of ops/code/. Products are dense: the numbers of
// a map are written out, zeros too, and go the way of the ANN in 32 bits.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"
#include "cuda/simt/tiles.cuh"
#include "cuda/spikes.cuh"

namespace onespike::cuda {
namespace {

struct FillTables {
  CodeTablesTask task;

  __device__ void operator()(int64_t i) const { task.fill(i); }
};

struct TransposePixels {
  PixelLevelsTask task;

  __device__ void operator()(int64_t i) const {
    const int64_t C = task.channels, size = C * task.cells, image = i / size, at = i - image * size;
    task.levels[i] = task.pixels[image * size + at % C * task.cells + at / C];
  }
};

// A window of the maximum pools, by the position of its maximum in the map after them.
struct PoolWindow {
  int64_t first;  // its first cell, of the same channel
  StageShape s;

  __device__ PoolWindow(int64_t i, const StageShape& shape) : s(shape) {
    const Cell cell = cell_at(i / s.src_cs, s.src_h, s.src_w);
    const int side = s.max.side();
    first =
        cell.image * s.below_size() + (int64_t(cell.y * side) * s.below_w + cell.x * side) * s.src_cs + i % s.src_cs;
  }

  // Where the first of the largest lies.
  template <class T>
  __device__ int64_t largest(const T* below) const {
    const int side = s.max.side();
    int64_t best = first;
    for (int i = 1; i < side * side; ++i) {
      const MaxPool::Cell cell = s.max.cell(i);
      const int64_t at = first + (int64_t(cell.y) * s.below_w + cell.x) * s.src_cs;
      if (below[at] > below[best]) best = at;
    }
    return best;
  }
};

struct TakeLargest {
  MaxPoolTask task;

  __device__ void operator()(int64_t i) const {
    const PoolWindow window(i, task.shape);
    if (task.levels) task.levels[i] = task.below_levels[window.largest(task.below_levels)];
    else task.values[i] = task.below_values[window.largest(task.below_values)];
  }
};

// Windows share no cell.
struct GiveToLargest {
  MaxPoolBackwardTask task;

  __device__ void operator()(int64_t i) const {
    const PoolWindow window(i, task.shape);
    const int64_t at = task.below_levels ? window.largest(task.below_levels) : window.largest(task.below_values);
    task.d_below[at] = task.d_src[i];
  }
};

// The numbers of levels, through the average pool.
struct Decode {
  CodedForwardTask task;

  __device__ void operator()(int64_t i) const {
    const StageShape& s = task.shape;
    const Cell cell = cell_at(i / s.src_cs, s.in_h, s.in_w);
    const int channel = int(i % s.src_cs);
    const float* table = s.first ? task.values + int64_t(channel) * kTableSize : task.values;
    float sum = 0;
    for (int y = 0; y < s.pool; ++y)
      for (int x = 0; x < s.pool; ++x)
        sum += table[task.levels[cell.image * s.src_size() +
                                 (int64_t(cell.y * s.pool + y) * s.src_w + cell.x * s.pool + x) * s.src_cs + channel]] *
               task.scale;
    task.packed[i] = s.pool == 1 ? sum : sum * (1.0f / float(s.pool * s.pool));
  }
};

struct Quantise {
  QuantiseTask task;

  __device__ void operator()(int64_t i) const {
    float level = 0;
    for (int border = 1; border <= task.largest; ++border)
      level = next_level<ScalarArithmetic<float>>(level, task.weighted[i], task.borders[border]);
    task.levels[i] = uint8_t(level);
  }
};

struct PassThrough {
  CodeGradientTask task;

  __device__ void operator()(int64_t i, double (&sums)[2]) const {
    const CodeParams p = code_params(task.code, task.pair);
    const uint8_t level = task.levels[i];
    const CodeSlopes slopes = code_slopes(task.code, p, task.weighted[i], level, task.values[level]);
    const double received = task.d_out[i];
    task.d_out[i] = float(received * slopes.v);
    sums[0] += received * slopes.first, sums[1] += received * slopes.second;
  }
};

struct AddPair {
  float* d_pair;

  __device__ void operator()(const double (&sums)[2]) const {
    d_pair[0] += float(sums[0]), d_pair[1] += float(sums[1]);
  }
};

struct PullPair {
  PullPairTask task;

  __device__ void operator()(int64_t i) const { task.add(int(i)); }
};

struct AddSendingPenalty {
  SendingPenaltyTask task;

  __device__ void operator()(int64_t c) const { task.add(int(c)); }
};

// One block: a layer's weights are few beside the products with them.
__global__ void __launch_bounds__(kElementThreads) weight_unit_kernel(RoundWeightsTask task) {
  __shared__ float shared[kElementThreads];
  float most = 0;
  for (int64_t i = threadIdx.x; i < task.count; i += kElementThreads) most = fmaxf(most, fabsf(task.weight[i]));
  shared[threadIdx.x] = most;
  for (int half = kElementThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) < half) shared[threadIdx.x] = fmaxf(shared[threadIdx.x], shared[threadIdx.x + half]);
  }
  if (threadIdx.x == 0) *task.unit = weight_unit(shared[0], task.bits);
}

struct RoundWeight {
  RoundWeightsTask task;

  __device__ void operator()(int64_t i) const { task.rounded[i] = rounded_weight(task.weight[i], *task.unit); }
};

struct Scale {
  ScaleTask task;

  __device__ void operator()(int64_t i) const { task.values[i] *= task.factor; }
};

}  // namespace

KernelChoice CudaBackend::execute(const CodeTablesTask& task) {
  each(stream_, "code_tables", int64_t(task.layers) * 2 * kTableSize, FillTables{task});
  return {};
}

KernelChoice CudaBackend::execute(const PixelLevelsTask& task) {
  each(stream_, "pixel_levels", task.n * task.channels * task.cells, TransposePixels{task});
  return {};
}

KernelChoice CudaBackend::execute(const MaxPoolTask& task) {
  each(stream_, "max_pool", task.n * task.shape.src_size(), TakeLargest{task});
  return {};
}

KernelChoice CudaBackend::execute(const MaxPoolBackwardTask& task) {
  (void)execute(ZeroTask{task.d_below, size_t(task.n * task.shape.below_size()) * sizeof(float)});
  each(stream_, "max_pool_backward", task.n * task.shape.src_size(), GiveToLargest{task});
  return {};
}

KernelChoice CudaBackend::execute(const CodedForwardTask& task) {
  const StageShape& s = task.shape;
  each(stream_, "coded_forward", int64_t(task.n) * s.in_h * s.in_w * s.src_cs, Decode{task});
  return execute(task.dense());
}

KernelChoice CudaBackend::execute(const QuantiseTask& task) {
  each(stream_, "quantise", task.count, Quantise{task});
  return {};
}

KernelChoice CudaBackend::execute(const CodeGradientTask& task) {
  double* partial = workspace_.reserve<double>(stream_, 2 * kSumBlocks);
  sum<2>(stream_, "code_gradient", task.count, PassThrough{task}, AddPair{task.d_pair}, partial);
  return {};
}

KernelChoice CudaBackend::execute(const PullPairTask& task) {
  each(stream_, "code_penalty", 2, PullPair{task});
  return {};
}

KernelChoice CudaBackend::execute(const SendingPenaltyTask& task) {
  each(stream_, "code_penalty", task.channels, AddSendingPenalty{task});
  return {};
}

KernelChoice CudaBackend::execute(const RoundWeightsTask& task) {
  launch(stream_, dim3(1), dim3(kElementThreads), 0, "round_weights", weight_unit_kernel, task);
  each(stream_, "round_weights", task.count, RoundWeight{task});
  return {};
}

KernelChoice CudaBackend::execute(const ScaleTask& task) {
  each(stream_, "scale", task.count, Scale{task});
  return {};
}

}  // namespace onespike::cuda
