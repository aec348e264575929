#include "core/state.h"

namespace onespike {

NetworkState::NetworkState(const Plan& plan_in, std::unique_ptr<Backend> backend_in)
    : plan(plan_in),
      backend(std::move(backend_in)),
      parameters(plan, *backend),
      workspace(*backend),
      analog(*backend),
      coded(*backend),
      rate(*backend),
      current(*backend),
      gradient(*backend),
      d_activation{Buffer<float>(*backend), Buffer<float>(*backend)},
      statistics(*backend),
      silent(*backend),
      logits(*backend),
      inputs(*backend),
      result(*backend),
      spikes(*backend),
      pixels(*backend),
      labels(*backend),
      indices(*backend) {
  for (size_t i = 0; i < plan.stages.size(); ++i) stages.emplace_back(*backend);
}

Status NetworkState::allocate() {
  if (Status status = parameters.allocate(); !status.ok()) return status;
  const int64_t channels = plan.spec.channels;
  Status status = statistics.ensure(2 * channels);
  if (status.ok()) status = silent.ensure(2);
  if (status.ok()) status = inputs.ensure(1);
  if (status.ok()) status = result.ensure(1);
  if (status.ok()) status = spikes.ensure(int64_t(plan.stages.size()));
  if (!status.ok()) return status;
  backend->upload(statistics.data(), plan.spec.mean.data(), size_t(channels) * sizeof(float));
  backend->upload(statistics.data() + channels, plan.spec.std.data(), size_t(channels) * sizeof(float));
  return backend->finish();
}

NeuronParams NetworkState::neuron(size_t stage) const {
  return {plan.spec.timesteps, parameters[stage].neuron, !plan.stages[stage].output, {plan.spec.surrogate, plan.spec.gamma, plan.spec.kappa}};
}

EncodeParams NetworkState::encoding(Encoder encoder) const {
  const NetworkSpec& s = plan.spec;
  return {encoder, s.channels, s.height, s.width, s.timesteps, statistics.data(), statistics.data() + s.channels, s.lo, s.hi, s.seed, inputs.data()};
}

int64_t NetworkState::buffer_bytes() const {
  int64_t bytes = analog.bytes() + coded.bytes() + rate.bytes() + current.bytes() + gradient.bytes() + d_activation[0].bytes() + d_activation[1].bytes();
  bytes += statistics.bytes() + silent.bytes() + logits.bytes() + inputs.bytes() + result.bytes() + spikes.bytes() + pixels.bytes() + labels.bytes() + indices.bytes();
  bytes += backend->workspace_held();
  for (const auto& d : datasets) bytes += d->pixels.bytes() + d->labels.bytes();
  for (const StageBuffers& b : stages)
    bytes += b.times.bytes() + b.sent.bytes() + b.mask.bytes() + b.potential.bytes() + b.gradient.bytes() + b.forward.bytes() + b.backward.bytes() + b.padded.bytes() + b.activation.bytes();
  return bytes;
}

Status no_room(int64_t images, const std::function<int64_t(int64_t images)>& bytes, int64_t room) {
  std::string message = "Not enough memory for a batch of " + std::to_string(images) + " images: its buffers take " + std::to_string(bytes(images)) + " bytes";
  if (room >= 0) {
    int64_t fits = 0, beyond = images;
    while (beyond - fits > 1) {
      const int64_t middle = fits + (beyond - fits) / 2;
      (bytes(middle) <= room ? fits : beyond) = middle;
    }
    message += " and " + std::to_string(room) + " are free; ";
    message += fits > 0 ? "the largest batch that fits has " + std::to_string(fits) : "not one image fits";
  }
  return Status::error(Code::kOom, message);
}

Status aborted() { return Status::error(Code::kAborted, "The operation was aborted; parameters are as they were before it"); }

}  // namespace onespike
