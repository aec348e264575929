// The spiking forward pass on the GPU: which kernels it takes, and the copies of the weights that they read.
#include "cuda/device/backend.h"

namespace onespike::cuda {

bool CudaBackend::on_tensor_cores(const StageShape& s, int timesteps) {
  const bool taken = takes_tensor_cores(s, timesteps);
  choice_ = {taken ? "bf16 tensor cores" : "fp32", 1};
  return taken;
}

void* CudaBackend::tensor_workspace(int n, int timesteps, const StageShape& s) {
  return workspace_.reserve<char>(stream_, tensor_core::workspace_bytes(n, timesteps, s));
}

size_t CudaBackend::forward_bytes(const StageShape& s) const {
  return takes_tensor_cores(s, 1) ? tensor_core::forward_bytes(s) : 0;
}

void CudaBackend::pack_forward(void* to, const float* weight, const StageShape& s) {
  if (on_tensor_cores(s, 1)) tensor_core::pack_forward(stream_, to, weight, s);
}

size_t CudaBackend::backward_bytes(bool, const StageShape& s) const {
  return takes_tensor_cores(s, 1) ? tensor_core::backward_bytes(s) : 0;
}

void CudaBackend::pack_backward(void* to, const float* weight, bool, const StageShape& s) {
  if (on_tensor_cores(s, 1)) tensor_core::pack_backward(stream_, to, weight, s);
}

// Kernels read the bytes themselves; how, is decided here.
void CudaBackend::sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) {
  choice_ = {};
  source_ = source;
  if (follows_density(source, s, timesteps)) choices_.decide(stream_, workspace_, source.times, n, timesteps, s);
}

void CudaBackend::spiking_forward(uint8_t* times, float* potential, const float* weight, const void* weight_forward,
                                  const float* bias, const float* current, bool current_always, int n,
                                  const NeuronParams& p, const StageShape& s) {
  if (on_tensor_cores(s, p.timesteps)) {
    const bool decided = follows_density(source_, s, p.timesteps);
    tensor_core::spiking_forward(stream_, tensor_workspace(n, p.timesteps, s), times, potential, source_,
                                 weight_forward, bias, current, current_always, n, p, s,
                                 decided ? choices_.forward(s, Variant::kDense) : Gate());
    if (!decided) return;
    event_spiking_forward(stream_, times, potential, source_,
                          {nullptr, weight_forward, choices_.forward(s, Variant::kEvents)}, bias, current,
                          current_always, n, p, s);
    choice_.kernel = kByDensity, decided_layer_ = s.layer, decided_weight_gradient_ = false;
    return;
  }
  simt_spiking_forward(stream_, times, potential, source_, weight, bias, current, current_always, n, p, s);
}

}  // namespace onespike::cuda
