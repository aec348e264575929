#include "core/state.h"

namespace onespike {

NetworkState::NetworkState(const Plan& plan_in, std::unique_ptr<Backend> backend_in)
    : plan(plan_in),
      backend(std::move(backend_in)),
      parameters(plan, *backend),
      analog(*backend),
      coded(*backend),
      rate(*backend),
      current(*backend),
      gradient(*backend),
      d_activation{Buffer<float>(*backend), Buffer<float>(*backend)},
      steps(plan.spec.timesteps),
      decisions(size_t(plan.spec.timesteps) + 1, 0.0) {
  for (size_t i = 0; i < plan.stages.size(); ++i) stages.emplace_back(*backend);
}

ReadoutParams NetworkState::readout() const {
  const StageParameters& p = parameters[plan.stages.size() - 1];
  const NetworkSpec& spec = plan.spec;
  return {spec.timesteps, spec.alpha, spec.beta, p.neuron[0], p.neuron[1], {spec.surrogate, spec.gamma, spec.kappa}};
}

NeuronParams NetworkState::neuron(size_t stage) const {
  const StageParameters& p = parameters[stage];
  return {steps, p.neuron[0], p.neuron[1], {plan.spec.surrogate, plan.spec.gamma, plan.spec.kappa}};
}

EncodeParams NetworkState::encoding(Encoder encoder) const {
  const NetworkSpec& s = plan.spec;
  return {encoder, s.channels, s.height, s.width, s.timesteps, s.mean.data(), s.std.data(), s.lo, s.hi, s.seed, random_step, steps};
}

int64_t NetworkState::buffer_bytes() const {
  int64_t bytes = analog.bytes() + coded.bytes() + rate.bytes() + current.bytes() + gradient.bytes() + d_activation[0].bytes() + d_activation[1].bytes();
  for (const StageBuffers& b : stages)
    bytes += b.times.bytes() + b.sent.bytes() + b.mask.bytes() + b.potential.bytes() + b.gradient.bytes() + b.backward.bytes() + b.padded.bytes() + b.activation.bytes();
  return bytes;
}

Status aborted() { return Status::error(Code::kAborted, "The operation was aborted; parameters are as they were before it"); }

}  // namespace onespike
