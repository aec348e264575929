// The formulas of codes: levels, tables and borders against their definitions, slopes against finite differences; and
// descriptions that make no network.
#include <cmath>
#include <functional>

#include "ops/code/code.h"
#include "ops/code/penalty.h"
#include "test/code/code_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

void levels_are_codes() {
  const SpikeCode window = ttfs(8), integers = radix(4), phase = one_spike_phase(2, 4);
  expect(window.levels() == 9 && integers.levels() == 15 && phase.levels() == 4, "largest levels");
  const CodeParams clock{3, 0.5}, step{0.25, 0};
  for (int level = 1; level <= 9; ++level) {
    const int k = 9 - level;
    expect(window.trace(uint8_t(level)) == k + 1, "a trace counts steps from 1");
    expect_near(code_value(window, clock, level), std::exp((0.5 - k) / 3), 1e-15, 0,
                "value at step " + std::to_string(k));
    expect_near(code_border(window, clock, level), std::exp(-(k + 0.5 - 0.5) / 3), 1e-15, 0, "border");
  }
  for (int n = 1; n <= 15; ++n) {
    expect(integers.trace(uint8_t(n)) == n && code_value(integers, step, n) == 0.25 * n,
           "an integer stands for itself");
    expect(code_border(integers, step, n) == 0.25 * (n - 0.5), "and begins half a step below");
  }
  const float unused[2] = {9, 9};
  for (int k = 0; k < 4; ++k)
    expect_near(code_value(phase, code_params(phase, unused), 4 - k), std::exp2(-k), 1e-15, 0, "a power of the base");
  expect(window.trace(0) == 0 && code_value(window, clock, 0) == 0, "level 0 sends nothing");
  expect(code_pixel(integers, 255, 9, 9) == 1 && code_pixel(integers, 0, 9, 9) == 0, "pixels of radix have no mean");
  expect_near(code_pixel(integers, 128, 0, 1), std::floor(15 * 128 / 255.0 + 0.5) / 15, 1e-7, 0, "and are integers");
  expect_near(code_pixel(window, 51, 0.5f, 0.25f), (0.2 - 0.5) / 0.25, 1e-6, 0, "those of windows are normalised");
}

// What is sent with the error of rounding held where it is: straight-through slopes are its derivatives.
double unrounded(const SpikeCode& code, const CodeParams& p, const CodeParams& held, double v, double held_v,
                 int level) {
  if (!code.fires_once()) return v + (level - held_v / held.first) * p.first;
  const double k = code.levels() - level, error = k - (held.second - held.first * std::log(held_v));
  return std::exp((p.second - (p.second - p.first * std::log(v) + error)) / p.first);
}

void slopes() {
  Random random(701);
  for (const SpikeCode& code : {ttfs(8), radix(4)})
    for (int i = 0; i < 200; ++i) {
      const CodeParams p = code.fires_once() ? CodeParams{random.uniform(1, 6), random.uniform(-2, 2)}
                                             : CodeParams{random.uniform(0.01, 1), 0};
      const double top = code.fires_once() ? std::exp(p.second / p.first) : code.levels() * p.first;
      const float v = float(random.uniform(-0.1, 1.2) * top);
      int level = 0;
      while (level < code.levels() && v >= code_border(code, p, level + 1)) ++level;
      const double value = code_value(code, p, level);
      const CodeSlopes s = code_slopes(code, p, v, uint8_t(level), float(value));
      const std::string what = "v = " + std::to_string(v) + ", level " + std::to_string(level);
      if (v <= 0 || (code.fires_once() && level == 0)) {
        expect(s.v == 0 && s.first == 0 && s.second == 0, what + ": silent");
      } else if (v >= top) {
        // The largest value, whatever v: its own derivatives.
        constexpr double h = 1e-6;
        expect(s.v == 0, what + ": clipped");
        expect_near(
            s.first,
            (code_value(code, {p.first + h, p.second}, level) - code_value(code, {p.first - h, p.second}, level)) /
                (2 * h),
            1e-6, 1e-7, what + ": first");
        expect_near(
            s.second,
            (code_value(code, {p.first, p.second + h}, level) - code_value(code, {p.first, p.second - h}, level)) /
                (2 * h),
            1e-6, 1e-7, what + ": second");
      } else {
        const auto at = [&](double dv, double first, double second) {
          return unrounded(code, {p.first + first, p.second + second}, p, v + dv, v, level);
        };
        constexpr double h = 1e-5;
        expect_near(s.v, (at(h * v, 0, 0) - at(-h * v, 0, 0)) / (2 * h * v), 1e-6, 1e-7, what + ": slope");
        expect_near(s.first, (at(0, h, 0) - at(0, -h, 0)) / (2 * h), 1e-5, 1e-6, what + ": first");
        expect_near(s.second, (at(0, 0, h) - at(0, 0, -h)) / (2 * h), 1e-5, 1e-6, what + ": second");
      }
    }
}

