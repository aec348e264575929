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
      d_activation{Buffer<float>(*backend), Buffer<float>(*backend)} {
  for (size_t i = 0; i < plan.stages.size(); ++i) stages.emplace_back(*backend);
}

ReadoutParams NetworkState::readout() const {
  const StageParameters& p = parameters[plan.stages.size() - 1];
  const NetworkSpec& spec = plan.spec;
  return {spec.timesteps, spec.alpha, spec.beta, p.neuron[0], p.neuron[1], {spec.surrogate, spec.gamma, spec.kappa}};
}

NeuronParams NetworkState::neuron(size_t stage) const {
  const StageParameters& p = parameters[stage];
  return {plan.spec.timesteps, p.neuron[0], p.neuron[1], {plan.spec.surrogate, plan.spec.gamma, plan.spec.kappa}};
}

EncodeParams NetworkState::encoding(Encoder encoder) const {
  const NetworkSpec& s = plan.spec;
  return {encoder, s.channels, s.height, s.width, s.timesteps, s.mean.data(), s.std.data(), s.lo, s.hi, s.seed, random_step};
}

template <class Net, class F>
void NetworkState::each_buffer(Net& net, const F& f) {
  f(net.analog), f(net.coded), f(net.rate), f(net.current), f(net.gradient), f(net.d_activation[0]), f(net.d_activation[1]);
  for (auto& b : net.stages) f(b.times), f(b.sent), f(b.mask), f(b.potential), f(b.gradient), f(b.backward), f(b.padded), f(b.activation);
}

int64_t NetworkState::buffer_bytes() const {
  int64_t bytes = 0;
  each_buffer(*this, [&](const auto& buffer) { bytes += buffer.bytes(); });
  return bytes;
}

void NetworkState::prepare(Mode mode, bool train) {
  const int kind = 2 * int(mode) + int(train);
  if (kind == prepared_) return;
  prepared_ = kind;
  each_buffer(*this, [](auto& buffer) { buffer.release(); });
  backend->release_scratch();
}

Status aborted() { return Status::error(Code::kAborted, "The operation was aborted; parameters are as they were before it"); }

}  // namespace onespike
