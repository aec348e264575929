// Relaxed layers of the spiking stage: gradients against the oracle, how often layers are relaxed, and the state of
// training.
#include <cmath>
#include <string>

#include "ops/rng.h"
#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

LossOptions relaxation(float quantised) {
  LossOptions loss;
  loss.quantised = quantised;
  return loss;
}

// The entries of the layer list that a step relaxes.
std::vector<char> relaxed_layers(const NetworkSpec& spec, float quantised, uint64_t step) {
  std::vector<char> relaxed(spec.layers.size(), 0);
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    if (is_pool(spec.layers[l].type) || spec.layers[l].output) continue;
    relaxed[l] = Rng::of(spec.seed, step, Stream::kRelaxed, int(l)).uniform(0) >= quantised ? 1 : 0;
  }
  return relaxed;
}

// Pools of spikes and of currents, normalisation, biases, linear layers that wait for a block, and neurons that begin
// with a potential.
std::vector<CaseSpec> specs() {
  std::vector<CaseSpec> specs = {
      network_spec(3, 7, 6, 4,
                   {conv(9, 3, 1, 1, true), pool(2), conv(18), linear(21, true), linear(8), output(4, true)}),
      network_spec(2, 9, 8, 1, {conv(20, 3, 2, 1), conv(33, 5, 1, 2, true), output(5)}),
      network_spec(2, 8, 8, 3, {current_pool(conv(17, 3, 1, 1, true), 2), conv(5, 1, 1, 0), pool(3), output(3)}),
      network_spec(1, 4, 4, 7, {linear(30, true), linear(40), output(6)}),
      network_spec(3, 3, 3, 2, {output(4)}),
  };
  for (LayerSpec& layer : specs[0].layers) layer.norm = !is_pool(layer.type) && !layer.output;
  specs[1].initial_potential = 0.5f, specs[3].initial_potential = 0.3f;
  specs[1].encoder = Encoder::kTtfs, specs[3].encoder = Encoder::kDirect;
  return specs;
}

void equals_oracle(const std::vector<CaseSpec>& all, float quantised, bool schedules, int images) {
  Random random(141);
  for (const CaseSpec& plain : all)
    for (const uint64_t seed : {1, 2, 3})
      for (const int threads : {1, 3}) {
        CaseSpec spec = plain;
        spec.schedules = schedules, spec.seed = seed, spec.on.threads = threads;
        oracle::Options options;
        options.relaxed = relaxed_layers(spec, quantised, 0);
        const Case c = decided_case(spec, images, Mode::kSnn, random, 1e-5, options);
        const oracle::Forward trace = oracle::forward(c.spec, c.parameters, Mode::kSnn, c.batch(), options);
        expect_step(*make_network(c), c, Mode::kSnn, trace, options, relaxation(quantised));
      }
}

double difference(const std::vector<float>& value, const std::vector<float>& reference) {
  double off = 0, norm = 0;
  for (size_t i = 0; i < value.size(); ++i)
    off += std::pow(double(value[i]) - reference[i], 2), norm += std::pow(double(reference[i]), 2);
  return std::sqrt(off / norm);
}

// Operands of bf16, sums in 32 bits.
void mixed() {
  Random random(142);
  for (const CaseSpec& spec : specs()) {
    const Case c = make_case(spec, 6, random);
    Case rounded = c;
    rounded.spec.on.precision = Precision::kMixed;
    const double off = difference(gradients_of(*make_network(rounded), c, Mode::kSnn, relaxation(0)),
                                  gradients_of(*make_network(c), c, Mode::kSnn, relaxation(0)));
    expect(off < 0.05, "off by " + std::to_string(off) + " of the norm " + c.text());
  }
}

CaseSpec noisy_spec() {
  CaseSpec spec = network_spec(2, 7, 6, 3, {conv(9), pool(2), conv(17), linear(11), output(4)});
  spec.layers[0].dropout = 0.3f, spec.layers[3].dropout = 0.5f;
  spec.seed = 5, spec.initial_potential = 0.25f;
  return spec;
}

