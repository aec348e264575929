// Batch normalisation against the oracle: groups of images in training steps of the ANN, running statistics everywhere
// else, and the formulas against finite differences.
#include <cmath>

#include "ops/ann/norm.h"
#include "test/ann/norm_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

constexpr double kTolerance = 1e-4;

CaseSpec of_groups(CaseSpec spec, int group) {
  spec.norm_group = group;
  return spec;
}

// Every kind of stage: strides, padding, pools, biases, channels that fill no vector and several tiles, layers without
// normalisation between others.
std::vector<CaseSpec> norm_specs() {
  return {
      of_groups(network_spec(3, 7, 6, 3,
                             {normalised(conv(12)), pool(2), normalised(conv(20, 3, 1, 1, true)),
                              normalised(linear(30)), output(6, true)}),
                4),
      of_groups(network_spec(2, 9, 8, 4,
                             {normalised(conv(5, 3, 2, 0, true)), conv(7, 3, 1, 1, true), normalised(conv(67, 1, 1, 0)),
                              pool(2), normalised(linear(9, true)), output(3)}),
                3),
      of_groups(network_spec(1, 5, 5, 2, {normalised(linear(17)), linear(6, true), output(4)}), 5),
      of_groups(network_spec(1, 8, 8, 5, {pool(2), normalised(conv(3, 5, 3, 2)), output(2, true)}), 1),
      of_groups(network_spec(2, 9, 8, 3,
                             {current_pool(normalised(conv(5, 3, 1, 1, true)), 2),
                              current_pool(normalised(conv(20)), 2), output(4)}),
                4),
  };
}

OptimizerOptions sgd() {
  OptimizerOptions o;
  o.learning_rate = o.neuron_learning_rate = 0.05f, o.weight_decay = 0.01f;
  return o;
}

// One training step of the ANN: loss, every gradient, and the running statistics that it leaves.
void groups_of(int images) {
  Random random(uint64_t(500 + images));
  const oracle::Options groups = by_groups();
  for (const CaseSpec& spec : norm_specs()) {
    const Case c = decided_case(spec, images, Mode::kAnn, random, 1e-5, groups);
    const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kAnn, c.batch(), groups);
    const auto network = make_network(c);
    StepStats stats = expect_step(*network, c, Mode::kAnn, trace, groups);
    expect_near(stats.gradient_norm, oracle::gradient_norm(read_parameters(*network, TensorKind::kGradient)), 1e-5,
                1e-9, "gradient norm " + c.text());

    oracle::Parameters after = c.parameters;
    oracle::OptimizerState state;
    oracle::optimizer_step(sgd(), after, oracle::backward(spec, c.parameters, Mode::kAnn, c.batch(), trace, groups),
                           state);
    for (size_t l = 0; l < spec.layers.size(); ++l)
      for (int channel = 0; spec.layers[l].norm && channel < spec.layers[l].out; ++channel) {
        double &mean = after[l].running_mean[channel], &variance = after[l].running_var[channel];
        mean = 0.9 * mean + 0.1 * trace.layers[l].mean[channel];
        variance = 0.9 * variance + 0.1 * trace.layers[l].variance[channel];
      }
    expect_ok(network->train(c.batch(), Mode::kAnn, sgd(), no_stop(), &stats), "train " + c.text());
    // Sums of 32 bits, whose order depends on the device: 1.4e-5 is the most that was seen, on an H200.
    expect_tensors(*network, read_parameters(*network, TensorKind::kParameter), after, 2e-5, 1e-3, c.text());
  }
}

// Inference of either kind, and the spiking gradients, by the running statistics.
void running_statistics() {
  Random random(510);
  for (const CaseSpec& spec : norm_specs())
    for (Mode mode : {Mode::kAnn, Mode::kSnn}) {
      const Case c = decided_case(spec, 5, mode, random);
      const oracle::Forward trace = oracle::forward(spec, c.parameters, mode, c.batch());
      const auto network = make_network(c);
      const size_t classes = size_t(spec.layers.back().out);
      std::vector<float> logits(5 * classes);
      ForwardOutputs out;
      out.logits = logits.data();
      StepStats stats;
      expect_ok(network->forward(c.batch(), mode, out, no_stop(), &stats), "forward " + c.text());
      for (size_t i = 0; i < logits.size(); ++i)
        expect_near(logits[i], trace.logits[i], kTolerance, kTolerance, "logit " + c.text());
      if (mode == Mode::kAnn) continue;
      expect_ok(network->gradients(c.batch(), mode, no_stop(), &stats), "gradients " + c.text());
      expect_gradient(*network, c, mode, trace);
      expect_ok(network->calibrate(c.batch(), 99, 1, no_stop()), "calibrate " + c.text());
      oracle::Parameters calibrated = c.parameters;
      oracle::calibrate(spec, calibrated, c.batch(), 99, 1);
      expect_tensors(*network, read_parameters(*network, TensorKind::kParameter), calibrated, 1e-4, 1e-6,
                     "calibrated " + c.text());
    }
}

Case fixed_case(int threads, Precision precision, int images) {
  CaseSpec spec = norm_specs()[0];
  spec.on.threads = threads, spec.on.precision = precision;
  spec.layers[2].dropout = 0.3f;
  Random random(520);
  return make_case(spec, images, random);
}

