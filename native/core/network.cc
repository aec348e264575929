#include "core/network.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "core/state.h"

namespace onespike {

struct Network::State : NetworkState {
  using NetworkState::NetworkState;
  ProfiledBackend* profile = nullptr;  // the backend, if it measures
};

namespace {

// Every public call ends in a status: running out of memory is one.
template <class F>
Status guarded(const F& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::error(Code::kOom, "Not enough memory");
  } catch (const std::exception& e) {
    return Status::error(Code::kState, std::string("Unexpected failure: ") + e.what());
  }
}

// Logits, prediction and loss of one chunk from the output stage; with `d_out`, turns potentials into a(t) (spiking) or
// writes d_logits (dense). Loss and gradients are sums, scaled by `share`.
void read_out(NetworkState& net, Mode mode, const Batch& batch, int64_t first, int n, double share, bool backward, const ForwardOutputs* out,
              StepStats* stats) {
  Backend& backend = *net.backend;
  const size_t last = net.plan.stages.size() - 1;
  const StageShape& s = net.plan.stages[last];
  const int K = s.out_c, T = net.plan.spec.timesteps;
  const ReadoutParams readout = net.readout();
  const bool spiking = mode == Mode::kSnn;
  const int64_t image_size = spiking ? T * s.out_size() : s.out_cs;
  std::vector<float> host(size_t(n * image_size)), logits(K), d_logits(K);
  backend.download(host.data(), spiking ? net.stages[last].potential.data() : net.stages[last].activation.data(), host.size() * sizeof(float));
  NeuronGradient d;
  for (int i = 0; i < n; ++i) {
    float* u = host.data() + i * image_size;
    for (int k = 0; k < K; ++k) {
      if (!spiking) {
        logits[k] = u[k];
        continue;
      }
      const int time = readout_time(u + k, s.out_cs, readout);
      logits[k] = readout_logit(u + k, s.out_cs, time, readout);
      if (out && !out->spike_times.empty() && out->spike_times[last]) out->spike_times[last][(first + i) * K + k] = uint8_t(time);
      if (out && out->potentials)
        for (int t = 0; t < T; ++t) out->potentials[((first + i) * T + t) * K + k] = u[int64_t(t) * s.out_cs + k];
    }
    if (out && out->logits) std::copy(logits.begin(), logits.end(), out->logits + (first + i) * K);
    if (!batch.labels) continue;
    const int label = batch.labels[first + i];
    stats->loss += cross_entropy(logits.data(), K, label, backward ? d_logits.data() : nullptr) * share;
    stats->correct += argmax(logits.data(), K) == label;
    if (!backward) continue;
    for (int k = 0; k < K; ++k) {
      const float g = float(d_logits[k] * share);
      if (spiking) readout_backward(u + k, s.out_cs, g, readout, &d);
      else u[k] = g;
    }
    // Padding channels carry no gradient.
    for (int t = 0; t < (spiking ? T : 1); ++t) std::fill(u + int64_t(t) * s.out_cs + K, u + int64_t(t + 1) * s.out_cs, 0.0f);
  }
  if (!backward) return;
  net.parameters[last].d_neuron[0] += float(d.threshold);
  net.parameters[last].d_neuron[1] += float(d.leak);
  backend.upload(spiking ? net.stages[last].potential.data() : net.d_activation[0].data(), host.data(), host.size() * sizeof(float));
}

void count_spikes(NetworkState& net, int64_t first, int n, const ForwardOutputs* out, StepStats* stats) {
  std::vector<uint8_t> host;
  for (size_t i = 0; i + 1 < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    stats->spikes[i] += double(net.backend->count_events(net.times(i), n * s.out_size()));
    if (!out || out->spike_times.empty() || !out->spike_times[i]) continue;
    host.resize(size_t(n * s.out_size()));
    net.backend->download(host.data(), net.times(i), host.size());
    uint8_t* to = out->spike_times[i] + first * s.out_cells() * s.out_c;
    for (int image = 0; image < n; ++image)
      for (int c = 0; c < s.out_c; ++c)
        for (int64_t cell = 0; cell < s.out_cells(); ++cell) *to++ = host[size_t((image * s.out_cells() + cell) * s.out_cs + c)];
  }
}

// Where the first non-finite number arose: a parameter, else a value on the way forward, else one on the way back.
int find_bad_layer(NetworkState& net, Mode mode, bool backward) {
  const auto finite = [&](const float* values, int64_t count) { return std::isfinite(net.backend->squared_norm(values, count)); };
  const std::vector<StageShape>& stages = net.plan.stages;
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageParameters& p = net.parameters[i];
    if (!finite(p.weight, stages[i].weights()) || !finite(p.bias, stages[i].out_cs) || !std::isfinite(p.neuron[0] + p.neuron[1])) return stages[i].layer;
  }
  for (size_t i = 0; mode == Mode::kAnn && i < stages.size(); ++i)
    if (!finite(net.stages[i].activation.data(), stages[i].out_size())) return stages[i].layer;
  for (size_t i = stages.size(); backward && i-- > 0;)
    if (!finite(net.parameters[i].d_weight, stages[i].weights()) || !std::isfinite(net.parameters[i].d_neuron[0] + net.parameters[i].d_neuron[1]))
      return stages[i].layer;
  return stages.back().layer;
}

