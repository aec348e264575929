// Networks with a code: formulas against the mean of their definitions and finite differences, whole networks against
// the oracle, and what the codes are in steps: a window that is watched step by step, and bits sent one after the
// other.
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

// ---- formulas

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
  expect(pair[0] == kMinTimeConstant && (code.window + 0.5f - pair[1]) / pair[0] <= kMaxExponent, "a short clock");
  expect(float(code_border(code, code_params(code, pair), 1)) > 0, "has no border that is 0");
  float far[2] = {0.3f, 1e5f};
  clamp_code(code, far);
  expect(std::isfinite(float(code_value(code, code_params(code, far), 17))), "and no value that is infinite");
  float step[2] = {0, 0};
  clamp_code(radix(4), step);
  expect(step[0] == kMinStep, "a step is above 0");
}

// ---- whole networks

std::vector<CaseSpec> specs(const SpikeCode& code) {
  std::vector<CaseSpec> all = {
      // Kernels of 5, of 1, strides, padding, no padding, pools of 3, channels that fill no vector and several tiles.
      network_spec(1, 13, 11, 1, {conv(7, 5, 2, 2, true), max_pool(3), conv(67, 1, 1, 0), linear(9, true), output(4)}),
      network_spec(
          3, 8, 9, 1,
          {normalised(conv(16, 3, 1, 1, true)), max_pool(2), max_pool(2), pool(2), conv(5, 3, 1, 1), output(3, true)}),
      network_spec(2, 12, 12, 1, {max_pool(2), conv(12, 3, 2, 0, true), pool(2), normalised(linear(20)), output(5)}),
      network_spec(1, 6, 6, 1, {pool(3), linear(17, true), linear(8), output(2, true)}),
  };
  for (CaseSpec& spec : all) spec.norm_group = 3, spec.code = code;
  return all;
}

std::vector<SpikeCode> codes() { return {ttfs(8), ttfs(16), radix(4), radix(6), radix(1), one_spike_phase(1.5f, 7)}; }

// The bytes of every hidden layer, in the order of the trace.
std::vector<std::vector<uint8_t>> traced(Network& network, const Case& c, std::vector<float>* logits,
                                         StepStats* stats) {
  std::vector<std::vector<uint8_t>> bytes;
  ForwardOutputs out;
  logits->resize(c.labels.size() * size_t(c.spec.layers.back().out));
  out.logits = logits->data();
  for (int i = 0; i + 1 < network.spiking_layers(); ++i)
    bytes.emplace_back(c.labels.size() * size_t(network.neurons(i)));
  for (std::vector<uint8_t>& layer : bytes) out.spike_times.push_back(layer.data());
  out.spike_times.push_back(nullptr);
  expect_ok(network.forward(c.batch(), Mode::kSnn, out, no_stop(), stats), "forward " + c.text());
  return bytes;
}

void expect_trace(Network& network, const Case& c, const oracle::Forward& reference) {
  std::vector<float> logits;
  StepStats stats;
  const std::vector<std::vector<uint8_t>> bytes = traced(network, c, &logits, &stats);
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
  for (const SpikeCode& code : codes())
    for (const CaseSpec& spec : specs(code)) {
      const Case c = decided_case(spec, 5, Mode::kCoded, random);
      expect_trace(*make_network(c), c, oracle::forward(spec, c.parameters, Mode::kCoded, c.batch()));
    }
}

void gradients() {
  Random random(703);
  for (const SpikeCode& code : codes())
    for (const CaseSpec& spec : specs(code)) {
      const oracle::Options groups = by_groups();
      const Case c = decided_case(spec, 7, Mode::kCoded, random, 1e-5, groups);
      const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kCoded, c.batch(), groups);
      const auto network = make_network(c);
      StepStats stats;
      expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients " + c.text());
      expect_near(stats.loss, trace.loss, kTolerance, kTolerance, "loss " + c.text());
      expect_gradient(*network, c, Mode::kCoded, trace, groups);
    }
}

