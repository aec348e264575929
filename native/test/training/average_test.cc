// The exponential moving average of the parameters: what it is, and what computes with it.
#include <algorithm>
#include <cmath>

#include "core/state/parameters.h"
#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

CaseSpec spec_of() {
  CaseSpec spec =
      network_spec(3, 6, 7, 4, {conv(9, 3, 1, 1, true), pool(2), conv(17), linear(19, true), output(5, true)});
  spec.layers[0].dropout = 0.2f;
  spec.on.threads = 2;
  return spec;
}

OptimizerOptions averaging(OptimizerKind kind = OptimizerKind::kAdam, float decay = 0.3f) {
  OptimizerOptions o;
  o.kind = kind;
  o.learning_rate = 0.05f, o.neuron_learning_rate = 0.02f;
  o.average = decay;
  return o;
}

std::vector<float> logits(Network& network, const Case& c, Mode mode, bool averaged) {
  std::vector<float> values(c.labels.size() * 5);
  ForwardOutputs out;
  out.logits = values.data(), out.averaged = averaged;
  StepStats stats;
  expect_ok(network.forward(c.batch(), mode, out, no_stop(), &stats), "forward");
  return values;
}

// Step n keeps min(decay, (n - 1)/(n + 9)) of the average.
void follows_the_parameters(OptimizerKind kind, Mode mode, float decay, bool schedules = false) {
  Random random(91);
  CaseSpec spec = spec_of();
  spec.schedules = schedules;
  const Case c = make_case(spec, 4, random);
  const auto network = make_network(c);
  std::vector<double> expected(read_bits(*network, TensorKind::kParameter).size(), 7.0);
  for (int step = 1; step <= 12; ++step) {
    train(*network, c, mode, averaging(kind, decay));
    const std::vector<float> parameters = read_bits(*network, TensorKind::kParameter),
                             average = read_bits(*network, TensorKind::kAverage);
    const double keep = std::min(double(decay), (step - 1.0) / (step + 9.0));
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = keep * expected[i] + (1 - keep) * parameters[i];
      expect_near(average[i], expected[i], 1e-5, 1e-6,
                  "step " + std::to_string(step) + ", element " + std::to_string(i));
    }
    expect(step > 1 ? average != parameters : average == parameters, "step " + std::to_string(step));
  }
}

// A pass on the average is a pass of a network whose parameters it is, and leaves everything as it was.
void computes_with_it(Mode mode) {
  Random random(92);
  const Case c = make_case(spec_of(), 3, random);
  const auto network = make_network(c), other = make_network(c);
  train(*network, c, mode, averaging(), 5);
  oracle::Parameters average = read_parameters(*network, TensorKind::kAverage);
  write_parameters(*other, average);
  std::vector<float> before = read_bits(*network, TensorKind::kParameter);
  for (int round = 0; round < 3; ++round) {  // the third of a step that a backend has recorded
    const std::vector<float> plain = logits(*network, c, mode, false), with = logits(*network, c, mode, true);
    expect(same_bits(with, logits(*other, c, mode, false)), "the logits of the average");
    expect(!same_bits(with, plain), "which are others than those of the parameters");
    expect(same_bits(read_bits(*network, TensorKind::kParameter), before), "the parameters stay");
    train(*network, c, mode, averaging());
    average = read_parameters(*network, TensorKind::kAverage);
    write_parameters(*other, average);
    before = read_bits(*network, TensorKind::kParameter);
  }
  const std::vector<float> kept = read_bits(*network, TensorKind::kAverage);
  train(*network, c, mode, averaging(OptimizerKind::kAdam, 0));
  expect(same_bits(read_bits(*network, TensorKind::kAverage), kept), "a step without a decay leaves it alone");
  write_parameters(*network, average);
  expect(same_bits(logits(*network, c, mode, false), logits(*network, c, mode, true)), "bit-identical numbers");
}