// One pass over the batch in chunks; with `backward`, gradients of the mean loss are left in the parameters.
Status run(NetworkState& net, const Batch& batch, Mode mode, bool backward, const ForwardOutputs* out, const Stop& stop, StepStats* stats) {
  *stats = StepStats();
  stats->spikes.assign(net.plan.stages.size() - 1, 0.0);
  const bool spiking = mode == Mode::kSnn;
  const int64_t chunk = net.plan.chunk_of(mode, backward);
  if (Status status = spiking ? prepare_snn(net, batch.count, backward) : prepare_ann(net, batch.count, backward); !status.ok()) return status;
  net.backend->begin_batch();
  if (backward) {
    if (Status status = net.parameters.allocate_gradients(); !status.ok()) return status;
    net.parameters.zero_gradients();
    for (size_t i = 1; i < net.plan.stages.size(); ++i)
      net.backend->pack_backward(net.stages[i].backward.data(), net.parameters[i].weight, !spiking, net.plan.stages[i]);
  }
  const int64_t pixels = net.plan.stages[0].src_size();
  for (int64_t first = 0; first < batch.count; first += chunk) {
    const int n = int(std::min(chunk, batch.count - first));
    const uint8_t* from = batch.pixels + first * pixels;
    if (out && out->decision_steps) {
      if (Status status = snn_early_exit(net, batch, first, n, *out, stop, stats); !status.ok()) return status;
      continue;
    }
    Status status = spiking ? snn_forward(net, from, n, first, backward, net.plan.stages.size(), stop) : ann_forward(net, from, n, first, backward, stop);
    if (!status.ok()) return status;
    read_out(net, mode, batch, first, n, 1.0 / double(batch.count), backward, out, stats);
    if (spiking) count_spikes(net, first, n, out, stats);
    if (!backward) continue;
    status = spiking ? snn_backward(net, n, stop) : ann_backward(net, n, stop);
    if (!status.ok()) return status;
    if (spiking && (net.waiting + chunk > net.plan.block || first + n == batch.count)) snn_end_block(net);
  }
  if (backward) stats->gradient_norm = std::sqrt(net.parameters.squared_norm());
  if (batch.labels && (!std::isfinite(stats->loss) || !std::isfinite(stats->gradient_norm))) stats->bad_layer = find_bad_layer(net, mode, backward);
  if (!batch.labels) stats->loss = std::numeric_limits<double>::quiet_NaN();
  return Status::success();
}

Status check_batch(const NetworkState& net, const Batch& batch, bool labels) {
  if (batch.count < 1) return Status::error(Code::kShape, "Expected at least one image in the batch");
  if (!batch.labels) return labels ? Status::error(Code::kArg, "Expected labels") : Status::success();
  for (int64_t i = 0; i < batch.count; ++i)
    if (batch.labels[i] < 0 || batch.labels[i] >= net.plan.classes())
      return Status::error(Code::kArg, "Expected labels[" + std::to_string(i) + "] between 0 and " + std::to_string(net.plan.classes() - 1) +
                                           " but received " + std::to_string(batch.labels[i]));
  return Status::success();
}

Status check_tensor(const NetworkState& net, int tensor) {
  if (tensor >= 0 && tensor < int(net.plan.tensors.size())) return Status::success();
  return Status::error(Code::kArg, "Expected a tensor index below " + std::to_string(net.plan.tensors.size()) + " but received " + std::to_string(tensor));
}

}  // namespace

Network::Network() = default;
Network::~Network() = default;

Status Network::create(const NetworkSpec& spec, std::unique_ptr<Network>* out) {
  return guarded([&] {
    Plan plan;
    if (Status status = make_plan(spec, &plan); !status.ok()) return status;
    std::unique_ptr<Network> network(new Network());
    std::unique_ptr<Backend> backend = make_cpu_backend(spec.threads, spec.precision);
    ProfiledBackend* profile = nullptr;
    if (spec.profile) {
      auto profiled = std::make_unique<ProfiledBackend>(std::move(backend));
      profile = profiled.get();
      backend = std::move(profiled);
    }
    network->state_ = std::make_unique<State>(plan, std::move(backend));
    network->state_->profile = profile;
    if (Status status = network->state_->parameters.allocate(); !status.ok()) return status;
    *out = std::move(network);
    return Status::success();
  });
}