// The ReLU network of the same description: its maximum pools are of activations.
void relu() {
  Random random(704);
  for (const CaseSpec& spec : specs(ttfs(8))) {
    const oracle::Options groups = by_groups();
    const Case c = decided_case(spec, 7, Mode::kAnn, random, 1e-5, groups);
    const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kAnn, c.batch(), groups);
    const auto network = make_network(c);
    StepStats stats;
    expect_ok(network->gradients(c.batch(), Mode::kAnn, no_stop(), &stats), "gradients " + c.text());
    expect_near(stats.loss, trace.loss, kTolerance, kTolerance, "loss " + c.text());
    expect_gradient(*network, c, Mode::kAnn, trace, groups);
  }
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
    const std::vector<std::vector<uint8_t>> bytes = traced(*network, c, &logits, &stats);
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
    const std::vector<std::vector<uint8_t>> bytes = traced(*network, c, &logits, &stats);
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

// ---- training

OptimizerOptions adam() {
  OptimizerOptions o;
  o.kind = OptimizerKind::kAdam;
  o.learning_rate = o.neuron_learning_rate = 0.01f;
  return o;
}

Case fixed_case(const SpikeCode& code, int threads, Precision precision, int images) {
  CaseSpec spec = specs(code)[1];
  spec.on.threads = threads, spec.on.precision = precision;
  spec.layers[4].dropout = 0.3f;
  Random random(707);
  return make_case(spec, images, random);
}

void train(Network& network, const Case& c, int steps) {
  StepStats stats;
  for (int i = 0; i < steps; ++i) expect_ok(network.train(c.batch(), Mode::kSnn, adam(), no_stop(), &stats), "train");
}

void any_number_of_threads() {
  for (const SpikeCode& code : {ttfs(8), radix(4)})
    for (Precision precision : {Precision::kFp32, Precision::kMixed}) {
      std::vector<float> first;
      for (int threads : {1, 3}) {
        const Case c = fixed_case(code, threads, precision, 23);
        const auto network = make_network(c);
        train(*network, c, 3);
        const std::vector<float> bits = read_bits(*network, TensorKind::kParameter);
        if (first.empty()) first = bits;
        expect(!std::memcmp(bits.data(), first.data(), bits.size() * sizeof(float)),
               std::to_string(threads) + " threads");
      }
    }
}

void resumed() {
  for (const SpikeCode& code : {ttfs(8), radix(4)}) {
    const Case c = fixed_case(code, 1, Precision::kFp32, 9);
    const auto whole = make_network(c), stopped = make_network(c), continued = make_network(c);
    train(*whole, c, 5), train(*stopped, c, 2);
    for (int tensor = 0; tensor < int(stopped->tensors().size()); ++tensor)
      for (TensorKind kind : {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1}) {
        const TensorInfo& info = stopped->tensors()[size_t(tensor)];
        if (kind != TensorKind::kParameter && info.name.find("running") != std::string::npos) continue;
        std::vector<float> values(size_t(info.size));
        expect_ok(stopped->read(kind, tensor, values.data()), "read " + info.name);
        expect_ok(continued->write(kind, tensor, values.data()), "write " + info.name);
      }
    continued->set_optimizer_steps(stopped->optimizer_steps());
    continued->set_random_step(stopped->random_step());
    train(*continued, c, 3);
    expect(read_bits(*whole, TensorKind::kParameter) == read_bits(*continued, TensorKind::kParameter), "bit-identical");
  }
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

void add_code_cases(Tests& tests) {
  tests.push_back({"code inference against the oracle", inference});
  tests.push_back({"code gradients against the oracle", gradients});
  tests.push_back({"code networks as ANNs with maximum pools", relu});
  tests.push_back({"code window watched step by step", watched_step_by_step});
  tests.push_back({"code radix bit by bit", bit_by_bit});
  tests.push_back({"code training with any number of threads", any_number_of_threads});
  tests.push_back({"code training resumed", resumed});
}

void add_code_tests(Tests& tests) {
  tests.push_back({"code levels, values and borders", levels_are_codes});
  tests.push_back({"code slopes against finite differences", slopes});
  tests.push_back({"code parameters in their ranges", ranges});
  tests.push_back({"code descriptions and calls that are refused", refusals});
  add_code_cases(tests);
}

}  // namespace onespike::test
