// The input gradient of convolutions along its events and as a dense product: the same numbers, and a choice between
// them that depends on nothing but the batch.
#include <cmath>
#include <memory>

#include "core/backend/backend.h"
#include "test/support/input_gradient.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

const Surrogate kSmooth[] = {Surrogate::kArctan, Surrogate::kFastSigmoid};
constexpr GradientKernel kBoth[] = {GradientKernel::kEvents, GradientKernel::kDense};

struct Summed {
  std::vector<float> values;
  std::string kernel;
};

Summed sum(const NetworkSpec& spec, Precision precision, int threads, GradientKernel kernel, double share,
           bool dropout) {
  InputGradient stage(spec, {threads, precision, kernel});
  std::vector<float> values = stage.run(share, dropout);
  return {std::move(values), stage.choice().kernel};
}

CaseSpec stage_spec(int source, int pooled, const LayerSpec& upper, int T, Surrogate surrogate = Surrogate::kTriangle) {
  CaseSpec spec = network_spec(2, 9, 8, T, {conv(source), pool(pooled), upper, output(3)});
  spec.surrogate = surrogate;
  return spec;
}

void same_numbers(Precision precision) {
  const struct {
    int source, pool, out, kernel, stride, pad;
  } shapes[] = {{3, 1, 5, 3, 1, 1},    {16, 2, 33, 3, 1, 1},  {20, 1, 64, 5, 1, 2}, {33, 1, 17, 3, 2, 1},
                {48, 2, 70, 2, 1, 0},  {64, 1, 64, 3, 1, 0},  {65, 3, 16, 1, 1, 0}, {7, 1, 40, 1, 3, 0},
                {100, 1, 24, 5, 3, 1}, {17, 1, 130, 3, 3, 2}, {80, 2, 9, 4, 2, 2},  {150, 3, 31, 3, 1, 2}};
  int index = 0;
  for (const auto& shape : shapes)
    for (int T : {1, 5, 20}) {
      const auto surrogate = Surrogate(index % 5);
      const bool dropout = index++ % 2;
      const double share = T == 1 ? 1.0 : index % 3 * 0.4;
      const CaseSpec spec =
          stage_spec(shape.source, shape.pool, conv(shape.out, shape.kernel, shape.stride, shape.pad), T, surrogate);
      const Summed events = sum(spec, precision, 1, GradientKernel::kEvents, share, dropout),
                   dense = sum(spec, precision, 1, GradientKernel::kDense, share, dropout);
      const std::string what = describe(spec, 3) + ": ";
      expect(events.kernel.find("events") != std::string::npos && dense.kernel.find("dense") != std::string::npos,
             what + events.kernel + ", " + dense.kernel);
      const std::vector<double> left(dense.values.begin(), dense.values.end()),
          right(events.values.begin(), events.values.end());
      const double off = distance(left.data(), right.data(), int64_t(left.size()) - 2, 1e-6);
      // Sums in another order; in bf16 ties of the rounding go another way besides.
      expect(off < (precision == Precision::kFp32 ? 1e-6 : 1e-4), what + "off by " + std::to_string(off));
      for (GradientKernel kernel : kBoth)
        expect(sum(spec, precision, 3, kernel, share, dropout).values ==
                   (kernel == GradientKernel::kDense ? dense : events).values,
               what + "3 threads and 1 are not bit-identical");
    }
}

// At T = 1 every event reads weights for one product alone: the dense product wins well below density 1.
void density_decides() {
  const CaseSpec spec = stage_spec(64, 1, conv(64), 1);
  InputGradient stage(spec, {});
  const auto dense = [&](double share) {
    (void)stage.run(share);
    return std::string(stage.choice().kernel) == "dense";
  };
  double up = 0, down = 1;
  stage.begin_batch();
  while (up <= 1 && !dense(up)) up += 0.01;
  while (down >= 0 && dense(down)) down -= 0.01;
  expect(up > 0.2 && up < 0.7, "went over to the dense product at density " + std::to_string(up));
  expect(down < up - 0.02, "went back to events at density " + std::to_string(down) + " after " + std::to_string(up));
  // Between the two, a layer keeps what it had, and a new batch begins with events.
  const double between = (up + down) / 2;
  expect(!dense(between), "events are kept");
  expect(dense(1), "all pairs are dense");
  expect(dense(between), "the dense product is kept");
  stage.begin_batch();
  expect(!dense(between), "a new batch forgets");
}

void long_blocks_follow_events() {
  InputGradient stage(stage_spec(64, 1, conv(64), 5), {});
  (void)stage.run(0.5);
  expect(std::string(stage.choice().kernel) == "events", "five steps at half the density");
}

// Gradients of whole networks against the oracle, either way.
void oracle_agrees(Surrogate surrogate, GradientKernel kernel) {
  Random random(61 + uint64_t(surrogate));
  for (int T : {1, 2, 5, 20})
    for (int kind = 0; kind < 3; ++kind) {
      const std::vector<LayerSpec> layers[] = {
          {conv(6, 3, 1, 1, true), conv(17, 3, 2, 1), pool(2), conv(5, 2), output(3)},
          {conv(9, 5, 1, 2), pool(2), conv(20, 3, 1, 0, true), linear(11), output(4)},
          {conv(33, 1, 1, 0), conv(8, 3, 3, 2), linear(7), output(2)}};
      CaseSpec spec = network_spec(2, 8, 7, T, layers[kind]);
      spec.surrogate = surrogate;
      const Case c = decided_case(spec, 2, Mode::kSnn, random);
      const auto network = make_network(c, make_cpu_backend({.threads = 1 + kind, .gradient = kernel}));
      StepStats stats;
      expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
      expect_gradient(*network, c, Mode::kSnn, oracle::forward(spec, c.parameters, Mode::kSnn, c.batch()));
    }
}

}  // namespace

void add_gradient_choice_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  const auto add = [&](const std::string& what, size_t target, std::function<void()> run) {
    tests.push_back({"input gradient, events and dense product: " + what + ", " + targets[target],
                     on_cpu_target(target, std::move(run))});
  };
  for (size_t target = 0; target < targets.size(); ++target) {
    add("the same numbers in 32 bits", target, [] { same_numbers(Precision::kFp32); });
    add("the same numbers in mixed precision", target, [] { same_numbers(Precision::kMixed); });
    for (Surrogate surrogate : kSmooth)
      for (GradientKernel kernel : kBoth)
        add(std::string(surrogate == Surrogate::kArctan ? "arctan" : "fast-sigmoid") +
                (kernel == GradientKernel::kDense ? " by the dense product" : " by events") + " equals the oracle",
            target, [surrogate, kernel] { oracle_agrees(surrogate, kernel); });
  }
  add("density decides, with hysteresis", 0, density_decides);
  add("long blocks of steps follow events", 0, long_blocks_follow_events);
}

}  // namespace onespike::test
