// Schedules: the filter of the forward pass against the kernel for floats, on every instruction set; conversion, early
// exit, updates and what is refused. Gradients are compared in parity_test.cc.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/readout.h"
#include "test/kernels/filter_stage.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

// Weights of steps and thresholds that move, down and up.
void schedules() {
  Random random(18);
  double doubts = 0;
  for (const StageShape& s : filter_shapes())
    for (int T : {1, 4, 20}) {
      const int n = batch_of(s, 3);
      const double size = s.linear ? 8 / std::sqrt(double(s.taps()) * s.src_cs) : 1;
      Stage stage(s, n, T);
      for (float leak : {0.0f, 0.9f, 1.0f})
        for (double change : {1.2, -1.0, 3.0})
          for (bool biased : {false, true}) {
            Neurons p{T, {1.0f, leak}};
            if (biased) p.initial = 0.4f;
            for (int t = 0; t < T; ++t) {
              p.kappa.push_back(float(std::exp2(-change * t / T) * random.uniform(0.7, 1.4)));
              p.theta.push_back(float(std::exp2(-change / 2 * t / T) * random.uniform(0.7, 1.4)));
            }
            stage.set(draw_times(random, n * s.src_size(), T, 0.3), draw(random, s.weights(), size),
                      draw(random, s.out_cs, 0.1));
            expect_same(
                stage, biased, p,
                "T " + std::to_string(T) + " leak " + std::to_string(leak) + " change " + std::to_string(change));
            expect(stage.filtered(), "the filter is used");
            doubts += stage.doubts();
          }
    }
  expect(doubts > 0, "some neurons are left in doubt");
}

// A threshold that falls is reached by a potential that nothing adds to any more.
void late_spikes() {
  const StageShape s = filter_shapes()[0];
  Stage stage(s, 1, 4);
  stage.set(Bytes(size_t(s.src_size()), 1), Values(size_t(s.weights()), 1.0f / 512), Values(size_t(s.out_cs)));
  const Neurons p{4, {1.0f, 1.0f}, {1, 1, 1, 1}, {4, 4, 0.25f, 4}};
  for (const bool floats : {true, false}) {
    const Bytes times = stage.times(floats, false, p);
    expect(std::count(times.begin(), times.end(), 3) > 0 && std::count(times.begin(), times.end(), 1) == 0,
           "neurons fire at step 3, where the threshold is low");
  }
  expect(stage.filtered(), "the filter is used");
}

CaseSpec scheduled_spec() {
  CaseSpec spec =
      network_spec(2, 7, 6, 5, {conv(9, 3, 1, 1, true), pool(2), conv(17), linear(19, true), output(5, true)});
  spec.schedules = true;
  return spec;
}

int tensor_named(const Network& network, const std::string& name) {
  for (size_t i = 0; i < network.tensors().size(); ++i)
    if (network.tensors()[i].name == name) return int(i);
  throw std::runtime_error("no tensor " + name);
}

// With kappa = theta = 1 a network computes what one without schedules computes, to the last bit.
void ones_change_nothing() {
  Random random(81);
  CaseSpec plain = scheduled_spec();
  plain.schedules = false;
  const Case c = make_case(plain, 6, random);
  Case scheduled = c;
  scheduled.spec.schedules = true;
  for (oracle::LayerParameters& p : scheduled.parameters)
    if (!p.weight.empty()) p.kappa.assign(5, 1.0), p.theta.assign(5, 1.0);
  const auto one = make_network(c), other = make_network(scheduled);
  std::vector<float> logits[2];
  StepStats stats;
  for (Mode mode : {Mode::kSnn, Mode::kAnn}) {
    int i = 0;
    for (Network* network : {one.get(), other.get()}) {
      ForwardOutputs out;
      logits[i].resize(6 * 5), out.logits = logits[i].data();
      expect_ok(network->forward(c.batch(), mode, out, no_stop(), &stats), "forward");
      expect_ok(network->gradients(c.batch(), mode, no_stop(), &stats), "gradients");
      ++i;
    }
    expect(logits[0] == logits[1], "the same logits");
    for (const TensorInfo& info : one->tensors()) {
      std::vector<float> a(size_t(info.size)), b(size_t(info.size));
      expect_ok(one->read(TensorKind::kGradient, tensor_named(*one, info.name), a.data()), "read");
      expect_ok(other->read(TensorKind::kGradient, tensor_named(*other, info.name), b.data()), "read");
      expect(a == b, "the same gradient of " + info.name);
    }
  }
}

