// Simulated codes against the plain simulation: every spike, and logits after every step.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "cpu/simd/targets.h"
#include "cpu/simulation/simulate.h"
#include "test/ann/norm_cases.h"
#include "test/simulation/oracle_simulation.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

SimulationOptions options_of(SimulatedCode code, int64_t timesteps) {
  SimulationOptions options;
  options.code = code;
  options.timesteps = options.stride = timesteps;
  options.threshold = default_threshold(code);
  options.seed = 7;
  return options;
}

// Clocks that differ from layer to layer.
void set_clocks(SimulationOptions* options, size_t stages, double time_constant, Random& random) {
  const bool same = options->code == SimulatedCode::kOneSpikePhase;
  for (size_t i = 0; i < stages; ++i)
    options->clocks.push_back({time_constant * (same ? 1 : random.uniform(0.8, 1.2)), same ? 0 : random.uniform(-1, 1),
                               same || i == 0 ? 0.5 : 0.0});
}

size_t weighted_layers(const NetworkSpec& spec) {
  return size_t(std::count_if(spec.layers.begin(), spec.layers.end(),
                              [](const LayerSpec& layer) { return layer.type != LayerType::kAvgPool; }));
}

struct Simulation {
  std::vector<int32_t> predictions;
  std::vector<float> logits;
  std::vector<StageCounts> counts;
};

// Predictions and logits after every step, or as the options say.
Simulation run(const Case& c, const std::vector<double>& activations, SimulationOptions options) {
  const auto network = make_network(c);
  SimulatedNetwork simulated;
  expect_ok(simulated_network(*network, activations, &simulated), "network " + c.text());
  const int64_t images = int64_t(c.labels.size()), steps = simulation_steps(options, simulated.stages.size());
  if (options.logit_steps.empty()) {
    options.logit_steps.resize(size_t(steps));
    std::iota(options.logit_steps.begin(), options.logit_steps.end(), 1);
  }
  Simulation result;
  result.predictions.resize(size_t(images * recorded_steps(options, simulated.stages.size())));
  result.logits.resize(size_t(images) * options.logit_steps.size() * size_t(c.spec.layers.back().out));
  SimulationOutputs outputs{result.predictions.data(), result.logits.data()};
  expect_ok(simulate(simulated, options, {c.pixels.data(), images, 0}, no_stop(), nullptr, &outputs),
            "simulate " + c.text());
  result.counts = std::move(outputs.counts);
  return result;
}

void expect_equal(const Simulation& value, const oracle::Simulated& reference, const std::string& what) {
  for (size_t l = 0; l < reference.counts.size(); ++l) {
    const StageCounts& a = value.counts[l];
    const oracle::SimulatedCounts& b = reference.counts[l];
    const auto same = [&](const char* name, int64_t x, int64_t y) {
      expect(x == y, what + " weighted layer " + std::to_string(l) + ": " + name + " " + std::to_string(x) +
                         ", expected " + std::to_string(y));
    };
    same("events", a.events, b.events);
    same("spikes", a.spikes, b.spikes);
    same("accumulates", a.accumulates, b.accumulates);
    same("macs", a.value_macs, b.value_macs);
    same("updates", a.updates, b.updates);
  }
  size_t at = 0, prediction = 0;
  for (size_t n = 0; n < reference.logits.size(); ++n)
    for (size_t t = 0; t < reference.logits[n].size(); ++t, ++prediction) {
      const std::string where = what + " image " + std::to_string(n) + " step " + std::to_string(t);
      double largest = 1;
      for (const double z : reference.logits[n][t]) largest = std::max(largest, std::fabs(z));
      for (const double z : reference.logits[n][t])
        expect_near(value.logits[at++], z, 0, 1e-4 * largest, where + " logit");
      if (reference.leads[n][t] > 1e-4)
        expect(value.predictions[prediction] == reference.predictions[n][t], where + " prediction");
    }
}

// A case without a decision near a tie, and what the plain simulation makes of it.
void compare(CaseSpec spec, int images, SimulationOptions options, uint64_t seed) {
  Random random(seed);
  options.threads = spec.on.threads = 2;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Case c = make_case(spec, images, random);
    std::vector<double> activations = oracle::largest_activations(spec, c.parameters, c.batch());
    for (double& m : activations) m *= random.uniform(0.5, 1);
    const oracle::Simulated reference = oracle::simulate(spec, c.parameters, activations, options, c.pixels);
    if (reference.margin < 1e-5) continue;
    expect_equal(run(c, activations, options), reference,
                 std::string(simulated_code_name(options.code)) + " " + c.text());
    return;
  }
  throw std::runtime_error("no simulation without a tie " + describe(spec, images));
}

