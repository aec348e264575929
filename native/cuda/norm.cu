// Batch normalisation, and the weights of currents that are averaged before the neuron, on the GPU; the formulas are
// those of ops/ann/norm.h and ops/pooled_weight.h.
#include "cuda/columns.cuh"
#include "cuda/device/backend.h"
#include "ops/ann/norm.h"
#include "ops/pooled_weight.h"

namespace onespike::cuda {
namespace {

using Scalar = ScalarArithmetic<float>;

// Sums of squares in double precision: where the mean is 10^3 standard deviations, six digits are lost of sixteen.
struct Squares {
  const float* values;
  int stride;

  __device__ void operator()(int64_t row, int column, double (&sums)[2]) const {
    const double value = values[row * stride + column];
    sums[0] += value, sums[1] += value * value;
  }
};

struct EndStatistics {
  float *moments, *sums;
  double rows;
  int stride;

  __device__ void operator()(int column, const double (&total)[2]) const {
    const double mean = total[0] / rows, square = total[1] - total[0] * mean;
    const Moments all{rows, mean, square > 0 ? square : 0};
    moments[column] = float(mean), moments[stride + column] = float(norm_inverse(all.variance()));
    sums[column] += float(mean), sums[stride + column] += float(all.unbiased());
  }
};

// Channels of a map as the formulas want them.
struct Channels {
  const float *moments, *affine;
  int stride;

  __device__ float standard(float y, int c) const { return standardised<Scalar>(y, moments[c], moments[stride + c]); }
  __device__ float inverse(int c) const { return moments[stride + c]; }
};

struct Normalise {
  float* out;
  const float* weighted;
  Channels channels;
  bool relu;

  __device__ void operator()(int64_t i) const {
    const int c = int(i % channels.stride);
    const float x = norm_forward<Scalar>(channels.standard(weighted[i], c), channels.affine[c],
                                         channels.affine[channels.stride + c]);
    out[i] = relu && x < 0 ? 0 : x;
  }
};

struct GradientSums {
  const float *d, *weighted;
  Channels channels;

  __device__ void operator()(int64_t row, int column, double (&sums)[2]) const {
    const int64_t at = row * channels.stride + column;
    sums[0] += d[at], sums[1] += double(d[at]) * channels.standard(weighted[at], column);
  }
};

// means (2, stride) of the gradient, and of the gradient times the standardised input.
struct EndGradientSums {
  float *d_affine, *means;
  double rows;
  int stride;

  __device__ void operator()(int column, const double (&total)[2]) const {
    d_affine[column] += float(total[1]), d_affine[stride + column] += float(total[0]);
    means[column] = float(total[0] / rows), means[stride + column] = float(total[1] / rows);
  }
};

struct NormaliseBackward {
  float* d;
  const float *weighted, *means;
  Channels channels;

  __device__ void operator()(int64_t i) const {
    const int c = int(i % channels.stride);
    d[i] = norm_backward<Scalar>(d[i], channels.standard(weighted[i], c), channels.affine[c], channels.inverse(c),
                                 means[c], means[channels.stride + c]);
  }
};

struct UpdateRunning {
  RunningStatisticsTask task;

  __device__ void operator()(int64_t i) const {
    if (task.result->finite) task.running[i] = running_value(task.running[i], task.sums[i] / double(task.groups));
  }
};

// The output channel of element i of packed weights.
__device__ int channel_of(int64_t i, const StageShape& s) {
  const int64_t depth = int64_t(s.taps()) * s.src_cs;
  const Tile tile = tile_of(int(i / depth), s.out_cs);
  return tile.begin + int((i - tile.begin * depth) % tile.width);
}

__device__ FoldedNorm fold(const float* affine, const float* running, const float* bias, int c, int stride) {
  return folded_norm(affine[c], affine[stride + c], running[c], running[stride + c], bias ? bias[c] : 0);
}

struct Fold {
  FoldNormTask task;

