// Network::train against the optimisers written down from PyTorch's definitions: each step starts from the network's
// own float parameters and gradient, so what is compared is the update; the oracle carries its own slots along.
#include <cmath>

#include "core/state/parameters.h"
#include "cpu/update.h"
#include "ops/arithmetic.h"
#include "ops/update.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

OptimizerOptions options(OptimizerKind kind, float rate, float decay, float clip, bool amsgrad = false) {
  OptimizerOptions o;
  o.kind = kind;
  o.learning_rate = rate;
  o.neuron_learning_rate = 0.3f * rate;
  o.weight_decay = decay;
  o.clip_norm = clip;
  o.amsgrad = amsgrad;
  return o;
}

// Every element within 1e-6 of its size plus 1e-4 of the largest step of its tensor (rounding of the float parameter).
void expect_update(const Network& network, const oracle::Parameters& before, oracle::Parameters value,
                   oracle::Parameters reference, const std::string& what) {
  oracle::Parameters start = before;
  for (const TensorInfo& info : network.tensors()) {
    const oracle::Slice a = oracle::find(value, info.name), b = oracle::find(reference, info.name),
                        s = oracle::find(start, info.name);
    double step = 0.0;
    for (int64_t i = 0; i < a.size; ++i) step = std::max(step, std::fabs(b.data[i] - s.data[i]));
    for (int64_t i = 0; i < a.size; ++i)
      expect_near(a.data[i], b.data[i], 2e-7, 1e-5 * step + 1e-10, what + " " + info.name);
  }
}

void steps(const OptimizerOptions& o, Mode mode, uint64_t seed) {
  Random random(seed);
  CaseSpec spec =
      network_spec(3, 6, 7, 4, {conv(9, 3, 1, 1, true), pool(2), conv(17), linear(19, true), output(5, true)});
  spec.on.threads = 2;
  const Case c = make_case(spec, 4, random);
  const auto network = make_network(c);
  oracle::OptimizerState state;
  StepStats stats;
  for (int step = 0; step < 5; ++step) {
    const std::string what = "step " + std::to_string(step + 1) + " kind " + std::to_string(int(o.kind));
    const oracle::Parameters before = read_parameters(*network, TensorKind::kParameter);
    expect_ok(network->gradients(c.batch(), mode, no_stop(), &stats), "gradients");
    const oracle::Parameters gradient = read_parameters(*network, TensorKind::kGradient);
    expect_near(stats.gradient_norm, oracle::gradient_norm(gradient), 1e-5, 1e-9, "gradient norm");
    oracle::Parameters reference = before;
    oracle::optimizer_step(o, reference, gradient, state);
    expect_ok(network->train(c.batch(), mode, o, no_stop(), &stats), "train");
    expect(network->optimizer_steps() == step + 1, what + ": step count " + std::to_string(network->optimizer_steps()));
    expect_near(stats.gradient_norm, oracle::gradient_norm(gradient), 1e-5, 1e-9, what + " norm before clipping");
    expect_update(*network, before, read_parameters(*network, TensorKind::kParameter), reference, what);
    expect_tensors(*network, read_parameters(*network, TensorKind::kSlot0), state.slot0, 1e-5, 1e-12, what + " slot0");
    if (o.kind == OptimizerKind::kSgd) continue;
    expect_tensors(*network, read_parameters(*network, TensorKind::kSlot1), state.slot1, 1e-5, 1e-12, what + " slot1");
    if (o.amsgrad)
      expect_tensors(*network, read_parameters(*network, TensorKind::kSlot2), state.slot2, 1e-5, 1e-12,
                     what + " slot2");
  }
}

// Momentum 1/2, rate 1/4, no decay: the gradients 1 and 2 by hand.
void nesterov_by_hand() {
  OptimizerOptions o = options(OptimizerKind::kSgd, 0.25f, 0, 0);
  o.momentum = 0.5f, o.nesterov = true;
  float w = 4, m = 0;
  sgd_update<ScalarArithmetic<float>>(w, 1.0f, m, update_inputs(o, 1).weights);
  expect(m == 1 && w == 4 - 0.25f * 1.5f, "the first step: 1 + 1/2");
  sgd_update<ScalarArithmetic<float>>(w, 2.0f, m, update_inputs(o, 2).weights);
  expect(m == 2.5f && w == 4 - 0.25f * 1.5f - 0.25f * 3.25f, "the second step: 2 + 5/4");
}