std::vector<CaseSpec> networks() {
  std::vector<CaseSpec> specs;
  specs.push_back(
      network_spec(3, 7, 6, 1, {conv(9, 3, 1, 1, true), pool(2), conv(5, 3, 1, 1), linear(12, true), output(4, true)}));
  specs.push_back(network_spec(2, 9, 8, 1, {conv(4, 5, 2, 2), conv(3, 1, 1, 0, true), pool(2), output(3)}));
  specs.push_back(network_spec(1, 11, 12, 1, {pool(2), conv(70, 3, 1, 0, true), pool(2), linear(33), output(10)}));
  specs.push_back(network_spec(2, 4, 4, 1, {linear(20, true), output(6, true)}));
  specs.push_back(network_spec(3, 5, 5, 1, {conv(6, 3, 1, 1), conv(5, 3, 2, 1, true), output(3)}));
  for (LayerSpec& layer : specs.back().layers) layer.norm = !layer.output;
  specs.push_back(network_spec(2, 5, 5, 1, {pool(2), output(4, true)}));
  return specs;
}

void stepped(SimulatedCode code, double threshold) {
  uint64_t seed = 60;
  for (const CaseSpec& spec : networks()) {
    SimulationOptions options = options_of(code, 69);
    options.threshold = threshold;
    compare(spec, 2, options, ++seed);
  }
}

void first_spikes(SimulatedCode code, int64_t timesteps, int64_t stride, double time_constant) {
  uint64_t seed = 70;
  for (const CaseSpec& spec : networks()) {
    Random random(++seed);
    SimulationOptions options = options_of(code, timesteps);
    options.stride = stride;
    set_clocks(&options, weighted_layers(spec), time_constant, random);
    compare(spec, 2, options, seed);
  }
}

void tsc() {
  uint64_t seed = 80;
  for (const CaseSpec& spec : networks()) compare(spec, 2, options_of(SimulatedCode::kTsc, 77), ++seed);
}

void powers_of_two() {
  // With base 2 every value is a power of two: a shift, no product.
  const CaseSpec spec = networks()[0];
  SimulationOptions options = options_of(SimulatedCode::kOneSpikePhase, 8);
  options.clocks.assign(weighted_layers(spec), {1 / std::log(2.0), 0, 0.5});
  Random random(90);
  const Case c = make_case(spec, 1, random);
  for (const StageCounts& counts : run(c, oracle::largest_activations(spec, c.parameters, c.batch()), options).counts)
    expect(counts.value_macs == 0 && counts.accumulates > 0, "shifts");
}

void threads_and_records() {
  Random random(91);
  Case c = make_case(networks()[0], 7, random);
  const std::vector<double> activations = oracle::largest_activations(c.spec, c.parameters, c.batch());
  for (const SimulatedCode code : kSimulatedCodes) {
    SimulationOptions options = options_of(code, 70);
    if (fires_once(code)) set_clocks(&options, 4, 10, random);
    const Simulation one = run(c, activations, options);
    options.threads = 3;
    const Simulation three = run(c, activations, options);
    const std::string what = simulated_code_name(code);
    expect(one.logits == three.logits && one.predictions == three.predictions, what + " on three threads");
    const int64_t steps = simulation_steps(options, 4);
    options.record = 9;
    options.logit_steps = {3, steps};
    const Simulation few = run(c, activations, options);
    const int64_t records = recorded_steps(options, 4), classes = 4;
    for (int64_t n = 0; n < 7; ++n) {
      for (int64_t r = 0; r < records; ++r) {
        const int64_t step = std::min(9 * (r + 1), steps);
        expect(few.predictions[size_t(n * records + r)] == one.predictions[size_t(n * steps + step - 1)],
               what + " record");
      }
      for (int64_t k = 0; k < classes; ++k) {
        expect(few.logits[size_t((2 * n) * classes + k)] == one.logits[size_t((n * steps + 2) * classes + k)],
               what + " logits");
        expect(
            few.logits[size_t((2 * n + 1) * classes + k)] == one.logits[size_t((n * steps + steps - 1) * classes + k)],
            what + " last logits");
      }
    }
  }
}

// Random numbers belong to an image by its position, not to the call that it is a part of.
void positions() {
  Random random(92);
  const Case c = make_case(networks()[1], 3, random);
  const std::vector<double> activations = oracle::largest_activations(c.spec, c.parameters, c.batch());
  const auto network = make_network(c);
  SimulatedNetwork simulated;
  expect_ok(simulated_network(*network, activations, &simulated), "network");
  SimulationOptions options = options_of(SimulatedCode::kRate, 30);
  options.logit_steps = {30};
  const auto logits = [&](int64_t first, int64_t count) {
    std::vector<int32_t> predictions(size_t(count * 30));
    std::vector<float> values(size_t(count * 3));
    SimulationOutputs outputs{predictions.data(), values.data()};
    const int64_t size = int64_t(c.pixels.size()) / 3;
    expect_ok(
        simulate(simulated, options, {c.pixels.data() + first * size, count, first}, no_stop(), nullptr, &outputs),
        "simulate");
    return values;
  };
  const std::vector<float> all = logits(0, 3), last = logits(2, 1);
  expect(std::equal(last.begin(), last.end(), all.begin() + 6), "the third image alone");
  options.seed = 8;
  expect(logits(0, 3) != all, "another seed");
}