const NetworkSpec& Network::spec() const { return state_->plan.spec; }
const std::vector<TensorInfo>& Network::tensors() const { return state_->plan.tensors; }
int Network::spiking_layers() const { return int(state_->plan.stages.size()); }
int64_t Network::neurons(int layer) const { return state_->plan.stages[layer].out_cells() * state_->plan.stages[layer].out_c; }
int Network::layer_index(int layer) const { return state_->plan.stages[layer].layer; }
std::vector<ProfileEntry> Network::take_profile() { return state_->profile ? state_->profile->take() : std::vector<ProfileEntry>(); }
int64_t Network::memory_bytes() const { return state_->parameters.bytes() + state_->buffer_bytes(); }
int64_t Network::optimizer_steps() const { return state_->optimizer_steps; }
void Network::set_optimizer_steps(int64_t steps) { state_->optimizer_steps = steps; }
uint64_t Network::random_step() const { return state_->random_step; }
void Network::set_random_step(uint64_t step) { state_->random_step = step; }

Status Network::read(TensorKind kind, int tensor, float* into) const {
  return guarded([&] {
    if (Status status = check_tensor(*state_, tensor); !status.ok()) return status;
    return state_->parameters.read(kind, tensor, into);
  });
}

Status Network::write(TensorKind kind, int tensor, const float* from) {
  return guarded([&] {
    if (Status status = check_tensor(*state_, tensor); !status.ok()) return status;
    return state_->parameters.write(kind, tensor, from);
  });
}

void Network::reset_optimizer() {
  state_->parameters.zero_slots();
  state_->optimizer_steps = 0;
}

Status Network::forward(const Batch& batch, Mode mode, const ForwardOutputs& out, const std::atomic<bool>& stop, StepStats* stats) {
  return guarded([&] {
    if (Status status = check_batch(*state_, batch, false); !status.ok()) return status;
    if (out.decision_steps && (mode == Mode::kAnn || out.potentials || !out.spike_times.empty()))
      return Status::error(Code::kArg, "Expected the spiking mode, without potentials and spike times, for images that end early");
    return run(*state_, batch, mode, false, &out, stop, stats);
  });
}

Status Network::gradients(const Batch& batch, Mode mode, const std::atomic<bool>& stop, StepStats* stats) {
  return guarded([&] {
    if (Status status = check_batch(*state_, batch, true); !status.ok()) return status;
    return run(*state_, batch, mode, true, nullptr, stop, stats);
  });
}

Status Network::train(const Batch& batch, Mode mode, const OptimizerOptions& options, const std::atomic<bool>& stop, StepStats* stats) {
  return guarded([&] {
    if (Status status = check_batch(*state_, batch, true); !status.ok()) return status;
    const int slots = options.kind == OptimizerKind::kSgd ? 1 : options.amsgrad ? 3 : 2;
    if (Status status = state_->parameters.allocate_slots(slots); !status.ok()) return status;
    if (Status status = run(*state_, batch, mode, true, nullptr, stop, stats); !status.ok()) return status;
    if (stats->bad_layer >= 0) return Status::success();  // the caller decides; the parameters stay
    if (stop) return aborted();
    const bool clip = options.clip_norm > 0 && stats->gradient_norm > options.clip_norm;
    const double scale = clip ? options.clip_norm / (stats->gradient_norm + 1e-6) : 1;
    state_->parameters.optimise(options, ++state_->optimizer_steps, scale);
    ++state_->random_step;
    return Status::success();
  });
}

Status Network::calibrate(const Batch& batch, double percentile, double scale, const std::atomic<bool>& stop) {
  return guarded([&] {
    if (Status status = check_batch(*state_, batch, false); !status.ok()) return status;
    if (!(percentile >= 0 && percentile <= 100)) return Status::error(Code::kArg, "Expected percentile between 0 and 100 but received " + std::to_string(percentile));
    if (!(scale > 0) || !std::isfinite(scale)) return Status::error(Code::kArg, "Expected a positive scale but received " + std::to_string(scale));
    if (Status status = prepare_snn(*state_, batch.count, true); !status.ok()) return status;
    std::vector<float> before;
    for (size_t i = 0; i < state_->plan.stages.size(); ++i)
      before.insert(before.end(), {state_->parameters[i].neuron[0], state_->parameters[i].neuron[1]});
    Status status = calibrate_thresholds(*state_, batch, percentile, scale, stop);
    for (size_t i = 0; !status.ok() && i < state_->plan.stages.size(); ++i)
      for (int j = 0; j < 2; ++j) state_->parameters[i].neuron[j] = before[2 * i + j];
    return status;
  });
}

}  // namespace onespike
