// From g(t) of a stage to the gradients of its weights, its bias and its analog current, on the GPU.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"

namespace onespike::cuda {
namespace {

struct AnalogGradient {
  float* d_current;
  const float* gradient;
  bool sum_steps;
  int timesteps;
  int64_t size;

  __device__ void operator()(int64_t i) const {
    const int64_t image = i / size;
    const float* from = gradient + image * timesteps * size + (i - image * size);
    float sum = from[0];
    for (int t = 1; sum_steps && t < timesteps; ++t) sum += from[t * size];
    d_current[i] = sum;
  }
};

}  // namespace

void CudaBackend::weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n,
                                  int timesteps, const StageShape& s) {
  if (!source.times && !source.rate) return;
  if (!on_tensor_cores(s, timesteps))
    return simt_weight_gradient(stream_, workspace_, d_weight, source, gradient, n, timesteps, s);
  const bool decided = follows_density(source, s, timesteps);
  if (decided && !choices_.knows(source.times, n, s))
    choices_.decide(stream_, workspace_, source.times, n, timesteps, s);
  tensor_core::weight_gradient(stream_, tensor_workspace(n, timesteps, s), d_weight, source, gradient, n, timesteps, s,
                               decided ? choices_.weight_gradient(s, Variant::kDense) : Gate());
  if (!decided) return;
  event_weight_gradient(stream_, workspace_, d_weight, source,
                        {nullptr, gradient, choices_.weight_gradient(s, Variant::kEvents)}, n, timesteps, s);
  choice_.kernel = kByDensity, decided_layer_ = s.layer, decided_weight_gradient_ = true;
}

void CudaBackend::bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) {
  const int64_t rows = timesteps * s.out_cells();
  if (!on_tensor_cores(s, timesteps)) return add_columns(d_bias, {gradient}, n * rows, s.out_cs);
  const tensor_core::GradientRecord record(const_cast<float*>(gradient), timesteps, s);
  add_columns(d_bias, {nullptr, record.g(0), rows, record.image_stride()}, n * rows, s.out_cs);
}

void CudaBackend::analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps,
                                  const StageShape& s) {
  choice_ = {};
  each(stream_, "analog_gradient", n * s.out_size(),
       AnalogGradient{d_current, gradient, sum_steps, timesteps, s.out_size()});
}

}  // namespace onespike::cuda