// From the same parameters and gradient, a decay moves weights and leaves biases, thresholds and leaks to the bit.
void decay_of_weights_alone(OptimizerKind kind, bool nesterov) {
  Random random(38);
  const Case c = make_case(
      network_spec(3, 6, 7, 4, {conv(9, 3, 1, 1, true), pool(2), linear(19, true), output(5, true)}), 4, random);
  const auto decayed = make_network(c), plain = make_network(c);
  StepStats stats;
  for (const auto& [network, decay] : {std::pair{&decayed, 0.3f}, std::pair{&plain, 0.0f}}) {
    OptimizerOptions o = options(kind, 0.01f, decay, 0);
    o.nesterov = nesterov;
    expect_ok((*network)->train(c.batch(), Mode::kSnn, o, no_stop(), &stats), "train");
  }
  for (size_t i = 0; i < plain->tensors().size(); ++i) {
    const TensorInfo& info = plain->tensors()[i];
    std::vector<float> a(size_t(info.size)), b(size_t(info.size));
    expect_ok(decayed->read(TensorKind::kParameter, int(i), a.data()), "read");
    expect_ok(plain->read(TensorKind::kParameter, int(i), b.data()), "read");
    const bool weight = info.name.ends_with(".weight");
    expect((a != b) == weight, info.name + (weight ? " decays" : " does not decay"));
  }
}

// Arithmetic in which a double does not compile: a GPU for games has one unit for them where it has 64 for floats.
struct FloatMath : ScalarArithmetic<float> {
  static float set(float x) { return x; }
  static float set(double) = delete;
};

// One Adam step as its definition reads, every factor in double precision until it meets a float.
float adam_weight(float w, float g, float& m, float& v, const OptimizerOptions& o, int step) {
  const float correction1 = float(1 - std::pow(double(o.beta1), step)),
              correction2 = float(1 - std::pow(double(o.beta2), step));
  if (o.kind == OptimizerKind::kAdamW) w *= float(1 - double(o.learning_rate) * o.weight_decay);
  else g += o.weight_decay * w;
  m = o.beta1 * m + float(1 - double(o.beta1)) * g;
  v = o.beta2 * v + float(1 - double(o.beta2)) * (g * g);
  const float scale = std::sqrt(v) * float(1 / std::sqrt(double(correction2))) + o.epsilon;
  return w - float(double(o.learning_rate) / correction1) * m / scale;
}

void single_precision() {
  Random random(71);
  for (int draw = 0; draw < 200; ++draw) {
    OptimizerOptions o = options(random.pick({OptimizerKind::kAdam, OptimizerKind::kAdamW}),
                                 float(random.uniform(1e-5, 0.1)), float(random.uniform(0, 0.1)), 0);
    o.beta1 = float(random.uniform(0.5, 0.95)), o.beta2 = float(random.uniform(0.9, 0.9999));
    float w = float(random.normal()), expected = w, m[2] = {}, v[2] = {}, top = 0;
    for (int step = 1; step <= 5; ++step) {
      const float g = float(random.normal());
      adam_update<FloatMath>(w, g, m[0], v[0], top, update_inputs(o, step).weights);
      expected = adam_weight(expected, g, m[1], v[1], o, step);
      expect(w == expected && m[0] == m[1] && v[0] == v[1], "draw " + std::to_string(draw) + ", step " +
                                                                std::to_string(step) + ": " + std::to_string(w) +
                                                                " and " + std::to_string(expected));
      float moment = m[0], other = w;
      sgd_update<FloatMath>(other, g, moment, update_inputs(o, step).weights);
    }
  }
}

void clamps() {
  // Rates so large that thresholds and leaks would leave their ranges, within a few draws in either direction.
  bool at_floor = false, at_zero = false, at_one = false;
  OptimizerOptions o = options(OptimizerKind::kAdam, 1e-3f, 0.0f, 0.0f);
  o.neuron_learning_rate = 5.0f;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    const Case c = make_case(network_spec(2, 5, 5, 4, {conv(8), linear(9), output(4)}), 3, random);
    const auto network = make_network(c);
    StepStats stats;
    for (int step = 0; step < 2; ++step) {
      expect_ok(network->train(c.batch(), Mode::kSnn, o, no_stop(), &stats), "train");
      for (const oracle::LayerParameters& p : read_parameters(*network, TensorKind::kParameter)) {
        expect(p.threshold >= double(1e-3f), "threshold " + std::to_string(p.threshold));
        expect(p.leak >= 0.0 && p.leak <= 1.0, "leak " + std::to_string(p.leak));
        at_floor |= p.threshold == double(1e-3f);
        at_zero |= p.leak == 0.0;
        at_one |= p.leak == 1.0;
      }
    }
  }
  expect(at_floor && at_zero && at_one, "every bound was reached");
}

void reset() {
  Random random(4);
  const Case c = make_case(network_spec(2, 5, 5, 3, {conv(8), output(4)}), 2, random);
  const auto network = make_network(c);
  StepStats stats;
  expect_ok(network->train(c.batch(), Mode::kSnn, options(OptimizerKind::kAdam, 0.01f, 0.0f, 0.0f), no_stop(), &stats),
            "train");
  network->reset_optimizer();
  expect(network->optimizer_steps() == 0, "no steps after a reset");
  for (TensorKind slot : {TensorKind::kSlot0, TensorKind::kSlot1, TensorKind::kSlot2})
    for (float v : read_bits(*network, slot)) expect(v == 0.0f, "slots are zero after a reset");
}

