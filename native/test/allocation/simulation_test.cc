// Running out of memory in the simulation of codes: the network that is simulated, and the simulation of its images.
#include <memory>
#include <utility>

#include "cpu/simulation/simulate.h"
#include "test/allocation/attempts.h"
#include "test/allocation/steps.h"
#include "test/ann/norm_cases.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr int64_t kSteps = 5;

Case simulated_case() {
  Random random(35);
  CaseSpec spec = network_spec(2, 4, 4, 1,
                               {normalised(conv(17, 3, 1, 1, true)), pool(2), current_pool(conv(16), 2),
                                linear(18, true), output(kFewClasses, true)});
  return make_case(spec, kFewImages, random);
}

SimulationOptions options_of(SimulatedCode code, size_t stages, int threads) {
  SimulationOptions options;
  options.code = code, options.threads = threads;
  options.timesteps = options.stride = kSteps;
  options.threshold = default_threshold(code);
  options.logit_steps = {1, kSteps};
  for (size_t i = 0; fires_once(code) && i < stages; ++i)
    options.clocks.push_back({2, 0, clock_rounding(code, i == 0)});
  return options;
}

// As the addon makes it. Whatever the calls do not allocate themselves is there before them.
class Simulation {
 public:
  Simulation(const Network& network, const Case& c, SimulatedCode code, int threads)
      : network_(network),
        images_{c.pixels.data(), kFewImages, 0},
        options_(options_of(code, size_t(network.spiking_layers()), threads)),
        activations_(size_t(network.spiking_layers()) - 1, 2.0),
        predictions_(size_t(kFewImages * recorded_steps(options_, size_t(network.spiking_layers())))),
        logits_(kFewImages * options_.logit_steps.size() * kFewClasses) {}

  Status run() {
    SimulatedNetwork simulated;
    if (Status status = simulated_network(network_, activations_, &simulated); !status.ok()) return status;
    SimulationOutputs outputs{predictions_.data(), logits_.data()};
    const Status status = simulate(simulated, options_, images_, no_stop(), nullptr, &outputs);
    counts_ = std::move(outputs.counts);
    return status;
  }

  std::vector<double> numbers() const {
    std::vector<double> all(predictions_.begin(), predictions_.end());
    all.insert(all.end(), logits_.begin(), logits_.end());
    for (const StageCounts& of : counts_)
      for (const int64_t count : {of.events, of.accumulates, of.value_macs, of.updates, of.spikes})
        all.push_back(double(count));
    return all;
  }

 private:
  const Network& network_;
  SimulationImages images_;
  SimulationOptions options_;
  std::vector<double> activations_;
  std::vector<int32_t> predictions_;
  std::vector<float> logits_;
  std::vector<StageCounts> counts_;
};

void simulation(SimulatedCode code, int threads) {
  const Case c = simulated_case();
  const auto network = make_network(c);
  const Kept kept(*network);
  Simulation undisturbed(*network, c, code, threads);
  expect_ok(undisturbed.run(), "undisturbed");
  const std::vector<double> expected = undisturbed.numbers();
  const int64_t allocations = each_failure([&](const Under& under, const std::string& what) {
    Simulation simulation(*network, c, code, threads);
    const Status status = under([&] { return simulation.run(); });
    if (!status.ok()) {
      expect_no_memory(status, what);
      expect(Kept(*network) == kept, what + ": the network is what it was");
      expect_ok(simulation.run(), what + ", once more");
    }
    expect(simulation.numbers() == expected, what + ": as if it had not failed");
  });
  expect(allocations > 0, "no allocation failed");
}

}  // namespace

void add_allocation_simulation_tests(Tests& tests) {
  for (const SimulatedCode code : kSimulatedCodes)
    for (const int threads : {1, 2})
      tests.push_back({"memory runs out in simulating " + std::string(simulated_code_name(code)) + ", threads " +
                           std::to_string(threads),
                       [=] { simulation(code, threads); }});
}

}  // namespace onespike::test
