// The spiking forward pass on the GPU: which kernels it takes, and the copies of the weights that they read.
#include "cuda/device/backend.h"

namespace onespike::cuda {

size_t CudaBackend::forward_bytes(const StageShape& s) const {
  return takes_tensor_cores(s, 1) ? tensor_core::forward_bytes(s) : 0;
}

KernelChoice CudaBackend::execute(const PackForwardTask& task) {
  if (takes_tensor_cores(task.shape, 1)) tensor_core::pack_forward(stream_, task);
  return choice_for(task.shape, 1);
}

size_t CudaBackend::backward_bytes(bool, const StageShape& s) const {
  return takes_tensor_cores(s, 1) ? tensor_core::backward_bytes(s) : 0;
}

KernelChoice CudaBackend::execute(const PackBackwardTask& task) {
  if (takes_tensor_cores(task.shape, 1)) tensor_core::pack_backward(stream_, task);
  return choice_for(task.shape, 1);
}

KernelChoice CudaBackend::execute(const SpikingForwardTask& task) {
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps;
  const KernelChoice choice = choice_for(s, T);
  if (!takes_tensor_cores(s, T)) {
    simt_spiking_forward(stream_, task);
    return choice;
  }
  if (!follows_density(task.source, task.density, s, T)) {
    tensor_core::spiking_forward(stream_, tensor_workspace(task.n, T, s), task);
    return choice;
  }
  auto* decision = static_cast<Decision*>(task.density);
  decide(stream_, workspace_, decision, task.source.times, task.n, T, s);
  tensor_core::spiking_forward(stream_, tensor_workspace(task.n, T, s), task,
                               gate_of(decision->forward, Variant::kDense));
  event_spiking_forward(stream_, task,
                        {.halves = task.weight_forward, .gate = gate_of(decision->forward, Variant::kEvents)});
  return {.pending = &decision->forward};
}

}  // namespace onespike::cuda
