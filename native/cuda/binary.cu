// The binary activation on the GPU; the formulas are those of ops/ann/binary.h.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"
#include "ops/ann/binary.h"

namespace onespike::cuda {
namespace {

using Scalar = ScalarArithmetic<float>;

struct Activate {
  BinaryForwardTask task;

  __device__ void operator()(int64_t i, double (&sums)[1]) const {
    const float x = task.x[i];
    sums[0] += binary_fires<Scalar>(x, task.neuron[0]);
    task.out[i] = binary_forward<Scalar>(x, task.neuron[0]);
  }
};

struct AddSpikes {
  int64_t* spikes;

  // A sum of ones is exact.
  __device__ void operator()(const double (&sums)[1]) const { spikes[0] += int64_t(sums[0]); }
};

struct Deactivate {
  BinaryBackwardTask task;

  __device__ void operator()(int64_t i, double (&sums)[1]) const {
    const float V = task.neuron[0], scaled_cost = task.cost ? *task.cost / (2 * V) : 0;
    float term = 0;
    task.d_out[i] = binary_backward<Scalar>(task.d_out[i], task.x[i], V, scaled_cost, term);
    sums[0] += term;
  }
};

struct AddThreshold {
  float* d_neuron;

  __device__ void operator()(const double (&sums)[1]) const { d_neuron[0] += float(sums[0]); }
};

}  // namespace

KernelChoice CudaBackend::execute(const BinaryForwardTask& task) {
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "binary_forward", task.count, Activate{task}, AddSpikes{task.spikes}, partial);
  return {};
}

KernelChoice CudaBackend::execute(const BinaryBackwardTask& task) {
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "binary_backward", task.count, Deactivate{task}, AddThreshold{task.d_neuron}, partial);
  return {};
}

}  // namespace onespike::cuda