// Weighted input is what reaches the neuron: kappa is part of it, and theta is none of it.
void conversion() {
  Random random(82);
  for (int attempt = 0; attempt < 100; ++attempt) {
    const Case c = make_case(scheduled_spec(), 4, random);
    oracle::Parameters reference = c.parameters;
    oracle::calibrate(c.spec, reference, c.batch(), 95, 0.8);
    if (oracle::forward(c.spec, reference, Mode::kSnn, c.batch()).margin < 1e-4) continue;
    const auto network = make_network(c);
    expect_ok(network->calibrate(c.batch(), 95, 0.8, no_stop()), "calibrate");
    const oracle::Parameters value = read_parameters(*network, TensorKind::kParameter);
    for (size_t l = 0; l < value.size(); ++l) {
      if (value[l].weight.empty()) continue;
      expect_near(value[l].threshold, reference[l].threshold, 1e-4, 0, "threshold of layers." + std::to_string(l));
      expect(value[l].kappa == c.parameters[l].kappa && value[l].theta == c.parameters[l].theta, "schedules are kept");
    }
    return;
  }
  throw std::runtime_error("no calibration without a tie");
}

// An image ends at the first step at which an output neuron passes its threshold of that step.
void early_exit() {
  Random random(83);
  const Case c = make_case(scheduled_spec(), 40, random);
  const auto network = make_network(c);
  const int T = 5, K = 5;
  const oracle::LayerParameters& last = c.parameters.back();
  std::vector<float> potentials(40 * T * K), logits(40 * K);
  ForwardOutputs all;
  all.potentials = potentials.data();
  StepStats stats;
  expect_ok(network->forward(c.batch(), Mode::kSnn, all, no_stop(), &stats), "all steps");
  std::vector<uint8_t> steps(40);
  ForwardOutputs early;
  early.logits = logits.data(), early.decision_steps = steps.data();
  const std::vector<float> theta(last.theta.begin(), last.theta.end());
  int decided_early = 0;
  for (int call = 0; call < 3; ++call) {
    expect_ok(network->forward(c.batch(), Mode::kSnn, early, no_stop(), &stats), "early exit");
    for (int n = 0; n < 40; ++n) {
      const float* u = &potentials[size_t(n * T * K)];
      ReadoutParams p{T, c.spec.alpha, c.spec.beta, float(last.threshold), 1, {}, theta.data()};
      int step = T;
      for (int k = 0; k < K; ++k) step = std::min(step, readout_time(u + k, K, p));
      const std::string image = " of image " + std::to_string(n);
      expect(steps[size_t(n)] == step, "decision" + image);
      decided_early += step < T;
      p.timesteps = step;
      for (int k = 0; k < K; ++k)
        expect_near(logits[size_t(n * K + k)], readout_logit(u + k, K, readout_time(u + k, K, p), p), 1e-5, 1e-5,
                    "logit" + image);
    }
  }
  expect(decided_early > 0, "some images are decided before the last step");
}

// Updates of logarithms: within a rounding of the oracle's, and never out of range.
void updates(OptimizerKind kind) {
  Random random(84);
  const Case c = make_case(scheduled_spec(), 4, random);
  const auto network = make_network(c);
  OptimizerOptions o;
  o.kind = kind, o.learning_rate = 0.01f, o.neuron_learning_rate = 0.02f, o.weight_decay = 0.01f, o.clip_norm = 0.5f;
  o.amsgrad = kind == OptimizerKind::kAdam;
  oracle::OptimizerState state;
  StepStats stats;
  for (int step = 0; step < 4; ++step) {
    oracle::Parameters reference = read_parameters(*network, TensorKind::kParameter);
    expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
    const oracle::Parameters gradient = read_parameters(*network, TensorKind::kGradient);
    expect_near(stats.gradient_norm, oracle::gradient_norm(gradient), 1e-5, 1e-9, "norm");
    const oracle::Parameters before = reference;
    oracle::optimizer_step(o, reference, gradient, state);
    expect_ok(network->train(c.batch(), Mode::kSnn, o, no_stop(), &stats), "train");
    const oracle::Parameters after = read_parameters(*network, TensorKind::kParameter);
    for (size_t l = 0; l < after.size(); ++l)
      for (size_t t = 0; t < after[l].kappa.size(); ++t) {
        const std::string at = " of layers." + std::to_string(l) + " at step " + std::to_string(t + 1);
        expect_near(after[l].kappa[t], reference[l].kappa[t], 5e-7, 0, "kappa" + at);
        expect_near(after[l].theta[t], reference[l].theta[t], 5e-7, 0, "theta" + at);
        if (step == 0) expect((after[l].kappa[t] - before[l].kappa[t]) * gradient[l].kappa[t] <= 0, "downhill" + at);
      }
    expect_tensors(*network, read_parameters(*network, TensorKind::kSlot0), state.slot0, 1e-5, 1e-12, "slot0");
  }
  o.neuron_learning_rate = 100, o.clip_norm = 0;
  for (int step = 0; step < 3; ++step) expect_ok(network->train(c.batch(), Mode::kSnn, o, no_stop(), &stats), "train");
  bool at_bound = false;
  for (const oracle::LayerParameters& p : read_parameters(*network, TensorKind::kParameter))
    for (const oracle::Values* schedule : {&p.kappa, &p.theta})
      for (double w : *schedule) {
        expect(w >= 0x1p-20 && w <= 0x1p20, "in range: " + std::to_string(w));
        at_bound |= w == 0x1p-20 || w == 0x1p20;
      }
  expect(at_bound, "a bound was reached");
}