// Every layer is relaxed about as often as asked for, by the step alone; with p = 1 none ever is.
void at_random() {
  Random random(143);
  const Case c = make_case(noisy_spec(), 3, random);
  const auto network = make_network(c);
  int same = 0;
  for (int step = 0; step < 64; ++step) {
    network->set_random_step(uint64_t(step));
    const std::vector<float> once = gradients_of(*network, c, Mode::kSnn, relaxation(0.5f)),
                             plain = gradients_of(*network, c, Mode::kSnn, relaxation(1));
    expect(once == gradients_of(*network, c, Mode::kSnn, relaxation(0.5f)), "the same step draws the same layers");
    expect(plain == gradients_of(*network, c, Mode::kSnn, {}), "p = 1 is no relaxation");
    same += once == plain;
  }
  // None of three hidden layers is relaxed in an eighth of the steps.
  expect(same >= 2 && same <= 18, std::to_string(same) + " of 64 steps without a relaxed layer");
}

// A relaxed layer drops nothing.
void dropout() {
  Random random(144);
  const Case c = make_case(noisy_spec(), 4, random);
  Case whole = c;
  for (LayerSpec& layer : whole.spec.layers) layer.dropout = 0;
  expect(gradients_of(*make_network(c), c, Mode::kSnn, relaxation(0)) ==
             gradients_of(*make_network(whole), c, Mode::kSnn, relaxation(0)),
         "bit-identical without dropout");
}

// Threads, and training in two parts: bit-identical. Relaxed layers are seen as layers without spikes.
void resumed() {
  Random random(145);
  Case c = make_case(noisy_spec(), 9, random);
  const auto whole = make_network(c), first = make_network(c);
  c.spec.on.threads = 3;
  const auto second = make_network(c);
  bool silent = false;
  uint64_t step = 0;
  for (const StepStats& stats : train_group(*whole, c, 8, relaxation(0.6f))) {
    const std::vector<char> relaxed = relaxed_layers(c.spec, 0.6f, step++);
    for (size_t i = 0; i < stats.spikes.size(); ++i)
      if (relaxed[size_t(whole->layer_index(int(i)))]) expect(stats.spikes[i] == 0, "no spikes"), silent = true;
  }
  expect(silent, "some layer was relaxed");
  train_group(*first, c, 3, relaxation(0.6f));
  take_over(*second, *first, {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1});
  train_group(*second, c, 5, relaxation(0.6f));
  expect(read_bits(*second, TensorKind::kParameter) == read_bits(*whole, TensorKind::kParameter), "bit-identical");
}

// Steps with a relaxed layer tell nothing of the activity.
void activity() {
  Random random(146);
  const Case c = make_case(noisy_spec(), 5, random);
  const auto network = make_network(c);
  LossOptions loss = relaxation(0);
  loss.activity = {0.05f, 30.0f};
  network->set_activity(0.5);
  train_group(*network, c, 3, loss);
  expect(network->activity() == 0.5, "the running mean is kept");
  loss.quantised = 1;
  train_group(*network, c, 1, loss);
  expect(network->activity() != 0.5, "and goes on with spikes alone");
}

void refused() {
  Random random(147);
  const Case c = make_case(noisy_spec(), 2, random);
  const auto network = make_network(c);
  StepStats stats;
  for (const float odd : {-0.1f, 1.1f, std::nanf("")})
    expect(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, relaxation(odd)).code == Code::kArg,
           "a share out of range");
  for (const Mode mode : {Mode::kAnn, Mode::kBinary}) {
    const Status status = network->gradients(c.batch(), mode, no_stop(), &stats, relaxation(0.5f));
    expect(status.code == Code::kArg && status.message.find("relaxation") != std::string::npos, status.message);
  }
}

}  // namespace

void add_relaxed_tests(Tests& tests) {
  for (const float quantised : {0.0f, 0.5f})
    for (const bool schedules : {false, true}) {
      const std::string what = std::string(quantised == 0 ? "all" : "some") + (schedules ? ", with schedules" : "");
      tests.push_back({"relaxed layers equal the oracle's: " + what,
                       [quantised, schedules] { equals_oracle(specs(), quantised, schedules, 3); }});
    }
  // More images than pass through a network at once.
  tests.push_back({"relaxed layers equal the oracle's: large batches", [] {
                     equals_oracle({network_spec(2, 4, 4, 3, {conv(5), pool(2), linear(6, true), output(3)})}, 0.5f,
                                   false, 70);
                   }});
  tests.push_back({"relaxed layers in mixed precision", mixed});
  tests.push_back({"relaxed layers are drawn by the step", at_random});
  tests.push_back({"relaxed layers drop nothing", dropout});
  tests.push_back({"relaxed layers: training that resumes", resumed});
  tests.push_back({"relaxed layers and the activity", activity});
  tests.push_back({"relaxed layers that are refused", refused});
}

}  // namespace onespike::test
