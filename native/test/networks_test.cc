// Networks beside each other, and steps that come again: what a device shares between networks, or replays, must not
// show in the results.
#include <thread>

#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {

void on_threads(const std::vector<std::function<void()>>& bodies) {
  std::vector<std::string> errors(bodies.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < bodies.size(); ++i)
    threads.emplace_back([&, i] {
      try {
        bodies[i]();
      } catch (const std::exception& e) {
        errors[i] = e.what();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& error : errors) expect(error.empty(), error);
}

Case mixed_case(int side, int kernel, BackendKind backend, int device) {
  Random random(uint64_t(17 + side));
  CaseSpec spec =
      network_spec(3, side, side, 5, {conv(16, 3, 1, 1, true), conv(16, kernel, 1, kernel / 2), pool(2), output(5)});
  spec.on.kind = backend, spec.on.device = device, spec.on.precision = Precision::kMixed;
  return make_case(spec, 2, random);
}

std::vector<float> trained(Network& network, const Case& c) {
  StepStats stats;
  for (int step = 0; step < 4; ++step)
    expect_ok(network.train(c.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), "step " + std::to_string(step));
  return read_bits(network, TensorKind::kParameter);
}

void two_networks_at_once(BackendKind backend) {
  const Case cases[] = {mixed_case(8, 3, backend), mixed_case(6, 5, backend)};
  std::vector<float> alone[2], together[2];
  for (int i = 0; i < 2; ++i) alone[i] = trained(*make_network(cases[i]), cases[i]);
  on_threads({[&] { together[0] = trained(*make_network(cases[0]), cases[0]); },
              [&] { together[1] = trained(*make_network(cases[1]), cases[1]); }});
  for (int i = 0; i < 2; ++i)
    expect(together[i] == alone[i], "network " + std::to_string(i) + " has other parameters than alone");
}

namespace {

// A profiled network never records, so its results are those of steps that ran call by call.
void repeated_steps(Precision precision) {
  for (Mode mode : {Mode::kSnn, Mode::kAnn}) {
    Random random(91);
    CaseSpec spec = network_spec(3, 8, 8, 4, {conv(16, 3, 1, 1, true), pool(2), conv(20), linear(24, true), output(5)});
    spec.layers[0].dropout = 0.2f;
    spec.on.precision = precision;
    const Case c = make_case(spec, 9, random);
    Case call_by_call = c;
    call_by_call.spec.profile = true;
    const auto a = make_network(c), b = make_network(call_by_call);
    for (int step = 0; step < 6; ++step) {
      // Batches of changing length and content, and inference in between.
      const int64_t count = step % 3 == 2 ? 4 : 7, first = step % 2;
      const Batch batch{c.pixels.data() + first * 192, c.labels.data() + first, count};
      OptimizerOptions o = clipped_adam();
      o.learning_rate = 0.01f / float(step + 1);
      StepStats x, y;
      expect_ok(a->train(batch, mode, o, no_stop(), &x), "train");
      expect_ok(b->train(batch, mode, o, no_stop(), &y), "train");
      expect(x.loss == y.loss && x.gradient_norm == y.gradient_norm && x.spikes == y.spikes && x.correct == y.correct,
             "step " + std::to_string(step));
      expect_ok(a->forward(batch, mode, {}, no_stop(), &x), "forward");
      expect_ok(b->forward(batch, mode, {}, no_stop(), &y), "forward");
      expect(x.loss == y.loss, "inference after step " + std::to_string(step));
    }
    expect(read_bits(*a, TensorKind::kParameter) == read_bits(*b, TensorKind::kParameter), "parameters");
    expect(!b->take_profile().empty() && a->take_profile().empty(), "one of them is profiled");
  }
}

}  // namespace

void add_network_tests(Tests& tests) {
  tests.push_back(
      {"two networks at once compute what each computes alone", [] { two_networks_at_once(subject().on.kind); }});
  for (Precision precision : {Precision::kFp32, Precision::kMixed})
    tests.push_back({std::string("repeated steps are bit-identical to steps that are measured") +
                         (precision == Precision::kMixed ? ", mixed precision" : ""),
                     [precision] { repeated_steps(precision); }});
}

}  // namespace onespike::test