void ranges() {
  const SpikeCode code = ttfs(16);
  float pair[2] = {0.01f, 0};
  clamp_code(code, pair);
  expect(pair[0] == kMinTimeConstant && (float(code.window) + 0.5f - pair[1]) / pair[0] <= kMaxExponent,
         "a short clock");
  expect(float(code_border(code, code_params(code, pair), 1)) > 0, "has no border that is 0");
  float far[2] = {0.3f, 1e5f};
  clamp_code(code, far);
  expect(std::isfinite(float(code_value(code, code_params(code, far), 17))), "and no value that is infinite");
  float step[2] = {0, 0};
  clamp_code(radix(4), step);
  expect(step[0] == kMinStep, "a step is above 0");
}

// Phi as an integral of the normal density, from far below.
double normal_share(double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); }

void sending_penalty() {
  Random random(708);
  for (int i = 0; i < 100; ++i) {
    const double weight = random.uniform(-1.5, 1.5), bias = random.uniform(-1, 1), border = random.uniform(0.01, 0.5);
    const auto share = [&](double w, double b) { return normal_share((b - border) / std::max(std::fabs(w), 1e-3)); };
    const SendingSlopes slopes = sending_slopes(float(weight), float(bias), float(border));
    constexpr double h = 1e-5;
    expect_near(slopes.weight, (share(weight + h, bias) - share(weight - h, bias)) / (2 * h), 1e-4, 1e-6, "by gamma");
    expect_near(slopes.bias, (share(weight, bias + h) - share(weight, bias - h)) / (2 * h), 1e-4, 1e-6, "by beta");
  }
  expect(sending_slopes(0, 0.1f, 0.2f).weight == 0, "a spread of 0 has no slope");
}

void weights_of_bits() {
  expect(weight_unit(1, 4) == 0.25f && weight_unit(7, 4) == 1 && weight_unit(7.01f, 4) == 2, "the smallest unit");
  expect(weight_unit(0, 4) == 1, "of zeros");
  expect(rounded_weight(0.6f, 0.25f) == 0.5f && rounded_weight(-0.9f, 0.25f) == -1, "to the nearest integer");
  expect(power_of_two(0.3) == 0.25 && power_of_two(3) == 4 && power_of_two(0.125) == 0.125, "the nearest power of two");
}

void refusals() {
  const auto refused = [](const CaseSpec& spec) {
    std::unique_ptr<Network> network;
    return create_network(spec, &network).code == Code::kArg;
  };
  const CaseSpec plain = network_spec(1, 6, 6, 1, {conv(4), linear(3), output(2)});
  expect(refused(network_spec(1, 6, 6, 1, {conv(4), max_pool(2), output(2)})), "a maximum pool without a code");
  expect(refused(with_code(network_spec(1, 6, 6, 1, {conv(4), pool(2), max_pool(2), output(2)}), radix(4))),
         "a maximum after an average");
  expect(refused(with_code(plain, ttfs(254))) && refused(with_code(plain, radix(9))) &&
             refused(with_code(plain, radix(0))),
         "codes that are no byte");
  expect(refused(with_code(plain, one_spike_phase(20, 40))), "a phase that is 0 in 32 bits");
  CaseSpec late = with_code(plain, ttfs(8));
  late.layers[0].time_constant = 1, late.layers[0].delay = -72;
  expect(refused(late), "a border that is 0 in 32 bits");
  CaseSpec scheduled = with_code(plain, ttfs(8));
  scheduled.schedules = true;
  expect(refused(scheduled), "schedules");

  std::unique_ptr<Network> network;
  expect_ok(create_network(with_code(plain, radix(4)), &network), "create");
  const std::vector<uint8_t> pixels(36);
  const std::vector<int32_t> labels(1);
  const Batch batch{pixels.data(), labels.data(), 1};
  StepStats stats;
  uint8_t step = 0;
  ForwardOutputs early;
  early.decision_steps = &step;
  expect(network->forward(batch, Mode::kSnn, early, no_stop(), &stats).code == Code::kArg, "early exit");
  expect(network->forward(batch, Mode::kBinary, {}, no_stop(), &stats).code == Code::kArg, "binary activations");
  expect(network->calibrate(batch, 99, 1, no_stop()).code == Code::kArg, "calibration of thresholds");
  const float zero = 0;
  expect(network->write(TensorKind::kParameter, 1, &zero).code == Code::kArg, "a step of 0");
}

}  // namespace

void add_code_formula_tests(Tests& tests) {
  tests.push_back({"code levels, values and borders", levels_are_codes});
  tests.push_back({"code slopes against finite differences", slopes});
  tests.push_back({"code parameters in their ranges", ranges});
  tests.push_back({"code penalty of neurons that send", sending_penalty});
  tests.push_back({"code weights of so many bits", weights_of_bits});
  tests.push_back({"code descriptions and calls that are refused", refusals});
}

}  // namespace onespike::test
