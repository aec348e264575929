#include "core/passes/loss.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace onespike {
namespace {

constexpr double kWeightTolerance = 1e-5;  // of the sum of float32 weights, up to 254 of them

Status wrong(const char* what, double received) {
  return Status::error(Code::kArg, std::string("Expected ") + what + " but received " + std::to_string(received));
}

Status check_limit(const Limit& limit, double value) {
  if (limit.holds(value)) return Status::success();
  return Status::error(Code::kArg, "Expected " + std::string(limit.name) + " between " + std::to_string(limit.min) +
                                       " and " + std::to_string(limit.max) + " but received " + std::to_string(value));
}

Status check_time_weights(const NetworkState& net, const std::vector<float>& weights) {
  if (weights.size() != size_t(net.plan.spec.timesteps))
    return wrong("one weight for each time step", double(weights.size()));
  double sum = 0;
  for (const float w : weights) {
    if (!(w >= 0) || !std::isfinite(w)) return wrong("weights of time steps that are at least 0", w);
    sum += w;
  }
  if (std::fabs(sum - 1) > kWeightTolerance) return wrong("weights of time steps with the sum 1", sum);
  return Status::success();
}

// Additions that one spike in every neuron below a stage makes in it, borders counted exactly.
double additions(const StageShape& s) {
  const double channels = double(s.src_c) * s.out_c * s.pool * s.pool;
  if (s.linear) return channels * s.in_h * s.in_w;
  const auto taps = [&s](int in, int out, int kernel) {
    double sum = 0;
    for (const Window& w : backward_windows(in, out, kernel, s.stride, s.pad)) sum += w.count;
    return sum;
  };
  return channels * taps(s.in_h, s.out_h, s.kernel_h) * taps(s.in_w, s.out_w, s.kernel_w);
}

// The weight of a spike of each stage in the activity: its mean fan-out, over the sum of all fan-outs.
std::vector<double> spike_weights(const Plan& plan) {
  std::vector<double> weights(plan.stages.size());
  double all = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (plan.reads_pixels(i)) continue;
    const StageShape& from = plan.stages[size_t(plan.sources[i])];
    const double sum = additions(plan.stages[i]);
    weights[size_t(plan.sources[i])] += sum / double(from.out_cells() * from.out_c);
    all += sum;
  }
  for (double& w : weights) w /= all > 0 ? all : 1;
  return weights;
}

}  // namespace

Status check_loss(const NetworkState& net, Mode mode, const LossOptions& loss) {
  for (const auto& [limit, value] : {std::pair<const Limit&, double>{limits::kLabelSmoothing, loss.label_smoothing},
                                     {limits::kDistillation, loss.distillation.weight},
                                     {limits::kTemperature, loss.distillation.temperature},
                                     {limits::kActivityTarget, loss.activity.target},
                                     {limits::kActivityStrength, loss.activity.strength},
                                     {limits::kQuantised, loss.quantised},
                                     {limits::kPenalty, loss.kernel_penalty},
                                     {limits::kPenalty, loss.spike_penalty}})
    if (Status status = check_limit(limit, value); !status.ok()) return status;
  if ((mode == Mode::kAnn || mode == Mode::kBinary) && loss.quantised < 1)
    return Status::error(Code::kArg, "Expected no relaxation of an ANN, which sends numbers");
  if ((mode == Mode::kAnn || mode == Mode::kCoded) && loss.activity.strength > 0)
    return Status::error(Code::kArg, "Expected the spiking or the binary mode for an activity target");
  if (is_dense(mode) && !loss.time_weights.empty())
    return Status::error(Code::kArg, "Expected the spiking mode for weights of time steps");
  return loss.time_weights.empty() ? Status::success() : check_time_weights(net, loss.time_weights);
}

Status check_teacher(const Batch& batch, const LossOptions& loss) {
  if (loss.distillation.weight == 0 || batch.teacher || batch.count == 0) return Status::success();
  return Status::error(Code::kArg, "Expected logits of a teacher with the batch");
}

