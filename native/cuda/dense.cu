// Dense operations of the ANN and the analog input on the GPU.
#include "cuda/columns.cuh"
#include "cuda/device/backend.h"
#include "cuda/simt/tiles.cuh"

namespace onespike::cuda {
namespace {

struct AveragePool {
  float* to;
  const float* from;
  bool relu;
  StageShape s;

  __device__ float taken(float x) const { return relu && x < 0 ? 0 : x; }
  __device__ void operator()(int64_t i) const {
    const Cell cell = cell_at(i / s.src_cs, s.in_h, s.in_w);
    const int channel = int(i % s.src_cs);
    float sum = 0;
    for (int y = 0; y < s.pool; ++y)
      for (int x = 0; x < s.pool; ++x)
        sum += taken(from[cell.image * s.src_size() +
                          (int64_t(cell.y * s.pool + y) * s.src_w + cell.x * s.pool + x) * s.src_cs + channel]);
    to[i] = sum * (1.0f / float(s.pool * s.pool));
  }
};

// The gradient of a pooled cell goes to all cells of its window that are active, or to all where nothing says which.
struct Spread {
  float* d_src;
  bool add;
  const float *sums, *activation;
  float scale;
  StageShape s;

  __device__ void operator()(int64_t i) const {
    const Cell cell = cell_at(i / s.src_cs, s.src_h, s.src_w);
    const int channel = int(i % s.src_cs), y = cell.y / s.pool, x = cell.x / s.pool;
    const bool live = y < s.in_h && x < s.in_w && (!activation || activation[i] > 0);
    const float value = live ? scale * sums[((cell.image * s.in_h + y) * s.in_w + x) * s.src_cs + channel] : 0;
    d_src[i] = add ? d_src[i] + value : value;
  }
};

__device__ __forceinline__ float column_value(const ColumnValues& values, int64_t row, int column, int stride) {
  if (values.floats) return values.floats[row * stride + column];
  const int64_t image = row / values.image_rows;
  return __uint_as_float(
      uint32_t(values.halves[image * values.image_stride + (row - image * values.image_rows) * stride + column]) << 16);
}

struct AddColumn {
  ColumnValues values;
  int stride;

  __device__ void operator()(int64_t row, int column, double (&sums)[1]) const {
    const float value = column_value(values, row, column, stride);
    sums[0] += values.kappa ? double(value) / double(values.kappa[row / values.step_rows % values.steps]) : value;
  }
};

struct AddToColumn {
  float* to;

  __device__ void operator()(int column, const double (&sums)[1]) const { to[column] += float(sums[0]); }
};

}  // namespace

// Behind the sums of blocks lie two rows of floats that an operation makes of them.
size_t columns_bytes(int stride) {
  return size_t(kColumnBlocks * stride * kMostColumnSums) * sizeof(double) + size_t(2 * stride) * sizeof(float);
}

double* CudaBackend::columns_workspace(int stride) {
  return reinterpret_cast<double*>(workspace_.reserve<char>(stream_, columns_bytes(stride)));
}

void CudaBackend::add_columns(float* to, const ColumnValues& values, int64_t rows, int stride) {
  sum_columns<1>(stream_, "bias_gradient", rows, stride, AddColumn{values, stride}, AddToColumn{to},
                 columns_workspace(stride));
}

KernelChoice CudaBackend::execute(const PackInputTask& task) {
  const StageShape& s = task.shape;
  each(stream_, "pack_input", int64_t(task.n) * s.in_h * s.in_w * s.src_cs,
       AveragePool{task.packed, task.src, task.relu, s});
  return {};
}

KernelChoice CudaBackend::execute(const DenseForwardTask& task) {
  const StageShape& s = task.shape;
  if (takes_tensor_cores(s, 1)) tensor_core::dense_forward(stream_, tensor_workspace(task.n, 1, s), task);
  else simt_dense_forward(stream_, task);
  return choice_for(s, 1);
}

KernelChoice CudaBackend::execute(const DenseWeightGradientTask& task) {
  const StageShape& s = task.shape;
  if (takes_tensor_cores(s, 1)) tensor_core::dense_weight_gradient(stream_, tensor_workspace(task.n, 1, s), task);
  else simt_dense_weight_gradient(stream_, workspace_, task);
  return choice_for(s, 1);
}

KernelChoice CudaBackend::execute(const DenseBiasGradientTask& task) {
  add_columns(task.d_bias, {.floats = task.d_out}, task.n * task.shape.out_cells(), task.shape.out_cs);
  return {};
}

KernelChoice CudaBackend::execute(const DenseInputGradientTask& task) {
  const StageShape& s = task.shape;
  if (takes_tensor_cores(s, 1)) {
    tensor_core::dense_input_gradient(stream_, tensor_workspace(task.n, 1, s), task);
    return choice_for(s, 1);
  }
  float* sums = workspace_.reserve<float>(stream_, size_t(task.n) * s.in_h * s.in_w * s.src_cs);
  simt_input_sums(stream_, sums, task.d_out, task.weight, task.n, s);
  each(stream_, "dense_input_gradient", task.n * s.src_size(),
       Spread{task.d_src, task.add, sums, task.activation, task.scale / float(s.pool * s.pool), s});
  return choice_for(s, 1);
}

}  // namespace onespike::cuda
