#include "test/simulation/oracle_simulation.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "ops/rng.h"
#include "test/simulation/simulated_layers.h"

namespace onespike::oracle {
namespace {

class Simulation {
 public:
  Simulation(const NetworkSpec& spec, std::vector<SimulatedLayer> layers, const SimulationOptions& options)
      : spec_(spec),
        layers_(std::move(layers)),
        options_(options),
        T_(options.timesteps),
        largest_(largest_input(spec)) {
    result.counts.resize(layers_.size());
  }

  void image(const uint8_t* pixels, int64_t index) {
    index_ = index;
    const Shape shape{spec_.channels, spec_.height, spec_.width};
    x_.assign(size_t(shape.size()), 0.0);
    for (int64_t i = 0; i < shape.size(); ++i)
      x_[size_t(i)] = input_value(spec_, int(i / (shape.height * shape.width)), pixels[i]) / largest_;
    result.predictions.emplace_back(), result.leads.emplace_back(), result.logits.emplace_back();
    u_.clear();
    for (const SimulatedLayer& layer : layers_) u_.push_back(Values(size_t(layer.out.size()), 0.0));
    if (is_stepped(options_.code)) stepped();
    else layered();
  }

  Simulated result;

 private:
  void decide(double value, double border) {
    result.margin = std::min(result.margin, std::fabs(value - border) / std::fabs(border));
  }

  // Counts what arrives at a layer in one step; `multiplied`: its value is no power of two.
  void arrive(size_t l, const Values& map, bool multiplied, int per_event = 1) {
    Values present = map;
    int64_t events = 0;
    for (double& value : present) value = value != 0, events += int64_t(value);
    const Values reached = weighted_sums(layers_[l], present, true);
    SimulatedCounts& counts = result.counts[l];
    counts.events += per_event * events;
    if (l > 0) result.counts[l - 1].spikes += per_event * events;
    for (const double count : reached) {
      counts.accumulates += per_event * int64_t(count);
      if (is_stepped(options_.code) || options_.code == SimulatedCode::kTsc || count == 0) continue;
      ++counts.updates;
      counts.value_macs += multiplied;
    }
  }

  void end_step(const Values& potential, double divisor) {
    int best = 0;
    double lead = 1e9;
    for (size_t k = 1; k < potential.size(); ++k)
      if (potential[k] > potential[size_t(best)]) best = int(k);
    for (size_t k = 0; k < potential.size(); ++k)
      if (int(k) != best) lead = std::min(lead, potential[size_t(best)] - potential[k]);
    result.predictions.back().push_back(best);
    result.leads.back().push_back(lead);
    Values logits = potential;
    for (double& z : logits) z /= divisor;
    result.logits.back().push_back(std::move(logits));
  }

  void add_bias(size_t l) {
    const SimulatedLayer& layer = layers_[l];
    const int64_t plane = layer.out.size() / layer.out.channels;
    for (int64_t j = 0; j < layer.out.size(); ++j) u_[l][size_t(j)] += layer.bias[size_t(j / plane)];
  }

  void add(size_t l, const Values& map) {
    const Values sums = weighted_sums(layers_[l], map, false);
    for (size_t j = 0; j < sums.size(); ++j) u_[l][j] += sums[j];
  }

  // What the pixels send at a step.
  Values pixel_step(int64_t t) {
    if (options_.code == SimulatedCode::kDirect) return x_;
    Values sent(x_.size(), 0.0);
    const int64_t plane = int64_t(spec_.height) * spec_.width;
    for (size_t i = 0; i < x_.size(); ++i) {
      const double x = x_[i];
      if (options_.code == SimulatedCode::kRate) {
        const Rng rng = Rng::of(options_.seed, Stream::kSimulation, index_, t);
        const uint64_t position = uint64_t(int64_t(i) % plane * spec_.channels + int64_t(i) / plane);
        if (double(rng.uniform(position)) < std::fabs(x)) sent[i] = x < 0 ? -1 : 1;
        continue;
      }
      const bool phase = options_.code == SimulatedCode::kPhase;
      if (!phase || t % 8 == 0) rest_[i] += x;
      const double size = phase ? std::pow(2.0, -double(1 + t % 8)) : g_[i] / 8;
      if (std::fabs(rest_[i]) < size) {
        g_[i] = 1;
        continue;
      }
      sent[i] = rest_[i] < 0 ? -size : size;
      rest_[i] -= sent[i];
      g_[i] *= 2;
    }
    return sent;
  }

