// Networks with a code against the oracle, and what the codes are in steps: a window that is watched step by step, and
// bits sent one after the other.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/code/code.h"
#include "test/ann/norm_cases.h"
#include "test/code/code_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

constexpr double kTolerance = 1e-4;

// ---- whole networks

void expect_trace(Network& network, const Case& c, const oracle::Forward& reference) {
  std::vector<float> logits;
  StepStats stats;
  const std::vector<std::vector<uint8_t>> bytes = traced_codes(network, c, &logits, &stats);
  for (size_t i = 0; i < bytes.size(); ++i) {
    const std::vector<int>& wanted = reference.layers[size_t(network.layer_index(int(i)))].fired;
    double spikes = 0;
    for (size_t j = 0; j < wanted.size(); ++j) {
      expect(bytes[i][j] == wanted[j], "code " + std::to_string(j) + " of layer " + std::to_string(i) + " " + c.text());
      spikes += c.spec.code.kind == CodeKind::kRadix ? __builtin_popcount(unsigned(wanted[j])) : wanted[j] > 0;
    }
    expect(stats.spikes[i] == spikes, "spikes of layer " + std::to_string(i) + " " + c.text());
  }
  for (size_t i = 0; i < logits.size(); ++i)
    expect_near(logits[i], reference.logits[i], kTolerance, kTolerance, "logit " + c.text());
}

void inference() {
  Random random(702);
  for (const SpikeCode& code : all_codes())
    for (const CaseSpec& spec : code_specs(code)) {
      const Case c = decided_case(spec, 5, Mode::kCoded, random);
      expect_trace(*make_network(c), c, oracle::forward(spec, c.parameters, Mode::kCoded, c.batch()));
    }
}

// The network of a description against the oracle, groups of images normalised together.
void expect_groups(const CaseSpec& spec, Mode mode, Random& random) {
  const oracle::Options groups = by_groups();
  const Case c = decided_case(spec, 7, mode, random, 1e-5, groups);
  expect_step(*make_network(c), c, mode, oracle::forward(spec, c.parameters, mode, c.batch(), groups), groups);
}

void gradients() {
  Random random(703);
  for (const SpikeCode& code : all_codes())
    for (const CaseSpec& spec : code_specs(code)) expect_groups(spec, Mode::kCoded, random);
}

// The ReLU network of the same description: its maximum pools are of activations.
void relu() {
  Random random(704);
  for (const CaseSpec& spec : code_specs(ttfs(8))) expect_groups(spec, Mode::kAnn, random);
}

// ---- in steps

// Layer after layer: what arrives is added up spike by spike in the order of the window, then the falling threshold is
// watched until it is reached.
void watched_step_by_step() {
  Random random(705);
  for (const CaseSpec& spec :
       {with_code(network_spec(2, 6, 6, 1, {linear(40, true), linear(30), output(3)}), ttfs(8)),
        with_code(network_spec(1, 8, 8, 1, {linear(50), linear(20, true), output(2)}), one_spike_phase(2, 6))}) {
    const Case c = decided_case(spec, 6, Mode::kCoded, random);
    std::vector<float> logits;
    StepStats stats;
    const auto network = make_network(c);
    const std::vector<std::vector<uint8_t>> bytes = traced_codes(*network, c, &logits, &stats);
    const int steps = spec.code.levels();
    for (size_t layer = 1; layer < bytes.size(); ++layer) {
      const oracle::LayerParameters &p = c.parameters[layer], &below = c.parameters[layer - 1];
      const size_t inputs = bytes[layer - 1].size() / c.labels.size(), outputs = bytes[layer].size() / c.labels.size();
      const double constant = spec.code.kind == CodeKind::kPhase ? 1 / std::log(2.0) : p.threshold,
                   constant_below = spec.code.kind == CodeKind::kPhase ? 1 / std::log(2.0) : below.threshold;
      for (size_t n = 0; n < c.labels.size(); ++n)
        for (size_t o = 0; o < outputs; ++o) {
          double potential = p.bias.empty() ? 0 : p.bias[o];
          for (int k = 0; k < steps; ++k)
            for (size_t i = 0; i < inputs; ++i)
              if (bytes[layer - 1][n * inputs + i] == k + 1)
                potential += p.weight[o * inputs + i] * std::exp((below.leak - k) / constant_below);
          int fired = 0;
          for (int k = 0; k < steps && fired == 0; ++k)
            if (potential >= std::exp(-(k + 0.5 - p.leak) / constant)) fired = k + 1;
          expect(bytes[layer][n * outputs + o] == fired, "neuron " + std::to_string(o) + " " + c.text());
        }
    }
  }
}

