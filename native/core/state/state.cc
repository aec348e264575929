#include "core/state/state.h"

namespace onespike {

NetworkState::NetworkState(const Plan& plan_in, std::unique_ptr<Backend> backend_in)
    : plan(plan_in),
      backend(std::move(backend_in)),
      parameters(plan, *backend),
      workspace(*backend),
      analog(*backend),
      coded(*backend),
      values(*backend),
      current(*backend),
      gradient(*backend),
      d_activation{Buffer<float>(*backend), Buffer<float>(*backend)},
      statistics(*backend),
      code_tables(*backend),
      pixel_values(*backend),
      silent(*backend),
      logits(*backend),
      inputs(*backend),
      result(*backend),
      spikes(*backend),
      results(*backend),
      counts(*backend),
      pixels(*backend),
      labels(*backend),
      others(*backend),
      shares(*backend),
      indices(*backend),
      drawn(*backend),
      tables(*backend),
      loss(*backend),
      sums(*backend),
      steps(plan.spec.timesteps),
      decisions(size_t(plan.spec.timesteps) + 1, 0.0) {
  for (size_t i = 0; i < plan.stages.size(); ++i) stages.emplace_back(*backend);
}

Status NetworkState::allocate() {
  if (Status status = parameters.allocate(); !status.ok()) return status;
  const int64_t channels = plan.spec.channels;
  Status status = statistics.ensure(2 * channels);
  if (status.ok()) status = silent.ensure(2);
  if (status.ok()) status = inputs.ensure(1);
  if (status.ok() && plan.coded()) status = allocate_codes();
  if (status.ok()) status = result.ensure(1);
  if (status.ok()) status = spikes.ensure(int64_t(plan.stages.size()));
  if (!status.ok()) return status;
  backend->upload(statistics.data(), plan.spec.mean.data(), size_t(channels) * sizeof(float));
  backend->upload(statistics.data() + channels, plan.spec.std.data(), size_t(channels) * sizeof(float));
  return backend->finish();
}

Status NetworkState::allocate_codes() {
  const NetworkSpec& spec = plan.spec;
  if (Status status = code_tables.ensure(int64_t(plan.stages.size()) * 2 * kTableSize); !status.ok()) return status;
  if (Status status = pixel_values.ensure(int64_t(spec.channels) * kTableSize); !status.ok()) return status;
  std::vector<float> values;
  for (int c = 0; c < spec.channels; ++c)
    for (int byte = 0; byte < kTableSize; ++byte)
      values.push_back(code_pixel(spec.code, uint8_t(byte), spec.mean[size_t(c)], spec.std[size_t(c)]));
  backend->upload(pixel_values.data(), values.data(), values.size() * sizeof(float));
  return backend->finish();
}

NeuronParams NetworkState::neuron(size_t stage) const {
  return {steps,
          parameters[stage].neuron,
          !plan.stages[stage].output,
          {plan.spec.surrogate, plan.spec.gamma, plan.spec.surrogate_scale},
          parameters.schedules().at(TensorKind::kParameter, stage, Schedule::kKappa),
          parameters.schedules().at(TensorKind::kParameter, stage, Schedule::kTheta),
          plan.stages[stage].output ? 0.0f : plan.spec.initial_potential};
}

EncodeParams NetworkState::encoding(Encoder encoder) const {
  const NetworkSpec& s = plan.spec;
  return {encoder, s.channels, s.height, s.width,       s.timesteps, statistics.data(), statistics.data() + s.channels,
          s.lo,    s.hi,       s.seed,   inputs.data(), steps};
}

DropoutMaskTask NetworkState::dropout_mask(size_t stage, int n, int64_t first) const {
  return {.mask = stages[stage].mask.data(),
          .seed = plan.spec.seed,
          .inputs = inputs.data(),
          .n = n,
          .first_image = first,
          .shape = plan.stages[stage]};
}

template <class Net, class F>
void NetworkState::each_pass_buffer(Net& net, const F& f) {
  f(net.analog), f(net.coded), f(net.values), f(net.current), f(net.gradient), f(net.d_activation[0]),
      f(net.d_activation[1]);
  for (auto& b : net.stages)
    f(b.times), f(b.sent), f(b.mask), f(b.potential), f(b.received), f(b.gradient), f(b.forward), f(b.backward),
        f(b.packed), f(b.activation), f(b.weighted), f(b.pooled), f(b.maxima), f(b.decided), f(b.moments),
        f(b.norm_sums), f(b.pooled_weight), f(b.d_pooled_weight), f(b.folded_weight), f(b.folded_bias),
        f(b.rounded_weight), f(b.density);
}

int64_t NetworkState::buffer_bytes() const {
  int64_t bytes = statistics.bytes() + code_tables.bytes() + pixel_values.bytes() + silent.bytes() + logits.bytes() +
                  inputs.bytes() + pixels.bytes() + labels.bytes() + others.bytes() + shares.bytes() + indices.bytes() +
                  drawn.bytes() + tables.bytes();
  bytes += loss.bytes() + sums.bytes() + result.bytes() + spikes.bytes() + results.bytes() + counts.bytes() +
           backend->workspace_held();
  for (const auto& d : datasets) bytes += d->pixels.bytes() + d->labels.bytes();
  each_pass_buffer(*this, [&](const auto& buffer) { bytes += buffer.bytes(); });
  return bytes;
}

void NetworkState::prepare(Mode mode, bool train) {
  const int kind = 2 * int(mode) + int(train);
  if (kind == prepared_) return;
  prepared_ = kind;
  // The ANN of a network with a code is one like others.
  for (StageShape& s : plan.stages) s.coded = mode == Mode::kCoded;
  each_pass_buffer(*this, [](auto& buffer) { buffer.clear(); });
  backend->release_scratch();
}

}  // namespace onespike