// What rests of the moments of a weight without a gradient must not stay among the smallest floats, which are slow;
// what is no number stays none. In vectors and in scalars alike.
void resting_moments() {
  UpdateParams p;
  p.learning_rate = 0.1f, p.momentum = p.beta1 = 0.9f, p.rest1 = 0.1f, p.beta2 = 0.99f, p.rest2 = 0.01f;
  p.epsilon = 1e-8f;
  alignas(64) float w[kLane], g[kLane] = {}, sgd[kLane], first[kLane], second[kLane];
  const auto start = [&] {
    for (int i = 0; i < kLane; ++i) w[i] = 1, sgd[i] = first[i] = second[i] = std::ldexp(1.0f, -8 * i);
    sgd[3] = first[3] = second[3] = NAN;
  };
  const auto check = [&](const std::string& what) {
    for (int i = 0; i < kLane; ++i)
      for (float m : {sgd[i], first[i], second[i]})
        expect(i == 3 ? std::isnan(m) : m == 0, what + " ends with " + std::to_string(double(m) * 1e45) + "e-45");
  };
  constexpr int kSteps = 9000;
  start();
  for (int step = 0; step < kSteps; ++step) {
    cpu::sgd_range(w, g, sgd, kLane, p);
    cpu::adam_range(w, g, first, second, nullptr, kLane, p);
  }
  check("a vector");
  start();
  for (int step = 0; step < kSteps; ++step)
    for (int i = 0; i < kLane; ++i) {
      float top = 0;
      sgd_update<ScalarArithmetic<float>>(w[i], g[i], sgd[i], p);
      adam_update<ScalarArithmetic<float>>(w[i], g[i], first[i], second[i], top, p);
    }
  check("a scalar");
}

}  // namespace

void add_optimizer_tests(Tests& tests) {
  using enum OptimizerKind;
  tests.push_back({"optimizer sgd", [] { steps(options(kSgd, 0.05f, 0.0f, 0.0f), Mode::kSnn, 31); }});
  tests.push_back(
      {"optimizer sgd with decay and clipping", [] { steps(options(kSgd, 0.05f, 0.01f, 0.1f), Mode::kSnn, 32); }});
  tests.push_back({"optimizer sgd of the ANN", [] { steps(options(kSgd, 0.05f, 5e-4f, 0.0f), Mode::kAnn, 33); }});
  const auto nesterov = [](OptimizerOptions o) { return o.nesterov = true, o; };
  tests.push_back({"optimizer nesterov with decay and clipping",
                   [=] { steps(nesterov(options(kSgd, 0.05f, 0.01f, 0.1f)), Mode::kSnn, 39); }});
  tests.push_back(
      {"optimizer nesterov of the ANN", [=] { steps(nesterov(options(kSgd, 0.05f, 5e-4f, 0.0f)), Mode::kAnn, 40); }});
  tests.push_back({"optimizer nesterov, by hand", nesterov_by_hand});
  tests.push_back({"optimizer decays weights alone: sgd", [] { decay_of_weights_alone(kSgd, false); }});
  tests.push_back({"optimizer decays weights alone: nesterov", [] { decay_of_weights_alone(kSgd, true); }});
  tests.push_back({"optimizer decays weights alone: adam", [] { decay_of_weights_alone(kAdam, false); }});
  tests.push_back({"optimizer decays weights alone: adamw", [] { decay_of_weights_alone(kAdamW, false); }});
  tests.push_back({"optimizer adam", [] { steps(options(kAdam, 0.003f, 0.0f, 0.0f), Mode::kSnn, 34); }});
  tests.push_back({"optimizer adam with decay, clipping and amsgrad",
                   [] { steps(options(kAdam, 0.003f, 0.02f, 0.05f, true), Mode::kSnn, 35); }});
  tests.push_back({"optimizer adamw", [] { steps(options(kAdamW, 0.003f, 0.1f, 0.0f), Mode::kSnn, 36); }});
  tests.push_back({"optimizer adamw with amsgrad, of the ANN",
                   [] { steps(options(kAdamW, 0.003f, 0.1f, 1.0f, true), Mode::kAnn, 37); }});
  tests.push_back({"optimizer in single precision, with factors rounded once", single_precision});
  tests.push_back({"optimizer keeps thresholds and leaks in range", clamps});
  tests.push_back({"optimizer reset", reset});
  tests.push_back({"optimizer moments without a gradient end at zero", resting_moments});
}

}  // namespace onespike::test
