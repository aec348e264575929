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

struct UpdateTask {
  float* weight;
  const float* gradient;
  float *slot0, *slot1, *slot2;
  const UpdateParams* params;
  const StepResult* result;
};

template <OptimizerKind kind>
__global__ void __launch_bounds__(kElementThreads) update_kernel(int64_t count, UpdateTask task) {
  if (!task.result->finite) return;
  // Into registers before the loop: the compiler must assume that its stores change what pointers lead to.
  UpdateParams p = *task.params;
  p.gradient_scale = task.result->gradient_scale;
  for (int64_t i = first_element(); i < count; i += element_stride()) {
    if constexpr (kind == OptimizerKind::kSgd) {
      sgd_update<ScalarMath<float>>(task.weight[i], task.gradient[i], task.slot0[i], p);
    } else {
      float unused = 0;
      adam_update<ScalarMath<float>>(task.weight[i], task.gradient[i], task.slot0[i], task.slot1[i],
                                     p.amsgrad ? task.slot2[i] : unused, p);
    }
  }
}

struct Clamp {
  float* neurons;
  const StepResult* result;

  __device__ void operator()(int64_t i) const {
    if (result->finite) clamp_neuron(neurons + 2 * i);
  }
};

}  // namespace

void CudaBackend::squared_norm(double* total, const float* values, int64_t count) {
  choice_ = {};
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "squared_norm", count, Square{values}, AddTo{total}, partial);
}

void CudaBackend::finish_gradient(StepResult* result, const StepInputs* inputs) {
  choice_ = {};
  each(stream_, "finish_gradient", 1, EndGradient{result, inputs});
}

void CudaBackend::update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
                         OptimizerKind kind, const UpdateParams* p, const StepResult* result) {
  choice_ = {};
  const UpdateTask task{weight, gradient, slot0, slot1, slot2, p, result};
  // Adam and AdamW differ in what the parameters say.
  launch(stream_, dim3(blocks_for(count, kElementBlocks)), dim3(kElementThreads), 0, "update",
         kind == OptimizerKind::kSgd ? update_kernel<OptimizerKind::kSgd> : update_kernel<OptimizerKind::kAdam>, count,
         task);
}

void CudaBackend::clamp_neurons(float* neurons, int count, const StepResult* result) {
  each(stream_, "clamp_neurons", count, Clamp{neurons, result});
}

}  // namespace onespike::cuda
