// From g(t) of a stage to the gradients of its weights, its bias and its analog current, on the GPU.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"

namespace onespike::cuda {
namespace {

// Of four neurons.
struct AnalogGradient {
  AnalogGradientTask task;
  int64_t size;  // of an image at one step, in fours

  __device__ void operator()(int64_t i) const {
    const int64_t image = i / size;
    const float4* from =
        reinterpret_cast<const float4*>(task.gradient) + image * task.timesteps * size + (i - image * size);
    float4 sum = from[0];
    for (int t = 1; task.sum_steps && t < task.timesteps; ++t) {
      const float4 g = from[t * size];
      sum = make_float4(sum.x + g.x, sum.y + g.y, sum.z + g.z, sum.w + g.w);
    }
    reinterpret_cast<float4*>(task.d_current)[i] = sum;
  }
};

// The same of step 1 from the record of tensor cores.
struct RecordedAnalogGradient {
  AnalogGradientTask task;
  int64_t size;
  tensor_core::GradientRecord record;

  __device__ void operator()(int64_t i) const {
    const int64_t image = i / size;
    task.d_current[i] = __uint_as_float(uint32_t(record.g(image)[i - image * size]) << 16);
  }
};

}  // namespace

KernelChoice CudaBackend::execute(const WeightGradientTask& task) {
  if (!task.source.times && !task.source.values) return {};
  const StageShape& s = task.shape;
  const int n = task.n, T = task.timesteps;
  const KernelChoice choice = choice_for(s, T);
  if (!takes_tensor_cores(s, T)) {
    simt_weight_gradient(stream_, workspace_, task);
    return choice;
  }
  if (!follows_density(task.source, task.density, s, T)) {
    tensor_core::weight_gradient(stream_, tensor_workspace(n, T, s), task);
    return choice;
  }
  auto* decision = static_cast<Decision*>(task.density);
  if (!task.counted) decide(stream_, workspace_, decision, task.source.times, n, T, s);
  tensor_core::weight_gradient(stream_, tensor_workspace(n, T, s), task,
                               gate_of(decision->weight_gradient, Variant::kDense));
  event_weight_gradient(stream_, workspace_, task,
                        {.halves = task.gradient, .gate = gate_of(decision->weight_gradient, Variant::kEvents)});
  return {.pending = &decision->weight_gradient};
}

KernelChoice CudaBackend::execute(const BiasGradientTask& task) {
  const StageShape& s = task.shape;
  const int64_t rows = task.timesteps * s.out_cells();
  ColumnValues values{.kappa = task.kappa, .steps = task.timesteps, .step_rows = s.out_cells()};
  if (!takes_tensor_cores(s, task.timesteps)) {
    values.floats = task.gradient;
  } else {
    const tensor_core::GradientRecord record(const_cast<float*>(task.gradient), task.timesteps, s);
    values.halves = record.g(0), values.image_rows = rows, values.image_stride = record.image_stride();
  }
  add_columns(task.d_bias, values, task.n * rows, s.out_cs);
  return {};
}

KernelChoice CudaBackend::execute(const AnalogGradientTask& task) {
  const int64_t size = task.shape.out_size();
  if (!takes_tensor_cores(task.shape, task.timesteps)) {
    each(stream_, "analog_gradient", task.n * size / 4, AnalogGradient{task, size / 4});
    return {};
  }
  // Of a stage that reads a relaxed one; the first stage, whose input may last, stays in 32 bits.
  const tensor_core::GradientRecord record(const_cast<float*>(task.gradient), task.timesteps, task.shape);
  each(stream_, "analog_gradient", task.n * size, RecordedAnalogGradient{task, size, record});
  return {};
}

}  // namespace onespike::cuda
