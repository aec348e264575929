// Early exit against the potentials of all steps: decision steps and logits are those of the first step at which an
// output neuron fires, however often the network is called and whatever it has learnt of the images before.
#include <algorithm>

#include "ops/readout.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr int kClasses = 5;

void agrees_with_potentials(Encoder encoder, int T) {
  Random random(21);
  CaseSpec spec = network_spec(2, 6, 6, T, {conv(20), pool(2), linear(40, true), output(kClasses, true)});
  spec.encoder = encoder;
  if (T > 4) spec.initial_potential = 0.3f;
  const Case c = make_case(spec, 70, random);
  const auto network = make_network(c);
  const int64_t N = int64_t(c.labels.size()), size = T * kClasses;
  const int last = network->spiking_layers() - 1;
  std::vector<float> potentials(size_t(N * size)), logits(size_t(N * kClasses)), highest;
  ForwardOutputs all;
  all.potentials = potentials.data();
  StepStats full, stats;
  expect_ok(network->forward(c.batch(), Mode::kSnn, all, no_stop(), &full), "all steps");

  // A threshold that a fifth of the images never reach, and the others at different steps.
  for (int64_t n = 0; n < N; ++n)
    highest.push_back(*std::max_element(&potentials[n * size], &potentials[n * size] + size));
  std::sort(highest.begin(), highest.end());
  const float threshold = std::max(highest[size_t(N / 5)], 1e-2f) * 1.0001f;
  int tensor = 0;
  while (network->tensors()[tensor].name != "layers." + std::to_string(network->layer_index(last)) + ".threshold")
    ++tensor;
  expect_ok(network->write(TensorKind::kParameter, tensor, &threshold), "threshold");

  std::vector<uint8_t> steps(static_cast<size_t>(N));
  ForwardOutputs early;
  early.logits = logits.data(), early.decision_steps = steps.data();
  for (int call = 0; call < 4; ++call) {
    std::fill(steps.begin(), steps.end(), 0);
    expect_ok(network->forward(c.batch(), Mode::kSnn, early, no_stop(), &stats), "early exit");
    int64_t correct = 0, decided_early = 0;
    double loss = 0;
    for (int64_t n = 0; n < N; ++n) {
      const float* u = &potentials[n * size];
      int step = T + 1;
      for (int t = T; t >= 1; --t)
        if (*std::max_element(u + (t - 1) * kClasses, u + t * kClasses) > threshold) step = t;
      const ReadoutParams readout{std::min(step, T), spec.alpha, spec.beta, threshold, 1, {}};
      const std::string image = " of image " + std::to_string(n) + " in call " + std::to_string(call);
      expect(steps[n] == readout.timesteps, "decision" + image + ": expected step " +
                                                std::to_string(readout.timesteps) + " but received " +
                                                std::to_string(steps[n]));
      decided_early += step < T;
      const float* now = u + (readout.timesteps - 1) * kClasses;
      float expected[kClasses];
      for (int k = 0; k < kClasses; ++k) {
        expected[k] = readout_logit(u + k, kClasses, readout_time(u + k, kClasses, readout), readout);
        expect_near(logits[n * kClasses + k], expected[k], 1e-5, 1e-5, "logit" + image);
      }
      if (step <= T)
        expect(argmax(&logits[n * kClasses], kClasses) == std::max_element(now, now + kClasses) - now,
               "the highest of those that fire first" + image);
      correct += argmax(expected, kClasses) == c.labels[n];
      loss += cross_entropy(expected, kClasses, c.labels[n], nullptr) / double(N);
    }
    expect(T == 1 || decided_early > 0, "some images are decided before the last step");
    expect(stats.correct == correct, "correct answers");
    expect_near(stats.loss, loss, 1e-5, 1e-5, "loss");
    for (int s = 0; s < last; ++s)
      expect(stats.spikes[s] > 0 && stats.spikes[s] <= full.spikes[s], "no more spikes than in all steps");
  }
}

void refusals() {
  Random random(22);
  const Case c = make_case(network_spec(1, 4, 4, 3, {conv(4), output(3)}), 2, random);
  const auto network = make_network(c);
  std::vector<uint8_t> steps(2);
  std::vector<float> potentials(2 * 3 * 3);
  ForwardOutputs out;
  out.decision_steps = steps.data();
  StepStats stats;
  expect(network->forward(c.batch(), Mode::kAnn, out, no_stop(), &stats).code == Code::kArg, "the ANN has no steps");
  out.potentials = potentials.data();
  expect(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats).code == Code::kArg,
         "potentials have all steps");
  out.potentials = nullptr;
  const std::atomic<bool> stop{true};
  expect(network->forward(c.batch(), Mode::kSnn, out, stop, &stats).code == Code::kAborted, "aborted");
  expect_ok(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats), "after an abort");
}

}  // namespace

void add_early_exit_tests(Tests& tests) {
  for (Encoder encoder : kEncoders)
    for (int T : {1, 5, encoder == Encoder::kRadix ? int(limits::kRadixTimesteps.max) : 12})
      tests.push_back({std::string("early exit agrees with the potentials: ") + encoder_entry(encoder).name + ", T " +
                           std::to_string(T),
                       [encoder, T] { agrees_with_potentials(encoder, T); }});
  tests.push_back({"early exit refuses what has all steps", refusals});
}

}  // namespace onespike::test