// Stopped, copied with all that a checkpoint holds, and continued.
void resumes() {
  Random random(93);
  const Case c = make_case(spec_of(), 3, random);
  const auto whole = make_network(c), first = make_network(c), second = make_network(c);
  train(*whole, c, Mode::kSnn, averaging(), 6);
  train(*first, c, Mode::kSnn, averaging(), 3);
  using enum TensorKind;
  take_over(*second, *first, {kParameter, kSlot0, kSlot1, kAverage});
  train(*second, c, Mode::kSnn, averaging(), 3);
  for (TensorKind kind : {kParameter, kSlot1, kAverage})
    expect(same_bits(read_bits(*whole, kind), read_bits(*second, kind)), "kind " + std::to_string(int(kind)));
}

void only_when_asked() {
  Random random(94);
  const Case c = make_case(spec_of(), 3, random);
  const auto network = make_network(c), plain = make_network(c);
  StepStats stats;
  ForwardOutputs out;
  out.averaged = true;
  expect(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats).code == Code::kState, "there is none yet");
  train(*plain, c, Mode::kSnn, averaging(OptimizerKind::kAdam, 0));
  const int64_t bytes = plain->memory_bytes();
  expect(!plain->averaged(), "none without a decay");
  train(*network, c, Mode::kSnn, averaging());
  expect(network->averaged() && network->memory_bytes() > bytes, "one with a decay, and its memory is counted");
  expect(same_bits(read_bits(*network, TensorKind::kParameter), read_bits(*plain, TensorKind::kParameter)),
         "which changes nothing about the parameters");
  network->reset_optimizer();
  expect(!network->averaged() && network->memory_bytes() == bytes, "none after a reset, and its memory is free");
  expect(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats).code == Code::kState, "as before");
  // Begun at a later step it starts from the parameters of that moment.
  network->set_optimizer_steps(1000);
  const std::vector<float> start = read_bits(*network, TensorKind::kParameter);
  train(*network, c, Mode::kSnn, averaging(OptimizerKind::kSgd, 0.75f));
  const std::vector<float> end = read_bits(*network, TensorKind::kParameter),
                           average = read_bits(*network, TensorKind::kAverage);
  for (size_t i = 0; i < start.size(); ++i)
    expect_near(average[i], 0.75 * start[i] + 0.25 * end[i], 1e-5, 1e-6, "element " + std::to_string(i));
}

// A step whose numbers are not finite updates nothing, the average neither.
void not_finite() {
  Random random(95);
  Case c = make_case(spec_of(), 3, random);
  const auto network = make_network(c);
  train(*network, c, Mode::kAnn, averaging(), 2);
  const std::vector<float> average = read_bits(*network, TensorKind::kAverage);
  std::vector<float> infinite(size_t(network->tensors()[0].size), HUGE_VALF);
  expect_ok(network->write(TensorKind::kParameter, 0, infinite.data()), "write");
  StepStats stats;
  expect_ok(network->train(c.batch(), Mode::kAnn, averaging(), no_stop(), &stats), "train");
  expect(stats.bad_layer == 0 && same_bits(read_bits(*network, TensorKind::kAverage), average), "it stays");
}

}  // namespace

void add_average_tests(Tests& tests) {
  using enum OptimizerKind;
  tests.push_back({"average follows the parameters: adam", [] { follows_the_parameters(kAdam, Mode::kSnn, 0.3f); }});
  tests.push_back(
      {"average follows the parameters: sgd of the ANN", [] { follows_the_parameters(kSgd, Mode::kAnn, 0.999f); }});
  tests.push_back(
      {"average follows the parameters: schedules", [] { follows_the_parameters(kAdam, Mode::kSnn, 0.3f, true); }});
  tests.push_back({"average takes the place of the parameters: SNN", [] { computes_with_it(Mode::kSnn); }});
  tests.push_back({"average takes the place of the parameters: ANN", [] { computes_with_it(Mode::kAnn); }});
  tests.push_back({"average continues after a stop", resumes});
  tests.push_back({"average is there only when a step asks for it", only_when_asked});
  tests.push_back({"average of a step that is not finite", not_finite});
}

}  // namespace onespike::test
