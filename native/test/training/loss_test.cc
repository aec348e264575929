// The loss of a training step and its gradient: label smoothing against the oracle and by hand.
#include <cmath>

#include "ops/readout.h"
#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

// Loss, correct predictions and gradients of the network against the oracle under `loss`.
void expect_loss(const Case& c, Mode mode, const LossOptions& loss, const oracle::Options& options) {
  const oracle::Forward trace = oracle::forward(c.spec, c.parameters, mode, c.batch(), options);
  const auto network = make_network(c);
  const StepStats stats = expect_step(*network, c, mode, trace, options, loss);
  expect(stats.correct == trace.correct, "correct predictions " + c.text());
}

void smoothed(Mode mode) {
  Random random(81);
  for (int round = 0; round < cases(20); ++round) {
    LossOptions loss;
    loss.label_smoothing = random.pick({0.1f, 0.3f, 0.9f});
    oracle::Options options;
    options.label_smoothing = loss.label_smoothing;
    expect_loss(decided_case(random_spec(random), random.between(1, 5), mode, random), mode, loss, options);
  }
}

// Gives every image a second label and a share of the first.
Case mixed(Case c, Random& random) {
  for (size_t n = 0; n < c.labels.size(); ++n) {
    c.others.push_back(random.between(0, c.spec.layers.back().out - 1));
    c.shares.push_back(random.pick({0.5f, 0.625f, 0.9f, 1.0f}));
  }
  return c;
}

void two_labels(Mode mode) {
  Random random(83);
  for (int round = 0; round < cases(20); ++round) {
    const Case c = mixed(decided_case(random_spec(random), random.between(1, 5), mode, random), random);
    LossOptions loss;
    loss.label_smoothing = random.pick({0.0f, 0.2f});
    oracle::Options options;
    options.label_smoothing = loss.label_smoothing;
    expect_loss(c, mode, loss, options);
  }
}

// Batches with second labels and without, in turns, are steps of different kinds; early exit knows the labels too.
void two_labels_in_turns() {
  Random random(84);
  const Case c =
      decided_case(network_spec(2, 5, 5, 3, {conv(8), pool(2), linear(9), output(4)}), 5, Mode::kSnn, random);
  Case two = mixed(c, random);
  two.shares.assign(two.shares.size(), 0.625f);
  for (size_t n = 0; n < two.labels.size(); ++n) two.others[n] = (two.labels[n] + 1) % 4;
  const auto a = make_network(c);
  StepStats plain, mixture, other;
  for (int round = 0; round < 4; ++round) {
    expect_ok(a->gradients(c.batch(), Mode::kSnn, no_stop(), &plain), "gradients");
    expect_near(plain.loss, oracle::forward(c.spec, c.parameters, Mode::kSnn, c.batch()).loss, 1e-4, 1e-4, "one label");
    expect_ok(a->gradients(two.batch(), Mode::kSnn, no_stop(), &mixture), "gradients");
    expect_near(mixture.loss, oracle::forward(c.spec, c.parameters, Mode::kSnn, two.batch()).loss, 1e-4, 1e-4, "two");
    expect(mixture.correct == plain.correct, "the first label is the one that counts as correct");
  }
  Case second = c;
  second.labels = two.others;
  std::vector<uint8_t> steps(c.labels.size());
  ForwardOutputs out;
  out.decision_steps = steps.data();
  expect_ok(a->forward(c.batch(), Mode::kSnn, out, no_stop(), &plain), "early exit");
  expect_ok(a->forward(second.batch(), Mode::kSnn, out, no_stop(), &other), "early exit");
  expect_ok(a->forward(two.batch(), Mode::kSnn, out, no_stop(), &mixture), "early exit");
  expect_near(mixture.loss, 0.625 * plain.loss + 0.375 * other.loss, 1e-12, 0, "loss of early exit");
  two.others[1] = 4;
  expect(a->gradients(two.batch(), Mode::kSnn, no_stop(), &mixture).code == Code::kArg, "a second label out of range");
}

// A smoothed step is that step alone: the next one, and a pass without an update, compare with the labels.
void one_call_alone() {
  Random random(82);
  const Case c =
      decided_case(network_spec(2, 5, 5, 3, {conv(8), pool(2), linear(9), output(4)}), 3, Mode::kSnn, random);
  const auto a = make_network(c), b = make_network(c);
  StepStats plain, smooth, after, inference;
  expect_ok(b->gradients(c.batch(), Mode::kSnn, no_stop(), &plain), "gradients");
  const std::vector<float> gradient = read_bits(*b, TensorKind::kGradient);
  expect_ok(a->gradients(c.batch(), Mode::kSnn, no_stop(), &smooth, {0.5f}), "gradients");
  expect(smooth.loss != plain.loss && read_bits(*a, TensorKind::kGradient) != gradient, "smoothing changes the loss");
  expect_ok(a->forward(c.batch(), Mode::kSnn, {}, no_stop(), &inference), "forward");
  expect(inference.loss == plain.loss, "inference knows no smoothing");
  expect_ok(a->gradients(c.batch(), Mode::kSnn, no_stop(), &after), "gradients");
  expect(after.loss == plain.loss && read_bits(*a, TensorKind::kGradient) == gradient, "without it all is as before");
}

// Two classes with logits ln 3 and 0: softmax 3/4 and 1/4.
void by_hand() {
  const float logits[2] = {std::log(3.0f), 0};
  float d[2];
  const double plain = cross_entropy(logits, 2, 0, d);
  expect_near(plain, std::log(4.0 / 3), 1e-7, 0, "loss");
  expect_near(d[0], -0.25, 1e-6, 0, "gradient of the label");
  // Smoothing 0.2: y' = (0.9, 0.1).
  expect_near(cross_entropy(logits, 2, Target(0, 0, 1, 0.2f, 2), d), plain + 0.1 * std::log(3.0), 1e-6, 0,
              "smoothed loss");
  expect_near(d[0], 0.75 - 0.9, 1e-5, 0, "smoothed gradient of the label");
  expect_near(d[1], 0.25 - 0.1, 1e-5, 0, "smoothed gradient of the other class");
  // What counts for nothing is never looked at.
  const float infinite[2] = {0, -HUGE_VALF};
  expect(cross_entropy(infinite, 2, 0, nullptr) == 0, "an infinite logit of another class");
}

}  // namespace

void add_loss_tests(Tests& tests) {
  tests.push_back({"loss with label smoothing equals oracle: SNN", [] { smoothed(Mode::kSnn); }});
  tests.push_back({"loss with label smoothing equals oracle: ANN", [] { smoothed(Mode::kAnn); }});
  tests.push_back({"loss with two labels equals oracle: SNN", [] { two_labels(Mode::kSnn); }});
  tests.push_back({"loss with two labels equals oracle: ANN", [] { two_labels(Mode::kAnn); }});
  tests.push_back({"loss with two labels and with one, in turns", two_labels_in_turns});
  tests.push_back({"loss options hold for one call", one_call_alone});
  tests.push_back({"loss by hand", by_hand});
}

}  // namespace onespike::test
