// What the updates of a step are told, from the options of the optimiser.
#include <algorithm>
#include <cmath>

#include "core/state/parameters.h"

namespace onespike {
namespace {

// Every factor is computed in double precision and rounded once.
UpdateParams update_params(const OptimizerOptions& o, int64_t step, float learning_rate, float weight_decay) {
  const double rate = learning_rate;
  const float correction1 = float(1 - std::pow(double(o.beta1), double(step)));
  const float correction2 = float(1 - std::pow(double(o.beta2), double(step)));
  UpdateParams p;
  p.learning_rate = learning_rate, p.momentum = o.momentum;
  p.weight_decay = weight_decay, p.shrink = float(1 - rate * weight_decay);
  p.beta1 = o.beta1, p.beta2 = o.beta2, p.epsilon = o.epsilon;
  p.rest1 = float(1 - double(o.beta1)), p.rest2 = float(1 - double(o.beta2));
  p.corrected_rate = float(rate / correction1);
  p.inverse_root = float(1 / std::sqrt(double(correction2)));
  p.nesterov = o.nesterov, p.decoupled = o.kind == OptimizerKind::kAdamW, p.amsgrad = o.amsgrad;
  return p;
}

// That of w where an optimiser sees r w: it receives the gradient of r w, and what it makes of r w is divided by r.
UpdateParams as_if_times(UpdateParams p, double r) {
  p.gradient_scale = float(1 / r);
  p.weight_decay = float(p.weight_decay * r);
  p.learning_rate = float(p.learning_rate / r), p.corrected_rate = float(p.corrected_rate / r);
  return p;
}

// The first step replaces the average, and those after it average over so many steps that those of the beginning are
// soon forgotten, until the decay that was asked for is reached: 1/11 after 2 steps, 0.9 after 91.
constexpr float kActivityDecay = 0.9f;
double average_decay(float asked, int64_t step) { return std::min(double(asked), double(step - 1) / double(step + 9)); }

}  // namespace

StepInputs update_inputs(const OptimizerOptions& o, int64_t step, double interaction_scale) {
  StepInputs inputs;
  inputs.weights = update_params(o, step, o.learning_rate, o.weight_decay);
  inputs.biases = update_params(o, step, o.learning_rate, 0);
  inputs.neurons = update_params(o, step, o.neuron_learning_rate, 0);
  inputs.interactions = as_if_times(inputs.weights, interaction_scale);
  inputs.clip_norm = o.clip_norm;
  const double decay = average_decay(o.average, step);
  inputs.average_decay = float(decay), inputs.average_rest = float(1 - decay);
  inputs.activity_decay = average_decay(kActivityDecay, step);
  return inputs;
}

}  // namespace onespike
