// Conversion: thresholds from percentiles of the weighted input, layer by layer, against the oracle.
#include <cmath>

#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

void compare(const CaseSpec& spec, int images, double percent, double scale, uint64_t seed) {
  Random random(seed);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Case c = make_case(spec, images, random);
    oracle::Parameters reference = c.parameters;
    oracle::calibrate(spec, reference, c.batch(), percent, scale);
    // Layers see the spikes of the layers before them, so that a tie would spread.
    if (oracle::forward(spec, reference, Mode::kSnn, c.batch()).margin < 1e-4) continue;
    const auto network = make_network(c);
    expect_ok(network->calibrate(c.batch(), percent, scale, no_stop()), "calibrate " + c.text());
    oracle::Parameters value = read_parameters(*network, TensorKind::kParameter);
    for (size_t l = 0; l < spec.layers.size(); ++l) {
      if (spec.layers[l].type == LayerType::kAvgPool) continue;
      const std::string what =
          "layers." + std::to_string(l) + " percentile " + std::to_string(percent) + " " + c.text();
      expect_near(value[l].threshold, reference[l].threshold, 1e-4, 0.0, what + " threshold");
      expect(value[l].leak == 1.0, what + " leak");
      expect(value[l].weight == c.parameters[l].weight && value[l].bias == c.parameters[l].bias,
             what + " weights are kept");
    }
    return;
  }
  throw std::runtime_error("no calibration without a tie " + describe(spec, images));
}

void percentiles() {
  const CaseSpec spec =
      network_spec(3, 7, 6, 4, {conv(9, 3, 1, 1, true), pool(2), conv(5, 3, 1, 1), linear(12), output(4, true)});
  compare(spec, 3, 99.7, 0.9, 41);
  // U(0) is no weighted input, but earlier layers fire by it.
  CaseSpec begins = spec;
  begins.initial_potential = 0.4f;
  compare(begins, 3, 95.0, 0.9, 44);
  compare(spec, 3, 90.0, 1.0, 42);
  compare(spec, 3, 100.0, 0.8, 43);
  compare(spec, 1, 97.3, 0.7, 44);
}

void shapes() {
  compare(network_spec(1, 9, 9, 1, {conv(4, 5, 2, 2), pool(3), output(3)}), 5, 95.0, 0.9, 45);
  compare(network_spec(2, 8, 9, 6, {pool(2), conv(17, 1, 1, 0), linear(33, true), output(10)}), 2, 98.0, 0.6, 46);
  compare(network_spec(1, 4, 4, 2, {conv(3), output(3)}), 75, 97.0, 0.8, 49);
  CaseSpec direct = network_spec(2, 4, 4, 3, {linear(20), output(6)});
  direct.encoder = Encoder::kDirect;
  compare(direct, 4, 92.0, 0.7, 47);
}

void floor_of_thresholds() {
  // Weighted inputs that are never positive: the floor holds.
  Random random(48);
  Case c = make_case(network_spec(1, 3, 3, 2, {linear(4), output(2)}), 2, random);
  for (oracle::LayerParameters& p : c.parameters)
    for (double& w : p.weight) w = 0.0;
  const auto network = make_network(c);
  expect_ok(network->calibrate(c.batch(), 99.7, 1.0, no_stop()), "calibrate");
  const oracle::Parameters parameters = read_parameters(*network, TensorKind::kParameter);
  for (const oracle::LayerParameters& p : parameters)
    expect(p.threshold == double(1e-3f), "threshold " + std::to_string(p.threshold));
}

void overflowing_input() {
  // The second layer's inputs are infinite, of both signs, and their sums not a number.
  Random random(50);
  Case c = make_case(network_spec(1, 4, 4, 3, {linear(8), linear(8), output(2)}), 3, random);
  for (size_t i = 0; i < c.parameters[1].weight.size(); ++i) c.parameters[1].weight[i] = i % 2 ? 3e38 : -3e38;
  const auto network = make_network(c);
  const oracle::Parameters before = read_parameters(*network, TensorKind::kParameter);
  const Status status = network->calibrate(c.batch(), 50, 1.0, no_stop());
  expect(status.code == Code::kState && status.message.find("layers[1]") != std::string::npos,
         "names the layer: " + status.message);
  const oracle::Parameters after = read_parameters(*network, TensorKind::kParameter);
  for (size_t l = 0; l < after.size(); ++l)
    expect(after[l].threshold == before[l].threshold && after[l].leak == before[l].leak, "parameters are kept");
}

}  // namespace

void add_calibration_tests(Tests& tests) {
  tests.push_back({"calibration at several percentiles", percentiles});
  tests.push_back({"calibration of odd shapes", shapes});
  tests.push_back({"calibration keeps thresholds at 1e-3 or above", floor_of_thresholds});
  tests.push_back({"calibration of infinite input is refused", overflowing_input});
}

}  // namespace onespike::test