  void stepped() {
    const bool phase = options_.code == SimulatedCode::kPhase, burst = options_.code == SimulatedCode::kBurst;
    rest_.assign(x_.size(), 0.0), g_.assign(x_.size(), 1.0);
    std::vector<Values> grown;
    for (const SimulatedLayer& layer : layers_) grown.push_back(Values(size_t(layer.out.size()), 1.0));
    for (int64_t t = 0; t < T_; ++t) {
      Values map = pixel_step(t);
      for (size_t l = 0; l < layers_.size(); ++l) {
        if (l > 0 || options_.code != SimulatedCode::kDirect) arrive(l, map, false);
        result.counts[l].updates += layers_[l].out.size();
        add(l, map);
        if (!phase || t % 8 == 0) add_bias(l);
        if (l + 1 == layers_.size()) continue;
        map.assign(u_[l].size(), 0.0);
        for (size_t j = 0; j < map.size(); ++j) {
          const double theta =
              options_.threshold * (phase ? std::pow(2.0, -double(t % 8)) : 1.0) * (burst ? grown[l][j] : 1.0);
          decide(u_[l][j], theta);
          const bool fires = u_[l][j] >= theta;
          if (fires) map[j] = theta, u_[l][j] -= theta;
          grown[l][j] = fires ? 2 * grown[l][j] : 1;
        }
      }
      end_step(u_.back(), double(phase ? (t + 8) / 8 : t + 1));
    }
  }

  // The step at which a value fires, or -1; compared with every border.
  int fire(double value, int step, double border) {
    decide(value, border);
    return value >= border ? step : -1;
  }

  double border(size_t clock, int k) const {
    const FirstSpikeClock& c = options_.clocks[clock];
    return std::exp(-(k + c.rounding - c.delay) / c.time_constant);
  }
  double value(size_t clock, int k) const {
    const FirstSpikeClock& c = options_.clocks[clock];
    return std::exp((c.delay - k) / c.time_constant);
  }

  // The maps that a clock's layer sends, one per step; `sign` of each value.
  std::vector<Values> by_step(size_t clock, const std::vector<int>& times, const Values& sign) const {
    std::vector<Values> maps(size_t(T_), Values(times.size(), 0.0));
    for (size_t i = 0; i < times.size(); ++i)
      if (times[i] >= 0)
        maps[size_t(times[i])][i] =
            (sign[i] < 0 ? -1 : 1) * (options_.code == SimulatedCode::kTsc ? 1 : value(clock, times[i]));
    return maps;
  }

  static bool power_of_two(double value) {
    int exponent;
    return std::frexp(float(value), &exponent) == 0.5;
  }

