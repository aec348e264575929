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
  float* weight;
  const float* gradient;
  float *slot0, *slot1, *slot2;
  const UpdateParams* params;
  const StepResult* result;

  __device__ void operator()(int64_t i) const {
    if (!result->finite) return;
    UpdateParams p = *params;
    p.gradient_scale = result->gradient_scale;
    if constexpr (kind == OptimizerKind::kSgd) {
      sgd_update<ScalarMath<float>>(weight[i], gradient[i], slot0[i], p);
    } else {
      float unused = 0;
      adam_update<ScalarMath<float>>(weight[i], gradient[i], slot0[i], slot1[i], p.amsgrad ? slot2[i] : unused, p);
    }
  }
};

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
  // Adam and AdamW differ in what the parameters say.
  if (kind == OptimizerKind::kSgd)
    each(stream_, "update", count, Update<OptimizerKind::kSgd>{weight, gradient, slot0, slot1, slot2, p, result});
  else each(stream_, "update", count, Update<OptimizerKind::kAdam>{weight, gradient, slot0, slot1, slot2, p, result});
}

void CudaBackend::clamp_neurons(float* neurons, int count, const StepResult* result) {
  each(stream_, "clamp_neurons", count, Clamp{neurons, result});
}

}  // namespace onespike::cuda
