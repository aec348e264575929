#include "core/network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/guard.h"
#include "core/passes/passes.h"
#include "core/tensors/fit_genes.h"

namespace onespike {

struct Network::State : NetworkState {
  using NetworkState::NetworkState;
  Profile profile;
};

namespace {

// The spiking mode of a network with a code is that code; kArg for one that it does not have.
Status check_mode(const NetworkState& net, Mode* mode) {
  if (!net.plan.coded()) return Status::success();
  if (*mode == Mode::kBinary)
    return Status::error(Code::kArg,
                         "Expected mode snn or ann but received binary: a network with a code has no threshold");
  if (*mode == Mode::kSnn) *mode = Mode::kCoded;
  return Status::success();
}

// A group of one step.
Status run_one(NetworkState& net, const Batch& batch, Mode mode, bool backward, std::vector<OptimizerOptions> updates,
               const LossOptions& loss, const ForwardOutputs* out, const std::atomic<bool>& stop, StepStats* stats) {
  if (Status status = check_mode(net, &mode); !status.ok()) return status;
  const StepGroup group{1, batch.count, [&](size_t, Batch* to) { return *to = batch, Status::success(); },
                        std::move(updates), loss};
  std::vector<StepStats> one;
  Status status = run_steps(net, group, mode, backward, out, stop, &one);
  *stats = status.ok() ? std::move(one.front()) : StepStats();
  return status;
}

Status check_tensor(const NetworkState& net, int tensor) {
  if (tensor >= 0 && tensor < int(net.plan.tensors.size())) return Status::success();
  return Status::error(Code::kArg, "Expected a tensor index below " + std::to_string(net.plan.tensors.size()) +
                                       " but received " + std::to_string(tensor));
}

Status check_part(const NetworkState& net, int tensor, int64_t offset, int64_t count) {
  if (Status status = check_tensor(net, tensor); !status.ok()) return status;
  const TensorInfo& info = net.plan.tensors[tensor];
  if (offset >= 0 && count >= 1 && offset < info.size && count <= info.size - offset) return Status::success();
  return Status::error(Code::kArg, "Expected a part of the " + std::to_string(info.size) + " numbers of " + info.name +
                                       " but received " + std::to_string(count) + " from " + std::to_string(offset));
}

Status check_percentile(double percentile) {
  if (limits::kPercentile.holds(percentile)) return Status::success();
  return Status::error(Code::kArg, "Expected percentile between 0 and 100 but received " + std::to_string(percentile));
}

}  // namespace

Network::Network() = default;
Network::~Network() = default;

Status Network::create(const NetworkSpec& spec, std::unique_ptr<Backend> backend, std::unique_ptr<Network>* out) {
  return guarded([&] {
    Plan plan;
    if (Status status = make_plan(spec, backend->limits(), &plan); !status.ok()) return status;
    std::unique_ptr<Network> network(new Network());
    network->state_ = std::make_unique<State>(plan, std::move(backend));
    if (spec.profile) network->state_->backend->measure(&network->state_->profile);
    if (Status status = network->state_->allocate(); !status.ok()) return status;
    *out = std::move(network);
    return Status::success();
  });
}

const NetworkSpec& Network::spec() const { return state_->plan.spec; }
const std::vector<TensorInfo>& Network::tensors() const { return state_->plan.tensors; }
int Network::spiking_layers() const { return int(state_->plan.stages.size()); }
int64_t Network::neurons(int layer) const {
  return state_->plan.stages[layer].out_cells() * state_->plan.stages[layer].out_c;
}
int Network::layer_index(int layer) const { return state_->plan.stages[layer].layer; }
const StageShape& Network::shape(int layer) const { return state_->plan.stages[layer]; }
std::vector<ProfileEntry> Network::take_profile() { return state_->profile.take(); }
Recorded Network::recorded() const { return state_->backend->recorded(); }
int64_t Network::memory_bytes() const { return state_->parameters.bytes() + state_->buffer_bytes(); }
int64_t Network::optimizer_steps() const { return state_->optimizer_steps; }
void Network::set_optimizer_steps(int64_t steps) { state_->optimizer_steps = steps; }
bool Network::draws(const Dataset& data) const { return keeps_dataset(*state_, data); }
int Network::steps_at_once() const { return state_->backend->steps_at_once(); }
double Network::activity() const { return state_->loss.activity; }
void Network::set_activity(double mean) { state_->loss.activity = mean; }
uint64_t Network::random_step() const { return state_->random_step; }
void Network::set_random_step(uint64_t step) { state_->random_step = step; }

Status Network::read(TensorKind kind, int tensor, int64_t offset, int64_t count, float* into) const {
  return guarded([&] {
    if (Status status = check_part(*state_, tensor, offset, count); !status.ok()) return status;
    state_->parameters.refresh(kind);
    return state_->parameters.read(kind, tensor, offset, count, into);
  });
}

Status Network::write(TensorKind kind, int tensor, int64_t offset, int64_t count, const float* from) {
  return guarded([&] {
    if (Status status = check_part(*state_, tensor, offset, count); !status.ok()) return status;
    return state_->parameters.write(kind, tensor, offset, count, from);
  });
}

Status Network::read(TensorKind kind, int tensor, float* into) const {
  if (Status status = check_tensor(*state_, tensor); !status.ok()) return status;
  return read(kind, tensor, 0, state_->plan.tensors[tensor].size, into);
}

Status Network::write(TensorKind kind, int tensor, const float* from) {
  if (Status status = check_tensor(*state_, tensor); !status.ok()) return status;
  return write(kind, tensor, 0, state_->plan.tensors[tensor].size, from);
}

int Network::optimizer_slots() const { return state_->parameters.slots(); }

bool Network::averaged() const { return state_->parameters.averaged(); }

void Network::reset_optimizer() {
  state_->parameters.zero_slots();
  state_->parameters.drop_average();
  state_->optimizer_steps = 0;
  state_->loss.activity = 0;
}

Status Network::forward(const Batch& batch, Mode mode, const ForwardOutputs& out, const std::atomic<bool>& stop,
                        StepStats* stats) {
  return guarded([&] {
    if (state_->plan.coded() && (out.decision_steps || out.potentials || out.margins))
      return Status::error(Code::kArg, "Expected no early exit, potentials or margins of a network with a code");
    if (out.margins && is_dense(mode))
      return Status::error(Code::kArg, "Expected the spiking mode for margins, which are those of spikes");
    if (out.decision_steps && (is_dense(mode) || out.potentials || out.margins || !out.spike_times.empty()))
      return Status::error(Code::kArg,
                           "Expected the spiking mode, without potentials and spike times, for images that end early");
    if (out.averaged && !averaged())
      return Status::error(Code::kState, "Expected an average of the parameters but no training step has taken one");
    const AverageInPlace in_place(state_->parameters, out.averaged);
    return run_one(*state_, batch, mode, false, {}, {}, &out, stop, stats);
  });
}

Status Network::gradients(const Batch& batch, Mode mode, const std::atomic<bool>& stop, StepStats* stats,
                          const LossOptions& loss) {
  return guarded([&] { return run_one(*state_, batch, mode, true, {}, loss, nullptr, stop, stats); });
}

Status Network::train(const Batch& batch, Mode mode, const OptimizerOptions& options, const std::atomic<bool>& stop,
                      StepStats* stats, const LossOptions& loss) {
  return guarded([&] { return run_one(*state_, batch, mode, true, {options}, loss, nullptr, stop, stats); });
}

Status Network::train(const StepGroup& group, Mode mode, const std::atomic<bool>& stop, std::vector<StepStats>* stats) {
  return guarded([&] {
    if (group.count < 1 || group.updates.size() != group.count || !group.batch)
      return Status::error(Code::kArg, "Expected at least one step, and an update for each");
    if (Status status = check_mode(*state_, &mode); !status.ok()) return status;
    return run_steps(*state_, group, mode, true, nullptr, stop, stats);
  });
}

Status Network::activations(const Batch& batch, double percentile, const std::atomic<bool>& stop,
                            std::vector<double>* values) {
  return guarded([&] {
    values->clear();
    if (Status status = check_batch(batch, false); !status.ok()) return status;
    if (Status status = check_percentile(percentile); !status.ok()) return status;
    Status status = prepare_ann(*state_, Mode::kAnn, batch.count, false);
    if (status.code == Code::kOom && give_up_datasets(*state_))
      status = prepare_ann(*state_, Mode::kAnn, batch.count, false);
    if (!status.ok()) return status;
    return activation_percentiles(*state_, batch, percentile, stop, values);
  });
}

Status Network::calibrate(const Batch& batch, double percentile, double scale, const std::atomic<bool>& stop) {
  return guarded([&] {
    if (Status status = check_batch(batch, false); !status.ok()) return status;
    if (Status status = check_percentile(percentile); !status.ok()) return status;
    if (state_->plan.coded())
      return Status::error(Code::kArg, "Expected thresholds to calibrate but the network has a code");
    if (!limits::kCalibrationScale.holds(scale))
      return Status::error(Code::kArg, "Expected a scale between 1e-6 and 1e6 but received " + std::to_string(scale));
    Status status = prepare_snn(*state_, batch.count, true);
    if (status.code == Code::kOom && give_up_datasets(*state_)) status = prepare_snn(*state_, batch.count, true);
    if (!status.ok()) return status;
    return calibrate_thresholds(*state_, batch, percentile, scale, stop);
  });
}

Status Network::fit_genes(const GeneFitOptions& options, const std::atomic<bool>& stop, std::atomic<int64_t>* progress,
                          double* residual) {
  return guarded([&] {
    if (state_->plan.spec.genes == 0) return Status::error(Code::kArg, "Expected a network with genes");
    reset_optimizer();
    const Status status = onespike::fit_genes(*state_, options, stop, progress, residual);
    reset_optimizer();
    return status;
  });
}

}  // namespace onespike