void any_number_of_threads() {
  for (Precision precision : {Precision::kFp32, Precision::kMixed})
    for (Mode mode : {Mode::kAnn, Mode::kSnn})
      expect_same_on_threads([&](int threads) {
        const Case c = fixed_case(threads, precision, 23);
        const auto network = make_network(c);
        train(*network, c, mode, adam(), 3);
        return read_bits(*network, TensorKind::kParameter);
      });
}

// A network that takes over parameters, slots and counters continues as the one that it took them from.
void resumed() {
  const Case c = fixed_case(1, Precision::kFp32, 9);
  const auto whole = make_network(c), stopped = make_network(c), continued = make_network(c);
  train(*whole, c, Mode::kAnn, adam(), 4), train(*stopped, c, Mode::kAnn, adam(), 2);
  using enum TensorKind;
  take_over(*continued, *stopped, {kParameter, kSlot0, kSlot1});
  train(*continued, c, Mode::kAnn, adam(), 2);
  expect(read_bits(*whole, kParameter) == read_bits(*continued, kParameter), "parameters are bit-identical");
}

// A step that is not finite leaves the running statistics as they were.
void not_finite() {
  Case c = fixed_case(1, Precision::kFp32, 4);
  const auto network = make_network(c);
  for (size_t i = 0; i < network->tensors().size(); ++i)
    if (network->tensors()[i].name == "layers.3.norm.weight") {
      std::vector<float> values(size_t(network->tensors()[i].size), HUGE_VALF);
      expect_ok(network->write(TensorKind::kParameter, int(i), values.data()), "write");
    }
  const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
  StepStats stats;
  expect_ok(network->train(c.batch(), Mode::kAnn, adam(), no_stop(), &stats), "train");
  expect(stats.bad_layer == 3, "the layer at fault: " + std::to_string(stats.bad_layer));
  expect(read_bits(*network, TensorKind::kParameter) == before, "parameters are as they were");
}

void refused_tensors() {
  const auto network = make_network(fixed_case(1, Precision::kFp32, 2));
  for (size_t i = 0; i < network->tensors().size(); ++i) {
    const TensorInfo& info = network->tensors()[i];
    if (info.name.find(".running_") == std::string::npos) continue;
    std::vector<float> values(size_t(info.size), -1.0f);
    const bool variance = info.name.find("running_var") != std::string::npos;
    const Status status = network->write(TensorKind::kParameter, int(i), values.data());
    expect(status.ok() != variance, info.name + ": " + status.message);
    for (TensorKind kind : {TensorKind::kGradient, TensorKind::kSlot0})
      expect(network->write(kind, int(i), values.data()).code == Code::kArg, info.name + " is not trained");
  }
  CaseSpec spec = norm_specs()[0];
  spec.layers.back().norm = true;
  std::unique_ptr<Network> none;
  expect(create_network(spec, &none).code == Code::kArg, "no normalisation of the output layer");
  spec = norm_specs()[0], spec.norm_group = 0;
  expect(create_network(spec, &none).code == Code::kArg, "no groups without images");
}

void group_sizes() {
  const auto sizes = [](int group, int64_t images) {
    std::vector<int64_t> all;
    for (; images > 0; images -= all.back()) all.push_back(norm_group_at(group, images));
    return all;
  };
  using Sizes = std::vector<int64_t>;
  expect(sizes(4, 3) == Sizes{3} && sizes(4, 4) == Sizes{4} && sizes(4, 5) == Sizes{5}, "one group");
  expect(sizes(4, 6) == Sizes({4, 2}) && sizes(4, 9) == Sizes({4, 5}) && sizes(4, 11) == Sizes({4, 4, 3}), "several");
  expect(sizes(5, 7) == Sizes{7} && sizes(5, 8) == Sizes({5, 3}) && sizes(1, 3) == Sizes({1, 1, 1}), "odd groups");
  for (int group = 1; group < 40; ++group)
    for (int64_t images = 1; images < 200; ++images) {
      const std::vector<int64_t> all = sizes(group, images);
      expect(norm_groups(group, images) == int(all.size()), "number of groups");
      for (int64_t size : all) expect(size <= largest_norm_group(group) || all.size() == 1, "the largest group");
    }
}

}  // namespace

void add_norm_cases(Tests& tests) {
  for (int images : {4, 8, 9, 11})
    tests.push_back(
        {"normalised ANN equals oracle: " + std::to_string(images) + " images", [images] { groups_of(images); }});
  tests.push_back({"normalised network equals oracle: running statistics", running_statistics});
  tests.push_back({"normalised network: bit-identical with any number of threads", any_number_of_threads});
  tests.push_back({"normalised network: bit-identical after a resume", resumed});
  tests.push_back({"normalised network: a step that is not finite changes nothing", not_finite});
  tests.push_back({"normalised network: tensors and descriptions that are refused", refused_tensors});
}

void add_norm_tests(Tests& tests) {
  add_norm_cases(tests);
  tests.push_back({"groups of images: sizes", group_sizes});
}

}  // namespace onespike::test