Status prepare_loss(NetworkState& net, const LossOptions& loss) {
  LossState& state = net.loss;
  const auto stages = int64_t(net.plan.stages.size());
  state.costly = loss.activity.strength > 0;
  Status status;
  if (!loss.time_weights.empty()) {
    status = state.time_weights.ensure(net.plan.spec.timesteps);
    if (!status.ok()) return status;
    net.backend->upload(state.time_weights.data(), loss.time_weights.data(), loss.time_weights.size() * sizeof(float));
  }
  if (!state.costly) return status;
  status = state.costs.ensure(stages);
  if (status.ok()) status = state.weights.ensure(stages);
  if (status.ok()) status = state.mean.ensure(1);
  if (!status.ok()) return status;
  const std::vector<double> weights = spike_weights(net.plan);
  net.backend->upload(state.weights.data(), weights.data(), weights.size() * sizeof(double));
  net.backend->upload(state.mean.data(), &state.activity, sizeof(double));
  return status;
}

void loss_inputs(const LossOptions& loss, StepInputs* inputs) {
  inputs->label_smoothing = loss.label_smoothing;
  inputs->distillation = loss.distillation;
  inputs->activity_target = loss.activity.target, inputs->activity_strength = loss.activity.strength;
}

uint64_t loss_key(const LossOptions& loss) {
  return uint64_t(loss.distillation.weight > 0) * 4 + uint64_t(loss.activity.strength > 0) * 2 +
         uint64_t(!loss.time_weights.empty());
}

void read_out(NetworkState& net, Mode mode, const LossOptions& loss, bool backward, const StagedBatch& batch,
              int64_t first, int n) {
  const size_t last = net.plan.stages.size() - 1;
  const StageShape& s = net.plan.stages[last];
  const NetworkSpec& spec = net.plan.spec;
  const bool spiking = mode == Mode::kSnn, mixed = batch.others != nullptr;
  net.backend->run(
      ReadoutTask{.params = {.timesteps = spec.timesteps,
                             .alpha = spec.alpha,
                             .beta = spec.beta,
                             .surrogate = {spec.surrogate, spec.gamma, spec.surrogate_scale},
                             .theta = net.neuron(last).theta},
                  .neuron = net.parameters[last].neuron,
                  .spiking = spiking,
                  .values = spiking ? net.stages[last].potential.data() : net.stages[last].activation.data(),
                  .a = spiking ? net.spike_gradient(last) : nullptr,
                  .labels = batch.labels ? batch.labels + first : nullptr,
                  .others = mixed ? batch.others + first : nullptr,
                  .shares = mixed ? batch.shares + first : nullptr,
                  .teacher = loss.distillation.weight > 0 ? batch.teacher + first * s.out_c : nullptr,
                  .time_weights = loss.time_weights.empty() ? nullptr : net.loss.time_weights.data(),
                  .inputs = net.inputs.data(),
                  .share = 1.0 / double(batch.images()),
                  .backward = backward,
                  .d_values = !spiking || spec.schedules ? net.d_activation[0].data() : nullptr,
                  .d_neuron = net.parameters[last].d_neuron,
                  .logits = net.logits.data() + first * s.out_c,
                  .times = spiking ? net.times(last) : nullptr,
                  .result = net.result.data(),
                  .n = n,
                  .shape = s});
}

void begin_activity(NetworkState& net, int64_t images) {
  if (!net.loss.costly) return;
  net.backend->run(SpikeCostTask{.costs = net.loss.costs.data(),
                                 .weights = net.loss.weights.data(),
                                 .mean = net.loss.mean.data(),
                                 .inputs = net.inputs.data(),
                                 .share = 1.0 / double(images),
                                 .stages = int(net.plan.stages.size())});
}

void end_activity(NetworkState& net, int64_t images) {
  // A relaxed stage sends no spikes that could be counted.
  if (!net.loss.costly || any_relaxed(net)) return;
  net.backend->run(ActivityTask{.mean = net.loss.mean.data(),
                                .weights = net.loss.weights.data(),
                                .spikes = net.spikes.data(),
                                .inputs = net.inputs.data(),
                                .result = net.result.data(),
                                .share = 1.0 / double(images),
                                .stages = int(net.plan.stages.size())});
}

}  // namespace onespike