// P <- 2 P + W s(t), the most significant bit first.
void bit_by_bit() {
  Random random(706);
  for (int bits : {1, 4, 8}) {
    const CaseSpec spec =
        with_code(network_spec(2, 6, 6, 1, {linear(40, true), linear(30, true), output(3)}), radix(bits));
    const Case c = decided_case(spec, 6, Mode::kCoded, random);
    std::vector<float> logits;
    StepStats stats;
    const auto network = make_network(c);
    const std::vector<std::vector<uint8_t>> bytes = traced_codes(*network, c, &logits, &stats);
    const oracle::LayerParameters &p = c.parameters[1], &below = c.parameters[0];
    for (size_t n = 0; n < c.labels.size(); ++n)
      for (size_t o = 0; o < 30; ++o) {
        double sum = 0;
        for (int bit = bits - 1; bit >= 0; --bit) {
          sum *= 2;
          for (size_t i = 0; i < 40; ++i)
            if (bytes[0][n * 40 + i] >> bit & 1) sum += p.weight[o * 40 + i];
        }
        const double v = sum * below.threshold + p.bias[o];
        const int wanted = int(std::clamp(std::floor(v / p.threshold + 0.5), 0.0, double(spec.code.levels())));
        expect(bytes[1][n * 30 + o] == wanted, "neuron " + std::to_string(o) + " " + c.text());
      }
  }
}

// Weights of so many bits and steps that are powers of two: every sum is an integer times a power of two, and float32
// holds it exactly. So the codes are equal without a margin.
void in_integers() {
  Random random(712);
  for (int bits : {2, 4, 6}) {
    CaseSpec spec = with_code(network_spec(2, 6, 6, 1, {linear(40), linear(30), output(3)}), radix(bits));
    spec.code.weight_bits = 4;
    const Case c = make_case(spec, 6, random);
    const auto network = make_network(c);
    std::vector<float> logits;
    StepStats stats;
    const std::vector<std::vector<uint8_t>> bytes = traced_codes(*network, c, &logits, &stats);
    const oracle::LayerParameters &p = c.parameters[1], &below = c.parameters[0];
    double largest = 0;
    for (double w : p.weight) largest = std::max(largest, std::fabs(w));
    const double unit = std::exp2(std::ceil(std::log2(largest / 7)));
    const double step = std::exp2(std::round(std::log2(p.threshold))),
                 step_below = std::exp2(std::round(std::log2(below.threshold)));
    for (size_t n = 0; n < c.labels.size(); ++n)
      for (size_t o = 0; o < 30; ++o) {
        int64_t sum = 0;
        for (int bit = bits - 1; bit >= 0; --bit) {
          sum *= 2;
          for (size_t i = 0; i < 40; ++i)
            if (bytes[0][n * 40 + i] >> bit & 1) sum += std::lround(p.weight[o * 40 + i] / unit);
        }
        const int wanted =
            int(std::clamp(std::floor(double(sum) * unit * step_below / step + 0.5), 0.0, double(spec.code.levels())));
        expect(bytes[1][n * 30 + o] == wanted, "neuron " + std::to_string(o) + " " + c.text());
      }
    expect(std::any_of(bytes[1].begin(), bytes[1].end(), [](uint8_t byte) { return byte > 0; }), "silent " + c.text());
  }
}

}  // namespace

void add_code_cases(Tests& tests) {
  tests.push_back({"code inference against the oracle", inference});
  tests.push_back({"code gradients against the oracle", gradients});
  tests.push_back({"code networks as ANNs with maximum pools", relu});
  tests.push_back({"code window watched step by step", watched_step_by_step});
  tests.push_back({"code radix bit by bit", bit_by_bit});
  tests.push_back({"code radix bit by bit in integers", in_integers});
  add_code_training_cases(tests);
}

void add_code_tests(Tests& tests) {
  add_code_formula_tests(tests);
  add_code_cases(tests);
}

}  // namespace onespike::test