  void layered() {
    if (options_.code == SimulatedCode::kTsc) return tsc();
    std::vector<int> times(x_.size(), -1);
    for (size_t i = 0; i < x_.size(); ++i)
      for (int k = 0; k < T_ && times[i] < 0; ++k) times[i] = fire(std::fabs(x_[i]), k, border(0, k));
    std::vector<Values> maps = by_step(0, times, x_);
    for (size_t l = 0; l + 1 < layers_.size(); ++l) {
      for (int k = 0; k < T_; ++k) arrive(l, maps[size_t(k)], !power_of_two(value(l, k)));
      times.assign(u_[l].size(), -1);
      add_bias(l);
      int64_t met = 0;
      for (int k = 0; k < T_; ++k) {
        for (; met < T_ && met <= k + options_.stride; ++met) add(l, maps[size_t(met)]);
        for (size_t j = 0; j < times.size(); ++j)
          if (times[j] < 0) times[j] = fire(u_[l][j], k, border(l + 1, k));
      }
      maps = by_step(l + 1, times, Values(times.size(), 1.0));
    }
    const size_t last = layers_.size() - 1;
    add_bias(last);
    for (int64_t s = 0; s < int64_t(last) * options_.stride; ++s) end_step(u_[last], 1);
    for (int k = 0; k < T_; ++k) {
      arrive(last, maps[size_t(k)], !power_of_two(value(last, k)));
      add(last, maps[size_t(k)]);
      end_step(u_[last], 1);
    }
  }

  void tsc() {
    Values distance(x_.size(), 0.0), sign = x_;
    for (size_t i = 0; i < x_.size(); ++i) distance[i] = std::floor(std::fabs(x_[i]) * double(T_ - 1));
    for (size_t l = 0; l < layers_.size(); ++l) {
      Values present = distance, sent = distance;
      for (double& value : present) value = value > 0;
      arrive(l, present, false, 2);
      result.counts[l].updates += T_ * layers_[l].out.size();
      add_bias(l);
      const bool last = l + 1 == layers_.size();
      if (last)
        for (int64_t s = 0; s < int64_t(l) * T_; ++s) end_step(u_[l], 1);
      const Values begin = u_[l];
      for (int64_t k = last ? 0 : T_ - 1; k < T_; ++k) {
        // So much of every value has arrived after step k.
        for (size_t i = 0; i < sent.size(); ++i)
          sent[i] = (sign[i] < 0 ? -1 : 1) * std::min(distance[i], double(k)) / double(T_ - 1);
        u_[l] = begin;
        add(l, sent);
        if (last) end_step(u_[l], 1);
      }
      distance.assign(u_[l].size(), 0.0), sign.assign(u_[l].size(), 1.0);
      for (size_t j = 0; j < distance.size() && !last; ++j) {
        const double v = std::min(u_[l][j], 1.0) * double(T_ - 1);
        if (v <= 0) continue;
        const double nearest = u_[l][j] < 1 ? std::fabs(v - std::round(v)) / double(T_ - 1) : u_[l][j] - 1;
        result.margin = std::min(result.margin, nearest);
        distance[j] = std::floor(v);
      }
    }
  }

  const NetworkSpec& spec_;
  std::vector<SimulatedLayer> layers_;
  const SimulationOptions& options_;
  const int64_t T_;
  const double largest_;
  int64_t index_ = 0;
  Values x_, rest_, g_;
  std::vector<Values> u_;
};

}  // namespace

Simulated simulate(const NetworkSpec& spec, const Parameters& parameters, const std::vector<double>& activations,
                   const SimulationOptions& options, const std::vector<uint8_t>& pixels) {
  Simulation simulation(spec, simulated_layers(spec, parameters, activations), options);
  const int64_t size = int64_t(spec.channels) * spec.height * spec.width;
  for (int64_t i = 0; i < int64_t(pixels.size()) / size; ++i) simulation.image(pixels.data() + i * size, i);
  return std::move(simulation.result);
}

std::vector<double> largest_activations(const NetworkSpec& spec, const Parameters& parameters, const Batch& batch) {
  const Forward trace = forward(spec, parameters, Mode::kAnn, batch);
  std::vector<double> largest;
  for (size_t l = 0; l + 1 < spec.layers.size(); ++l)
    if (spec.layers[l].type != LayerType::kAvgPool)
      largest.push_back(
          std::max(1e-3, *std::max_element(trace.layers[l].potential.begin(), trace.layers[l].potential.end())));
  return largest;
}

}  // namespace onespike::oracle
