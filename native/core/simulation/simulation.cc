#include "core/simulation/simulation.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/guard.h"
#include "core/limits.h"
#include "ops/ann/norm.h"
#include "ops/encoders.h"
#include "ops/pooled_weight.h"

namespace onespike {
namespace {

// The parameters of one stage by the names of their tensors.
class StageTensors {
 public:
  StageTensors(const Network& network, int layer)
      : network_(network), prefix_("layers." + std::to_string(layer) + ".") {}

  // Nothing is read where there is no such tensor.
  Status read(const char* name, std::vector<float>* into) const {
    const std::vector<TensorInfo>& tensors = network_.tensors();
    const auto found =
        std::find_if(tensors.begin(), tensors.end(), [&](const TensorInfo& t) { return t.name == prefix_ + name; });
    if (found == tensors.end()) return Status::success();
    into->resize(size_t(found->size));
    return network_.read(TensorKind::kParameter, int(found - tensors.begin()), into->data());
  }

 private:
  const Network& network_;
  const std::string prefix_;
};

Status fold_norm(const StageTensors& tensors, SimulatedStage* stage) {
  std::vector<float> weight, bias, mean, variance;
  for (const auto& [name, into] : {std::pair{"norm.weight", &weight}, std::pair{"norm.bias", &bias},
                                   std::pair{"norm.running_mean", &mean}, std::pair{"norm.running_var", &variance}})
    if (Status status = tensors.read(name, into); !status.ok()) return status;
  const size_t row = stage->weight.size() / weight.size();
  for (size_t c = 0; c < weight.size(); ++c) {
    const FoldedNorm folded = folded_norm(weight[c], bias[c], mean[c], variance[c], stage->bias[c]);
    for (size_t i = c * row; i < (c + 1) * row; ++i) stage->weight[i] *= folded.scale;
    stage->bias[c] = folded.shift;
  }
  return Status::success();
}

// The weights of the convolution that a layer and the pool before its neurons are together, in PyTorch's order.
void pool_weights(SimulatedStage* stage) {
  const StageShape& s = stage->shape;
  const std::vector<float> parameters = std::move(stage->weight);
  stage->weight.clear();
  for (size_t from = 0; from < parameters.size(); from += size_t(s.parameter_taps()))
    for (int tap = 0; tap < s.taps(); ++tap)
      stage->weight.push_back(pooled_mean(&parameters[from], parameter_square(s, tap), s.parameter_w, 1, s.average));
}

// What a byte stands for, and m_0: the largest size that any byte of any channel has.
double read_input(const NetworkSpec& spec, std::vector<double>* input) {
  double largest = 0;
  for (int c = 0; c < spec.channels; ++c)
    for (int p = 0; p < 256; ++p) {
      input->push_back(normalised_pixel(uint8_t(p), spec.mean[size_t(c)], spec.std[size_t(c)]));
      largest = std::max(largest, std::fabs(input->back()));
    }
  for (double& value : *input) value /= largest;
  return largest;
}

void scale(std::vector<float>* values, double factor) {
  for (float& value : *values) value = float(double(value) * factor);
}

Status wrong(const std::string& what) { return Status::error(Code::kArg, "Expected " + what); }

Status read_network(const Network& network, const std::vector<double>& activations, SimulatedNetwork* simulated) {
  const NetworkSpec& spec = network.spec();
  if (spec.code.kind != CodeKind::kNone)
    return wrong("a network without a code of its own, whose pools may be maxima, for a simulation in another one");
  *simulated = {spec.channels, spec.height, spec.width, {}, {}};
  const int stages = network.spiking_layers();
  if (int(activations.size()) != stages - 1)
    return wrong("one activation per hidden layer (" + std::to_string(stages - 1) + ") but received " +
                 std::to_string(activations.size()));
  double before = read_input(spec, &simulated->input);
  for (int i = 0; i < stages; ++i) {
    SimulatedStage stage;
    stage.shape = network.shape(i);
    const StageTensors tensors(network, stage.shape.layer);
    stage.bias.assign(size_t(stage.shape.out_c), 0.0f);
    if (Status status = tensors.read("weight", &stage.weight); !status.ok()) return status;
    if (Status status = tensors.read("bias", &stage.bias); !status.ok()) return status;
    if (stage.shape.average > 1) pool_weights(&stage);
    if (stage.shape.norm)
      if (Status status = fold_norm(tensors, &stage); !status.ok()) return status;
    const double after = i + 1 < stages ? activations[size_t(i)] : 1;
    if (!(after > 0) || !std::isfinite(after))
      return wrong("a positive activation for layers[" + std::to_string(stage.shape.layer) + "] but received " +
                   std::to_string(after));
    scale(&stage.weight, before / after);
    scale(&stage.bias, 1 / after);
    before = after;
    simulated->stages.push_back(std::move(stage));
  }
  return Status::success();
}

}  // namespace

StageCounts& StageCounts::operator+=(const StageCounts& other) {
  events += other.events, accumulates += other.accumulates;
  value_macs += other.value_macs, updates += other.updates, spikes += other.spikes;
  return *this;
}

Status simulated_network(const Network& network, const std::vector<double>& activations, SimulatedNetwork* simulated) {
  return guarded([&] { return read_network(network, activations, simulated); });
}

Status check_simulation(const SimulationOptions& options, const SimulatedNetwork& network) {
  const size_t stages = network.stages.size();
  if (!limits::kSimulatedSteps.holds(double(options.timesteps)))
    return wrong("timesteps between 1 and " + std::to_string(int64_t(limits::kSimulatedSteps.max)));
  if (options.code == SimulatedCode::kTsc && options.timesteps < 2) return wrong("at least two timesteps for tsc");
  if (is_stepped(options.code) && !limits::kThreshold.holds(options.threshold)) return wrong("a threshold above 0");
  if (options.stride < 1 || options.stride > options.timesteps) return wrong("a stride from 1 to timesteps");
  if (options.code == SimulatedCode::kTsc && options.stride != options.timesteps)
    return wrong("no stride for tsc, whose second spike ends a value");
  if (!limits::kThreads.holds(options.threads)) return wrong("a number of threads in range");
  if (options.record < 1) return wrong("record of at least 1");
  if (fires_once(options.code)) {
    if (options.clocks.size() != stages) return wrong("one clock for the input and one per hidden layer");
    for (const FirstSpikeClock& clock : options.clocks)
      if (!limits::kSimulatedTimeConstant.holds(clock.time_constant) || !clock_in_range(clock, options.timesteps - 1))
        return wrong("time constants and delays in range");
  }
  int64_t last = 0;
  for (const int64_t step : options.logit_steps) {
    if (step <= last || step > simulation_steps(options, stages)) return wrong("ascending steps for logits");
    last = step;
  }
  return Status::success();
}

}  // namespace onespike
