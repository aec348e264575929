// Distillation: loss and gradients with the logits of a teacher against the oracle, and what is refused.
#include <cmath>

#include "ops/loss/distillation.h"
#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

Case taught(Case c, Random& random) {
  for (size_t i = 0; i < c.labels.size() * size_t(c.spec.layers.back().out); ++i)
    c.teacher.push_back(float(3 * random.normal()));
  return c;
}

oracle::Options options_of(const Case& c, const LossOptions& loss) {
  oracle::Options options;
  options.teacher = {c.teacher.begin(), c.teacher.end()};
  options.distillation = loss.distillation.weight, options.temperature = loss.distillation.temperature;
  options.label_smoothing = loss.label_smoothing;
  return options;
}

void equals_oracle(Mode mode) {
  Random random(91);
  for (int round = 0; round < cases(20); ++round) {
    const Case c = taught(decided_case(random_spec(random), random.between(1, 5), mode, random), random);
    LossOptions loss;
    loss.label_smoothing = random.pick({0.0f, 0.2f});
    loss.distillation = {random.pick({0.1f, 0.5f, 1.0f}), random.pick({0.5f, 1.0f, 4.0f})};
    const oracle::Options options = options_of(c, loss);
    const oracle::Forward trace = oracle::forward(c.spec, c.parameters, mode, c.batch(), options);
    expect_step(*make_network(c), c, mode, trace, options, loss);
  }
}

Case small_case(Random& random) {
  return taught(decided_case(network_spec(2, 5, 5, 3, {conv(8), pool(2), linear(9), output(4)}), 3, Mode::kSnn, random),
                random);
}

// Steps with a teacher and without one, in turns, are steps of different kinds.
void in_turns() {
  Random random(92);
  const Case c = small_case(random);
  const auto a = make_network(c);
  LossOptions loss;
  loss.distillation = {0.5f, 2.0f};
  const double with = oracle::forward(c.spec, c.parameters, Mode::kSnn, c.batch(), options_of(c, loss)).loss,
               without = oracle::forward(c.spec, c.parameters, Mode::kSnn, c.batch()).loss;
  expect(std::fabs(with - without) > 1e-3, "the teacher matters");
  StepStats stats;
  for (int round = 0; round < 4; ++round) {
    expect_ok(a->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss), "gradients");
    expect_near(stats.loss, with, 1e-4, 1e-4, "with a teacher");
    expect_ok(a->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
    expect_near(stats.loss, without, 1e-4, 1e-4, "logits that nobody asked for are not looked at");
  }
}

void refused() {
  Random random(93);
  Case c = small_case(random);
  const auto a = make_network(c);
  StepStats stats;
  for (const Distillation& wrong : {Distillation{-0.1f, 1}, Distillation{1.1f, 1}, Distillation{0.5f, 0},
                                    Distillation{NAN, 1}, Distillation{0.5f, HUGE_VALF}}) {
    LossOptions loss;
    loss.distillation = wrong;
    expect(a->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss).code == Code::kArg, "out of range");
  }
  c.teacher.clear();
  LossOptions loss;
  loss.distillation = {0.5f, 1};
  expect(a->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss).code == Code::kArg, "no logits of a teacher");
}

// Probabilities 3/4, 1/4 and, of the teacher, 1/4, 3/4 at temperature 2: logits differ by 2 ln 3.
void by_hand() {
  const float own[2] = {2 * std::log(3.0f), 0}, other[2] = {0, 2 * std::log(3.0f)};
  float d[2] = {0.3f, -0.3f};
  const double loss = distillation_loss(own, other, 2, {0.25f, 2}, d);
  expect_near(loss, 0.25 * 4 * 0.5 * std::log(3.0), 1e-6, 0, "loss");
  expect_near(d[0], 0.75 * 0.3 + 0.25 * 2 * 0.5, 1e-6, 0, "gradient");
  expect_near(d[1], -0.75 * 0.3 - 0.25 * 2 * 0.5, 1e-6, 0, "gradient");
  expect(distillation_loss(own, own, 2, {1, 2}, d) == 0 && d[0] == 0 && d[1] == 0, "nothing to learn from oneself");
}

}  // namespace

void add_distillation_tests(Tests& tests) {
  tests.push_back({"distillation equals oracle: SNN", [] { equals_oracle(Mode::kSnn); }});
  tests.push_back({"distillation equals oracle: ANN", [] { equals_oracle(Mode::kAnn); }});
  tests.push_back({"distillation in turns with steps without", in_turns});
  tests.push_back({"distillation that is refused", refused});
  tests.push_back({"distillation by hand", by_hand});
}

}  // namespace onespike::test