void stopped() {
  Random random(93);
  const Case c = make_case(networks()[0], 2, random);
  const auto network = make_network(c);
  SimulatedNetwork simulated;
  expect_ok(simulated_network(*network, {1, 1, 1}, &simulated), "network");
  const SimulationOptions options = options_of(SimulatedCode::kRate, 20);
  std::vector<int32_t> predictions(40);
  SimulationOutputs outputs{predictions.data(), nullptr};
  const std::atomic<bool> stop{true};
  const SimulationImages images{c.pixels.data(), 2, 0};
  expect(simulate(simulated, options, images, stop, nullptr, &outputs).code == Code::kAborted, "aborted");
  std::atomic<int64_t> done{0};
  expect_ok(simulate(simulated, options, images, no_stop(), &done, &outputs), "simulate");
  expect(done == 40, "steps of images are counted: " + std::to_string(done));
}

void refused() {
  Random random(94);
  const Case c = make_case(networks()[0], 1, random);
  const auto network = make_network(c);
  SimulatedNetwork simulated;
  CaseSpec coded = networks()[3];
  coded.code.kind = CodeKind::kRadix, coded.code.bits = 4;
  std::unique_ptr<Network> other;
  expect_ok(create_network(coded, &other), "network with a code");
  expect(simulated_network(*other, {1}, &simulated).code == Code::kArg, "a network with a code of its own");
  for (const std::vector<double>& wrong : {std::vector<double>{1, 1}, {1, 0, 1}, {1, std::nan(""), 1}})
    expect(simulated_network(*network, wrong, &simulated).code == Code::kArg, "activations");
  expect_ok(simulated_network(*network, {1, 1, 1}, &simulated), "network");
  const auto code_of = [&](SimulatedCode code, const std::function<void(SimulationOptions&)>& change) {
    SimulationOptions options = options_of(code, 10);
    if (fires_once(code)) options.clocks.assign(4, {});
    change(options);
    return check_simulation(options, simulated).code;
  };
  const auto rate = SimulatedCode::kRate, ttfs = SimulatedCode::kTtfsConverted, tsc = SimulatedCode::kTsc;
  expect(code_of(rate, [](auto&) {}) == Code::kOk && code_of(ttfs, [](auto&) {}) == Code::kOk, "what is right");
  expect(code_of(rate, [](auto& o) { o.timesteps = 0; }) == Code::kArg, "no steps");
  expect(code_of(rate, [](auto& o) { o.timesteps = 65536; }) == Code::kArg, "too many steps");
  expect(code_of(rate, [](auto& o) { o.threshold = 0; }) == Code::kArg, "threshold");
  expect(code_of(rate, [](auto& o) { o.record = 0; }) == Code::kArg, "record");
  expect(code_of(rate, [](auto& o) { o.threads = 0; }) == Code::kArg, "threads");
  expect(code_of(rate, [](auto& o) { o.logit_steps = {11}; }) == Code::kArg, "logits behind the end");
  expect(code_of(rate, [](auto& o) { o.logit_steps = {2, 2}; }) == Code::kArg, "logits twice");
  expect(code_of(ttfs, [](auto& o) { o.clocks.pop_back(); }) == Code::kArg, "a clock is missing");
  expect(code_of(ttfs, [](auto& o) { o.clocks[1].time_constant = 0.1; }) == Code::kArg, "time constant");
  expect(code_of(ttfs, [](auto& o) { o.clocks[1].delay = -2000; }) == Code::kArg, "delay");
  expect(code_of(ttfs, [](auto& o) { o.stride = 11; }) == Code::kArg, "stride");
  expect(code_of(tsc, [](auto& o) { o.stride = 5; }) == Code::kArg, "stride of tsc");
  expect(code_of(tsc, [](auto& o) { o.timesteps = o.stride = 1; }) == Code::kArg, "tsc in one step");
}

}  // namespace

void add_simulation_tests(Tests& tests) {
  const auto count = cpu_targets().size();
  for (size_t target = 0; target < count; ++target) {
    const auto add = [&](const std::string& name, std::function<void()> run) {
      tests.push_back({"simulation of " + name + ", " + cpu_targets()[target], on_cpu_target(target, std::move(run))});
    };
    add("rate", [] { stepped(SimulatedCode::kRate, 0.4); });
    add("direct", [] { stepped(SimulatedCode::kDirect, 1); });
    add("phase", [] { stepped(SimulatedCode::kPhase, 0.9); });
    add("burst", [] { stepped(SimulatedCode::kBurst, 0.125); });
    add("ttfs-converted", [] { first_spikes(SimulatedCode::kTtfsConverted, 73, 73, 10); });
    add("ttfs-converted in overlapping windows", [] { first_spikes(SimulatedCode::kTtfsConverted, 73, 6, 10); });
    add("one-spike-phase", [] { first_spikes(SimulatedCode::kOneSpikePhase, 12, 12, 3); });
    add("tsc", tsc);
  }
  tests.push_back({"simulation in powers of two takes no products", powers_of_two});
  tests.push_back({"simulation is the same on several threads and where less is recorded", threads_and_records});
  tests.push_back({"simulation draws by the position of an image", positions});
  tests.push_back({"simulation is stopped, and counts its steps", stopped});
  tests.push_back({"simulation refuses options out of range", refused});
}

}  // namespace onespike::test
