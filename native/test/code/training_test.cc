// Training of networks with a code: threads, resumption, relaxed layers, penalties.
#include <algorithm>
#include <cmath>

#include "ops/code/penalty.h"
#include "test/ann/norm_cases.h"
#include "test/code/code_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

Case fixed_case(const SpikeCode& code, int threads, Precision precision, int images) {
  CaseSpec spec = code_specs(code)[1];
  spec.on.threads = threads, spec.on.precision = precision;
  spec.layers[4].dropout = 0.3f;
  Random random(707);
  return make_case(spec, images, random);
}

void any_number_of_threads() {
  for (const SpikeCode& code : {ttfs(8), radix(4)})
    for (Precision precision : {Precision::kFp32, Precision::kMixed})
      expect_same_on_threads([&](int threads) {
        const Case c = fixed_case(code, threads, precision, 23);
        const auto network = make_network(c);
        train(*network, c, Mode::kSnn, adam(), 3);
        return read_bits(*network, TensorKind::kParameter);
      });
}

// In mixed precision codes and logits are exact, because their products stay in 32 bits, and so do those of gradients
// on a GPU; a CPU takes them from bf16, which has 8 bits of mantissa.
void mixed_precision() {
  for (const SpikeCode& code : {ttfs(8), radix(4)}) {
    const Case exact = fixed_case(code, 2, Precision::kFp32, 9), mixed = fixed_case(code, 2, Precision::kMixed, 9);
    const auto network = make_network(exact), other = make_network(mixed);
    std::vector<float> logits, same;
    StepStats stats;
    expect(traced_codes(*network, exact, &logits, &stats) == traced_codes(*other, mixed, &same, &stats),
           "codes " + exact.text());
    expect(logits == same, "logits " + exact.text());
    const std::vector<float> wanted = gradients_of(*network, exact, Mode::kSnn, {}),
                             got = gradients_of(*other, mixed, Mode::kSnn, {});
    double difference = 0, norm = 0;
    for (size_t i = 0; i < wanted.size(); ++i)
      difference += std::pow(got[i] - wanted[i], 2), norm += std::pow(double(wanted[i]), 2);
    expect(std::sqrt(difference) <= 1e-2 * std::sqrt(norm), "gradients " + exact.text());
    if (subject().on.kind == BackendKind::kCpu) expect(difference > 0, "from bf16 " + exact.text());
  }
}

void resumed() {
  for (const SpikeCode& code : {ttfs(8), radix(4)}) {
    const Case c = fixed_case(code, 1, Precision::kFp32, 9);
    const auto whole = make_network(c), stopped = make_network(c), continued = make_network(c);
    train(*whole, c, Mode::kSnn, adam(), 5), train(*stopped, c, Mode::kSnn, adam(), 2);
    take_over(*continued, *stopped, {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1});
    train(*continued, c, Mode::kSnn, adam(), 3);
    expect(read_bits(*whole, TensorKind::kParameter) == read_bits(*continued, TensorKind::kParameter), "bit-identical");
  }
}

// Layers that are all relaxed are those of the ANN: bit-identical gradients, and none of the code.
void relaxed() {
  Random random(709);
  for (const CaseSpec& spec : code_specs(ttfs(8))) {
    const Case c = make_case(spec, 7, random);
    const auto network = make_network(c);
    LossOptions loss;
    loss.quantised = 0;
    const std::vector<float> ann = gradients_of(*network, c, Mode::kAnn, {});
    const std::vector<float> all = gradients_of(*network, c, Mode::kSnn, loss);
    double difference = 0, norm = 0;
    for (size_t i = 0; i < all.size(); ++i)
      difference += std::pow(all[i] - ann[i], 2), norm += std::pow(double(ann[i]), 2);
    expect(std::sqrt(difference) <= 1e-5 * std::sqrt(norm), "relaxed gradients are those of the ANN " + c.text());
    loss.quantised = 1;
    expect(gradients_of(*network, c, Mode::kSnn, loss) == gradients_of(*network, c, Mode::kSnn, {}),
           "p = 1 is no relaxation");
  }
}