  __device__ void operator()(int64_t i) const {
    const StageShape& s = task.shape;
    const int c = channel_of(i, s);
    task.folded_weight[i] = task.weight[i] * fold(task.affine, task.running, task.bias, c, s.out_cs).scale;
    if (i < s.out_cs) task.folded_bias[i] = fold(task.affine, task.running, task.bias, int(i), s.out_cs).shift;
  }
};

// One block per kColumnLanes channels: they are neighbours in a tile of the packed weights.
__global__ void __launch_bounds__(kElementThreads) fold_backward_kernel(FoldNormBackwardTask task) {
  __shared__ double shared[kColumnLines][kColumnLanes];
  const StageShape& s = task.shape;
  const int lane = int(threadIdx.x) % kColumnLanes, line = int(threadIdx.x) / kColumnLanes;
  const int c = int(blockIdx.x) * kColumnLanes + lane;
  const Tile tile = tile_of(c, s.out_cs);
  const int64_t depth = int64_t(s.taps()) * s.src_cs, start = tile.begin * depth + (c - tile.begin);
  const float scale = fold(task.affine, task.running, task.bias, c, s.out_cs).scale;
  double product = 0;
  for (int64_t row = line; row < depth; row += kColumnLines) {
    float& d = task.d_weight[start + row * tile.width];
    product += double(d) * task.weight[start + row * tile.width];
    d *= scale;
  }
  shared[line][lane] = product;
  __syncthreads();
  if (line != 0) return;
  for (int i = 1; i < kColumnLines; ++i) product += shared[i][lane];
  const float shift = task.d_bias[c];
  task.d_affine[c] +=
      float(folded_d_weight(product, shift, task.running[c], task.running[s.out_cs + c], task.bias ? task.bias[c] : 0));
  task.d_affine[s.out_cs + c] += shift;
  task.d_bias[c] = task.bias ? shift * scale : 0;
}

// Where element i of packed weights of `taps` lies: its tap, and the same element of tap 0 of a kernel of `from_taps`.
struct PackedPlace {
  int tap;
  int64_t first, row;

  __device__ PackedPlace(int64_t i, const StageShape& s, int taps, int from_taps) {
    const int64_t depth = int64_t(taps) * s.src_cs;
    const Tile tile = tile_of(int(i / depth), s.out_cs);
    const int64_t start = int64_t(tile.begin) * s.src_cs, within = i - start * taps;
    row = int64_t(s.src_cs) * tile.width;
    tap = int(within / row), first = start * from_taps + within % row;
  }
};

struct PoolWeights {
  PoolWeightsTask task;

  __device__ void operator()(int64_t i) const {
    const StageShape& s = task.shape;
    const PackedPlace at(i, s, s.taps(), s.parameter_taps());
    task.pooled[i] =
        pooled_mean(task.parameter + at.first, parameter_square(s, at.tap), s.parameter_w, at.row, s.average);
  }
};

struct PoolWeightsBackward {
  PoolWeightsBackwardTask task;

  __device__ void operator()(int64_t i) const {
    const StageShape& s = task.shape;
    const PackedPlace at(i, s, s.parameter_taps(), s.taps());
    task.d_parameter[i] =
        pooled_mean(task.d_pooled + at.first, pooled_square(s, at.tap), s.kernel_w, at.row, s.average);
  }
};

}  // namespace

KernelChoice CudaBackend::execute(const NormStatisticsTask& task) {
  const StageShape& s = task.shape;
  const int64_t rows = task.n * s.out_cells();
  sum_columns<2>(stream_, "norm_statistics", rows, s.out_cs, Squares{task.weighted, s.out_cs},
                 EndStatistics{task.moments, task.sums, double(rows), s.out_cs}, columns_workspace(s.out_cs));
  return {};
}

KernelChoice CudaBackend::execute(const NormForwardTask& task) {
  const StageShape& s = task.shape;
  each(stream_, "norm_forward", task.n * s.out_size(),
       Normalise{task.out, task.weighted, {task.moments, task.affine, s.out_cs}, task.relu});
  return {};
}

KernelChoice CudaBackend::execute(const NormBackwardTask& task) {
  const StageShape& s = task.shape;
  const int64_t rows = task.n * s.out_cells();
  const Channels channels{task.moments, task.affine, s.out_cs};
  double* partial = columns_workspace(s.out_cs);
  float* means = reinterpret_cast<float*>(partial + kColumnBlocks * s.out_cs * kMostColumnSums);
  sum_columns<2>(stream_, "norm_backward", rows, s.out_cs, GradientSums{task.d_out, task.weighted, channels},
                 EndGradientSums{task.d_affine, means, double(rows), s.out_cs}, partial);
  each(stream_, "norm_backward", task.n * s.out_size(), NormaliseBackward{task.d_out, task.weighted, means, channels});
  return {};
}

KernelChoice CudaBackend::execute(const RunningStatisticsTask& task) {
  each(stream_, "update_running", 2 * task.out_cs, UpdateRunning{task});
  return {};
}

KernelChoice CudaBackend::execute(const FoldNormTask& task) {
  each(stream_, "fold_norm", task.shape.weights(), Fold{task});
  return {};
}

KernelChoice CudaBackend::execute(const FoldNormBackwardTask& task) {
  launch(stream_, dim3(unsigned(task.shape.out_cs / kColumnLanes)), dim3(kElementThreads), 0, "fold_norm",
         fold_backward_kernel, task);
  return {};
}

KernelChoice CudaBackend::execute(const PoolWeightsTask& task) {
  each(stream_, "pool_weights", task.shape.weights(), PoolWeights{task});
  return {};
}

KernelChoice CudaBackend::execute(const PoolWeightsBackwardTask& task) {
  each(stream_, "pool_weights", task.shape.parameters(), PoolWeightsBackward{task});
  return {};
}

}  // namespace onespike::cuda
