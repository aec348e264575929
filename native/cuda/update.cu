// Norm of the gradient and update of the parameters, on the GPU.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"

namespace onespike::cuda {
namespace {

struct Square {
  const float* values;

  __device__ void operator()(int64_t i, double (&sums)[1]) const { sums[0] += double(values[i]) * values[i]; }
};

struct AddTo {
  double* total;

  __device__ void operator()(const double (&sums)[1]) const { *total += sums[0]; }
};

struct EndGradient {
  StepResult* result;
  const StepInputs* inputs;

  __device__ void operator()(int64_t) const {
    const double norm = std::sqrt(result->squared_norm);
    result->gradient_scale = clip_scale(norm, inputs->clip_norm);
    // Infinities and what is no number differ from themselves times zero.
    result->finite = result->finite && result->loss * 0 == 0 && norm * 0 == 0;
  }
};

template <OptimizerKind kind>
struct Update {
  UpdateTask task;

  __device__ void operator()(int64_t i) const {
    if (!task.result->finite) return;
    UpdateParams p = *task.params;
    p.gradient_scale = task.result->gradient_scale;
    float &weight = task.weight[i], &first = task.slots[0][i];
    if constexpr (kind == OptimizerKind::kSgd) {
      sgd_update<ScalarMath<float>>(weight, task.gradient[i], first, p);
    } else {
      float unused = 0;
      adam_update<ScalarMath<float>>(weight, task.gradient[i], first, task.slots[1][i],
                                     p.amsgrad ? task.slots[2][i] : unused, p);
    }
  }
};

struct Clamp {
  ClampNeuronsTask task;

  __device__ void operator()(int64_t i) const {
    if (task.result->finite) clamp_neuron(task.neurons + 2 * i);
  }
};

}  // namespace

KernelChoice CudaBackend::execute(const SquaredNormTask& task) {
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "squared_norm", task.count, Square{task.values}, AddTo{task.total}, partial);
  return {};
}

KernelChoice CudaBackend::execute(const FinishGradientTask& task) {
  each(stream_, "finish_gradient", 1, EndGradient{task.result, task.inputs});
  return {};
}

KernelChoice CudaBackend::execute(const UpdateTask& task) {
  // Adam and AdamW differ in what the parameters say.
  if (task.kind == OptimizerKind::kSgd) each(stream_, "update", task.count, Update<OptimizerKind::kSgd>{task});
  else each(stream_, "update", task.count, Update<OptimizerKind::kAdam>{task});
  return {};
}

KernelChoice CudaBackend::execute(const ClampNeuronsTask& task) {
  each(stream_, "clamp_neurons", task.count, Clamp{task});
  return {};
}

}  // namespace onespike::cuda