// Which layers are relaxed depends on the step: over many, each of them is about as often as asked for.
void relaxed_at_random() {
  const Case c = fixed_case(ttfs(8), 1, Precision::kFp32, 4);
  const auto network = make_network(c);
  LossOptions loss;
  const std::vector<float> none = gradients_of(*network, c, Mode::kSnn, loss);
  loss.quantised = 0.5f;
  int same = 0;
  for (int step = 0; step < 64; ++step) {
    network->set_random_step(uint64_t(step));
    loss.quantised = 0.5f;
    const std::vector<float> once = gradients_of(*network, c, Mode::kSnn, loss);
    expect(once == gradients_of(*network, c, Mode::kSnn, loss), "the same step draws the same layers");
    loss.quantised = 1;
    same += once == gradients_of(*network, c, Mode::kSnn, loss);
  }
  // Two hidden layers: neither is relaxed in a quarter of the steps.
  expect(same >= 6 && same <= 28, std::to_string(same) + " of 64 steps without a relaxed layer");
  expect(!none.empty(), "gradients");
}

void penalties() {
  Random random(710);
  const Case c = make_case(code_specs(ttfs(8))[1], 6, random);
  const auto network = make_network(c);
  LossOptions loss;
  oracle::Parameters plain, penalised;
  StepStats stats;
  const auto gradients = [&] {
    expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss), "gradients");
    return read_parameters(*network, TensorKind::kGradient);
  };
  plain = gradients();
  loss.kernel_penalty = 0.5f, loss.spike_penalty = 0.01f;
  penalised = gradients();
  const oracle::LayerParameters& p = c.parameters[0];
  const LayerSpec& layer = c.spec.layers[0];
  expect_near(penalised[0].threshold - plain[0].threshold, 2 * 0.5 * (p.threshold - layer.time_constant), 1e-3, 1e-4,
              "t_c");
  expect_near(penalised[0].leak - plain[0].leak, 2 * 0.5 * (p.leak - layer.delay), 1e-3, 1e-4, "t_d");
  const double neurons_per_channel = 8 * 9;
  const float border = float(std::exp(-(8.5 - p.leak) / p.threshold));
  for (int channel = 0; channel < layer.out; ++channel) {
    const SendingSlopes slopes = sending_slopes(float(p.norm_weight[channel]), float(p.norm_bias[channel]), border);
    expect_near(penalised[0].norm_weight[channel] - plain[0].norm_weight[channel],
                0.01 * neurons_per_channel * slopes.weight, 1e-3, 1e-5, "gamma");
    expect_near(penalised[0].norm_bias[channel] - plain[0].norm_bias[channel], 0.01 * neurons_per_channel * slopes.bias,
                1e-3, 1e-5, "beta");
  }
}

// The optimiser moves the logarithm of a step by a gradient over sqrt(neurons * largest integer).
void steps_in_logarithms() {
  Random random(711);
  CaseSpec spec = code_specs(radix(4))[0];
  const Case c = make_case(spec, 5, random);
  const auto network = make_network(c);
  StepStats stats;
  expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
  const oracle::Parameters gradient = read_parameters(*network, TensorKind::kGradient);
  OptimizerOptions sgd;
  sgd.learning_rate = 0, sgd.neuron_learning_rate = 0.1f, sgd.momentum = 0;
  expect_ok(network->train(c.batch(), Mode::kSnn, sgd, no_stop(), &stats), "train");
  const oracle::Parameters after = read_parameters(*network, TensorKind::kParameter);
  for (int stage = 0; stage + 1 < network->spiking_layers(); ++stage) {
    const size_t layer = size_t(network->layer_index(stage));
    const double before = c.parameters[layer].threshold, scale = std::sqrt(double(network->neurons(stage)) * 15);
    expect_near(after[layer].threshold, before * std::exp(-0.1 * before * gradient[layer].threshold / scale), 1e-5, 0,
                "step of layer " + std::to_string(layer));
  }
}

}  // namespace

void add_code_training_cases(Tests& tests) {
  tests.push_back({"code training with any number of threads", any_number_of_threads});
  tests.push_back({"code training in mixed precision", mixed_precision});
  tests.push_back({"code training resumed", resumed});
  tests.push_back({"code training with all layers relaxed", relaxed});
  tests.push_back({"code training with layers relaxed at random", relaxed_at_random});
  tests.push_back({"code training with penalties", penalties});
  tests.push_back({"code training of steps in their logarithm", steps_in_logarithms});
}

}  // namespace onespike::test
