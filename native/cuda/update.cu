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
__global__ void __launch_bounds__(kElementThreads) update_kernel(int64_t count, UpdateTask task) {
  if (!task.result->finite) return;
  // Into registers before the loop: the compiler must assume that its stores change what pointers lead to.
  UpdateParams p = *task.params;
  p.gradient_scale *= task.result->gradient_scale;
  for (int64_t i = first_element(); i < count; i += element_stride()) {
    if constexpr (kind == OptimizerKind::kSgd) {
      sgd_update<ScalarArithmetic<float>>(task.weight[i], task.gradient[i], task.slots[0][i], p);
    } else {
      float unused = 0;
      adam_update<ScalarArithmetic<float>>(task.weight[i], task.gradient[i], task.slots[0][i], task.slots[1][i],
                                           p.amsgrad ? task.slots[2][i] : unused, p);
    }
  }
}

// The schedules of all layers, a few numbers for each.
struct UpdateSchedule {
  UpdateTask task;

  __device__ void operator()(int64_t i) const {
    if (!task.result->finite) return;
    UpdateParams p = *task.params;
    p.gradient_scale *= task.result->gradient_scale;
    update_logarithm(task.weight[i], task.gradient[i], [&](float& log_weight, float gradient) {
      float unused = 0;
      if (task.kind == OptimizerKind::kSgd)
        sgd_update<ScalarArithmetic<float>>(log_weight, gradient, task.slots[0][i], p);
      else
        adam_update<ScalarArithmetic<float>>(log_weight, gradient, task.slots[0][i], task.slots[1][i],
                                             p.amsgrad ? task.slots[2][i] : unused, p);
    });
  }
};

struct Clamp {
  ClampNeuronsTask task;

  __device__ void operator()(int64_t i) const {
    if (!task.result->finite) return;
    if (task.code.kind == CodeKind::kNone) clamp_neuron(task.neurons + 2 * i);
    else clamp_code(task.code, task.neurons + 2 * i);
  }
};

struct Add {
  AddTask task;

  __device__ void operator()(int64_t i) const { task.sum[i] = task.a[i] + task.b[i]; }
};

struct AddResult {
  AddResultTask task;

  __device__ void operator()(int64_t) const { task.add(); }
};

struct Average {
  AverageTask task;

  __device__ void operator()(int64_t i) const {
    if (task.result->finite)
      average_update<ScalarArithmetic<float>>(task.average[i], task.values[i], task.inputs->average_decay,
                                              task.inputs->average_rest);
  }
};

struct SpikeCost {
  SpikeCostTask task;

  __device__ void operator()(int64_t i) const {
    const StepInputs& in = *task.inputs;
    task.costs[i] = spike_cost(*task.mean, in.activity_target, in.activity_strength, task.weights[i], task.share);
  }
};

// A few numbers: one thread adds them up.
struct Activity {
  ActivityTask task;

  __device__ void operator()(int64_t) const { task.update(); }
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
  if (task.logarithmic) {
    each(stream_, "update_schedules", task.count, UpdateSchedule{task});
    return {};
  }
  // Adam and AdamW differ in what the parameters say.
  launch(stream_, dim3(blocks_for(task.count, kElementBlocks)), dim3(kElementThreads), 0, "update",
         task.kind == OptimizerKind::kSgd ? update_kernel<OptimizerKind::kSgd> : update_kernel<OptimizerKind::kAdam>,
         task.count, task);
  return {};
}

KernelChoice CudaBackend::execute(const ClampNeuronsTask& task) {
  each(stream_, "clamp_neurons", task.count, Clamp{task});
  return {};
}

KernelChoice CudaBackend::execute(const AddTask& task) {
  each(stream_, "add", task.count, Add{task});
  return {};
}

KernelChoice CudaBackend::execute(const AddResultTask& task) {
  each(stream_, "add_result", 1, AddResult{task});
  return {};
}

KernelChoice CudaBackend::execute(const AverageTask& task) {
  each(stream_, "average", task.count, Average{task});
  return {};
}

KernelChoice CudaBackend::execute(const SpikeCostTask& task) {
  each(stream_, "activity", task.stages, SpikeCost{task});
  return {};
}

KernelChoice CudaBackend::execute(const ActivityTask& task) {
  each(stream_, "activity", 1, Activity{task});
  return {};
}

}  // namespace onespike::cuda
