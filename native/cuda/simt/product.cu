// Products of small matrices on the GPU: a thread sums one number. They are small beside a batch.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"

namespace onespike::cuda {
namespace {

struct Product {
  ProductTask task;

  __device__ void operator()(int64_t i) const {
    const int column = int(i % task.columns), row = int(i / task.columns % task.rows);
    const int64_t batch = i / task.columns / task.rows;
    float sum = 0;
    for (int term = 0; term < task.terms; ++term) {
      const float* a = task.a.data + batch * task.a.batch + term * task.a.term + row * task.a.row;
      const float* b = task.b.data + batch * task.b.batch + term * task.b.term + column * task.b.column;
      for (int k = 0; k < task.depth; ++k, a += task.a.column, b += task.b.row) sum = fmaf(*a, *b, sum);
    }
    float& to = task.out[batch * task.out_batch + row * task.out_row + column];
    if (task.scale) sum *= *task.scale;
    to = task.add ? to + sum : sum;
  }
};

struct Dot {
  const float *a, *b;

  __device__ void operator()(int64_t i, double (&sums)[1]) const { sums[0] += double(a[i]) * b[i]; }
};

struct AddDot {
  float* total;

  __device__ void operator()(const double (&sums)[1]) const { *total += float(sums[0]); }
};

}  // namespace

KernelChoice CudaBackend::execute(const ProductTask& task) {
  each(stream_, "genes", int64_t(task.batches) * task.rows * task.columns, Product{task});
  return {};
}

KernelChoice CudaBackend::execute(const DotTask& task) {
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "genes", task.count, Dot{task.a, task.b}, AddDot{task.total}, partial);
  return {};
}

}  // namespace onespike::cuda
