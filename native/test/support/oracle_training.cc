// The oracle's conversion and optimisers.
#include <algorithm>
#include <utility>
#include <cmath>

#include "test/support/oracle.h"

namespace onespike::oracle {
namespace {

// One scalar under one optimiser; `m`, `v`, `v_max` are its slots.
struct Rule {
  const OptimizerOptions& o;
  int64_t step;  // counted from 1

  void operator()(double& p, double g, double& m, double& v, double& v_max, double rate, double decay) const {
    if (o.kind == OptimizerKind::kAdamW) p -= rate * decay * p;
    else g += decay * p;
    if (o.kind == OptimizerKind::kSgd) {
      m = double(o.momentum) * m + g;
      p -= rate * (o.nesterov ? g + double(o.momentum) * m : m);
      return;
    }
    const double beta1 = o.beta1, beta2 = o.beta2;
    m = beta1 * m + (1.0 - beta1) * g;
    v = beta2 * v + (1.0 - beta2) * g * g;
    double second = v;
    if (o.amsgrad) second = v_max = std::max(v_max, v);
    const double scale1 = 1.0 - std::pow(beta1, double(step)), scale2 = 1.0 - std::pow(beta2, double(step));
    p -= rate / scale1 * m / (std::sqrt(second) / std::sqrt(scale2) + double(o.epsilon));
  }
};

Parameters zeros_like(const Parameters& parameters) {
  Parameters zeros = parameters;
  for (LayerParameters& p : zeros) {
    std::fill(p.weight.begin(), p.weight.end(), 0.0);
    for (Values* values : {&p.bias, &p.norm_weight, &p.norm_bias, &p.kappa, &p.theta})
      std::fill(values->begin(), values->end(), 0.0);
    p.threshold = p.leak = 0.0;
  }
  return zeros;
}

}  // namespace

namespace {

// `layers.I.kind`: the layer, and its kind, which may hold a dot.
std::pair<size_t, std::string> parts_of(const std::string& name) {
  const size_t begin = name.find('.') + 1, dot = name.find('.', begin);
  return {std::stoul(name.substr(begin, dot - begin)), name.substr(dot + 1)};
}

}  // namespace

Values* values_of(Parameters& parameters, const std::string& name) {
  const auto [layer, kind] = parts_of(name);
  LayerParameters& p = parameters[layer];
  const std::pair<const char*, Values*> all[] = {{"weight", &p.weight},
                                                 {"bias", &p.bias},
                                                 {"kappa", &p.kappa},
                                                 {"theta", &p.theta},
                                                 {"norm.weight", &p.norm_weight},
                                                 {"norm.bias", &p.norm_bias},
                                                 {"norm.running_mean", &p.running_mean},
                                                 {"norm.running_var", &p.running_var}};
  for (const auto& [name_of, values] : all)
    if (kind == name_of) return values;
  return nullptr;
}

Slice find(Parameters& parameters, const std::string& name) {
  if (Values* values = values_of(parameters, name)) return {values->data(), int64_t(values->size())};
  const auto [layer, kind] = parts_of(name);
  LayerParameters& p = parameters[layer];
  // What a code has in the places of threshold and leak.
  const bool first = kind == "threshold" || kind == "time_constant" || kind == "step";
  return {first ? &p.threshold : &p.leak, 1};
}

double percentile(Values values, double percent) {
  const double position = percent / 100.0 * double(values.size() - 1);
  const size_t low = size_t(position);
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(low), values.end());
  const double at = values[low];
  if (low + 1 == values.size()) return at;
  const double next = *std::min_element(values.begin() + std::ptrdiff_t(low) + 1, values.end());
  return at + (position - double(low)) * (next - at);
}

void calibrate(const NetworkSpec& spec, Parameters& parameters, const Batch& batch, double percent, double scale) {
  settle_thresholds(spec, parameters, batch, [&](int, const Values& weighted, LayerParameters& p) {
    p.threshold = std::max(percentile(weighted, percent) * scale, 1e-3);
    p.leak = 1.0;
  });
}

double gradient_norm(const Parameters& gradient) {
  double sum = 0.0;
  for (const LayerParameters& g : gradient) {
    for (double v : g.weight) sum += v * v;
    for (double v : g.bias) sum += v * v;
    for (double v : g.norm_weight) sum += v * v;
    for (double v : g.norm_bias) sum += v * v;
    for (double v : g.kappa) sum += v * v;
    for (double v : g.theta) sum += v * v;
    if (!g.weight.empty()) sum += g.threshold * g.threshold + g.leak * g.leak;
  }
  return std::sqrt(sum);
}

void optimizer_step(const OptimizerOptions& o, Parameters& parameters, const Parameters& gradient,
                    OptimizerState& state) {
  if (state.slot0.empty()) state.slot0 = state.slot1 = state.slot2 = zeros_like(parameters);
  const Rule rule{o, ++state.steps};
  const double clip = o.clip_norm > 0.0f ? std::min(1.0, double(o.clip_norm) / (gradient_norm(gradient) + 1e-6)) : 1.0;
  for (size_t l = 0; l < parameters.size(); ++l) {
    LayerParameters &p = parameters[l], &m = state.slot0[l], &v = state.slot1[l], &x = state.slot2[l];
    const LayerParameters& g = gradient[l];
    if (p.weight.empty()) continue;
    for (size_t i = 0; i < p.weight.size(); ++i)
      rule(p.weight[i], clip * g.weight[i], m.weight[i], v.weight[i], x.weight[i], o.learning_rate, o.weight_decay);
    for (size_t i = 0; i < p.bias.size(); ++i)
      rule(p.bias[i], clip * g.bias[i], m.bias[i], v.bias[i], x.bias[i], o.learning_rate, 0.0);
    for (size_t i = 0; i < p.norm_weight.size(); ++i)
      rule(p.norm_weight[i], clip * g.norm_weight[i], m.norm_weight[i], v.norm_weight[i], x.norm_weight[i],
           o.learning_rate, 0.0);
    for (size_t i = 0; i < p.norm_bias.size(); ++i)
      rule(p.norm_bias[i], clip * g.norm_bias[i], m.norm_bias[i], v.norm_bias[i], x.norm_bias[i], o.learning_rate, 0.0);
    rule(p.threshold, clip * g.threshold, m.threshold, v.threshold, x.threshold, o.neuron_learning_rate, 0.0);
    rule(p.leak, clip * g.leak, m.leak, v.leak, x.leak, o.neuron_learning_rate, 0.0);
    // The optimiser sees logarithms.
    const auto scheduled = [&](Values& w, const Values& d, Values& m1, Values& m2, Values& most) {
      for (size_t i = 0; i < w.size(); ++i) {
        double log_w = 0.0;
        rule(log_w, clip * w[i] * d[i], m1[i], m2[i], most[i], o.neuron_learning_rate, 0.0);
        w[i] = std::clamp(w[i] * std::exp(log_w), 0x1p-20, 0x1p20);
      }
    };
    scheduled(p.kappa, g.kappa, m.kappa, v.kappa, x.kappa);
    scheduled(p.theta, g.theta, m.theta, v.theta, x.theta);
    p.threshold = std::max(p.threshold, 1e-3);
    p.leak = std::clamp(p.leak, 0.0, 1.0);
  }
}

}  // namespace onespike::oracle
