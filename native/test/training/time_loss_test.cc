// The loss over all steps: gradients against the oracle, and what is refused.
#include <cmath>

#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

std::vector<float> draw_weights(Random& random, int timesteps) {
  std::vector<double> drawn;
  double sum = 0;
  for (int t = 0; t < timesteps; ++t) {
    drawn.push_back(t + 1 < timesteps && random.chance(0.3) ? 0 : random.uniform(0.1, 1));
    sum += drawn.back();
  }
  std::vector<float> weights;
  for (const double w : drawn) weights.push_back(float(w / sum));
  return weights;
}

void equals_oracle(bool schedules) {
  Random random(94 + schedules);
  for (int round = 0; round < cases(20); ++round) {
    CaseSpec spec = random_spec(random);
    spec.schedules = schedules;
    Case c = decided_case(spec, random.between(1, 5), Mode::kSnn, random);
    LossOptions loss;
    loss.time_weights = draw_weights(random, spec.timesteps);
    oracle::Options options;
    options.time_weights = {loss.time_weights.begin(), loss.time_weights.end()};
    if (random.chance(0.5)) {
      for (size_t i = 0; i < c.labels.size() * size_t(spec.layers.back().out); ++i)
        c.teacher.push_back(float(random.normal()));
      loss.distillation = {0.4f, 2};
      options.teacher = {c.teacher.begin(), c.teacher.end()};
      options.distillation = loss.distillation.weight, options.temperature = 2;
    }
    const oracle::Forward trace = oracle::forward(c.spec, c.parameters, Mode::kSnn, c.batch(), options);
    expect_step(*make_network(c), c, Mode::kSnn, trace, options, loss);
  }
}

// All weight on the last step is the loss without weights, to the last bit.
void last_step_alone() {
  Random random(96);
  for (const bool schedules : {false, true}) {
    CaseSpec spec = network_spec(2, 5, 5, 4, {conv(8), pool(2), linear(9, true), output(40)});
    spec.schedules = schedules;
    const Case c = decided_case(spec, 4, Mode::kSnn, random);
    const auto network = make_network(c);
    LossOptions loss;
    loss.time_weights = {0, 0, 0, 1};
    StepStats plain, weighted;
    for (int round = 0; round < 3; ++round) {
      expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &plain), "gradients");
      const std::vector<float> gradient = read_bits(*network, TensorKind::kGradient);
      expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &weighted, loss), "gradients");
      expect(weighted.loss == plain.loss && read_bits(*network, TensorKind::kGradient) == gradient, "bit-identical");
    }
  }
}

void refused() {
  Random random(97);
  const Case c = decided_case(network_spec(1, 4, 4, 3, {linear(5), output(3)}), 2, Mode::kSnn, random);
  const auto network = make_network(c);
  StepStats stats;
  for (const std::vector<float>& wrong : {std::vector<float>{1},
                                          {0.5f, 0.5f},
                                          {0.5f, 0.5f, 0.5f},
                                          {-0.5f, 0.5f, 1},
                                          {0, NAN, 1},
                                          {0.25f, 0.25f, 0.25f, 0.25f}}) {
    LossOptions loss;
    loss.time_weights = wrong;
    expect(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss).code == Code::kArg, "wrong weights");
  }
  LossOptions loss;
  loss.time_weights = {0, 0.5f, 0.5f};
  expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss), "right weights");
  for (const Mode mode : {Mode::kAnn, Mode::kBinary})
    expect(network->gradients(c.batch(), mode, no_stop(), &stats, loss).code == Code::kArg, "an ANN has no steps");
}

}  // namespace

void add_time_loss_tests(Tests& tests) {
  tests.push_back({"loss over time equals oracle", [] { equals_oracle(false); }});
  tests.push_back({"loss over time equals oracle: schedules", [] { equals_oracle(true); }});
  tests.push_back({"loss over time of the last step alone", last_step_alone});
  tests.push_back({"loss over time that is refused", refused});
}

}  // namespace onespike::test