void ranges() {
  std::unique_ptr<Network> network;
  expect_ok(create_network(scheduled_spec(), &network), "create");
  for (const std::string& name : {std::string("layers.0.kappa"), std::string("layers.4.theta")}) {
    const int tensor = tensor_named(*network, name);
    std::vector<float> values(5);
    expect_ok(network->read(TensorKind::kParameter, tensor, values.data()), "read");
    expect(values == std::vector<float>(5, 1.0f), name + " is 1 at first");
    for (float odd : {0.0f, -1.0f, 1e-7f, 2e6f, std::numeric_limits<float>::quiet_NaN()}) {
      const Status status = network->write(TensorKind::kParameter, tensor, 3, 1, &odd);
      expect(status.code == Code::kArg && status.message.find(name + "[3]") != std::string::npos, status.message);
    }
    expect_ok(network->read(TensorKind::kParameter, tensor, values.data()), "read");
    expect(values == std::vector<float>(5, 1.0f), name + " is kept");
  }
  CaseSpec plain = scheduled_spec();
  plain.schedules = false;
  std::unique_ptr<Network> without;
  expect_ok(create_network(plain, &without), "create");
  expect(without->tensors().size() + 8 == network->tensors().size(), "two more tensors for every weighted layer");
}

// Dropout, the rate encoder, and the number of threads: repeated steps are bit-identical, and so is a resumed run.
void same_bits(Encoder encoder) {
  const auto spec = [&](int threads) {
    CaseSpec noisy = scheduled_spec();
    noisy.layers[0].dropout = 0.2f, noisy.layers[3].dropout = 0.5f;
    noisy.encoder = encoder, noisy.on.threads = threads;
    return noisy;
  };
  Random random(85);
  const Case c = make_case(spec(1), 9, random);
  OptimizerOptions o;
  o.kind = OptimizerKind::kAdam, o.neuron_learning_rate = 0.02f;
  std::vector<float> first;
  for (int threads : {1, 3}) {
    Case mine = c;
    mine.spec = spec(threads);
    const auto network = make_network(mine);
    StepStats stats;
    for (int step = 0; step < 3; ++step)
      expect_ok(network->train(c.batch(), Mode::kSnn, o, no_stop(), &stats), "train");
    const std::vector<float> parameters = read_bits(*network, TensorKind::kParameter);
    if (first.empty()) first = parameters;
    expect(first == parameters, std::to_string(threads) + " threads and 1 are not bit-identical");
    for (float p : parameters) expect(std::isfinite(p), "finite");
  }
}

}  // namespace

void add_schedule_tests(Tests& tests) {
  tests.push_back({"schedules of ones change nothing", ones_change_nothing});
  tests.push_back({"schedules: conversion", conversion});
  tests.push_back({"schedules: early exit", early_exit});
  tests.push_back({"schedules: updates of SGD", [] { updates(OptimizerKind::kSgd); }});
  tests.push_back({"schedules: updates of Adam", [] { updates(OptimizerKind::kAdam); }});
  tests.push_back({"schedules: updates of AdamW", [] { updates(OptimizerKind::kAdamW); }});
  tests.push_back({"schedules: numbers out of range are refused", ranges});
  tests.push_back({"schedules: threads change nothing", [] { same_bits(Encoder::kHybrid); }});
  tests.push_back({"schedules: threads change nothing, rate encoder", [] { same_bits(Encoder::kRate); }});
}

void add_filter_schedule_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  for (size_t target = 0; target < targets.size(); ++target) {
    tests.push_back(
        {"filter: same spikes as in floats with schedules, " + targets[target], on_cpu_target(target, schedules)});
    tests.push_back({"filter: a threshold that falls, " + targets[target], on_cpu_target(target, late_spikes)});
  }
}

}  // namespace onespike::test
