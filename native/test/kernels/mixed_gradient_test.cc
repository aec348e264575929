// Mixed precision rounds the operands of the input gradient to bf16 and nothing else.
#include <cmath>
#include <memory>
#include <vector>

#include "test/support/input_gradient.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

std::vector<float> gradient(const NetworkSpec& spec, const CpuOptions& options, std::string* kernel) {
  InputGradient stage(spec, options);
  std::vector<float> result = stage.run(0.4);
  *kernel = stage.choice().kernel;
  return result;
}

void pairs_round_and_no_more() {
  bool rounded = false;
  for (int source : {3, 20, 33, 64, 100})
    for (int kind = 0; kind < 20; ++kind) {
      const GradientKernel forced = kind < 10 ? GradientKernel::kEvents : GradientKernel::kDense;
      const int T = std::vector<int>{1, 4, 5, 6, 11}[size_t(kind % 10 / 2)];
      const LayerSpec upper = kind % 2 ? linear(8 * source + 5) : conv(source + 5);
      const CaseSpec spec = network_spec(2, 5, 4, T, {conv(source), pool(source % 2 + 1), upper, output(3)});
      std::string kernel, other;
      const std::vector<float> exact = gradient(spec, {1, Precision::kFp32, forced}, &other),
                               mixed = gradient(spec, {1, Precision::kMixed, forced}, &kernel);
      double difference = 0, norm = 0;
      for (size_t i = 0; i + 2 < exact.size(); ++i)
        difference += std::pow(double(mixed[i]) - exact[i], 2), norm += std::pow(double(exact[i]), 2);
      const std::string what = std::to_string(source) + (kind % 2 ? " channels, linear, T = " : " channels, T = ") +
                               std::to_string(T) + ", " + kernel;
      // Two operands with errors of at most 2^-9 each, which mostly cancel.
      expect(norm > 0 && difference <= norm * std::pow(4e-3, 2),
             what + ": relative distance " + std::to_string(std::sqrt(difference / norm)));
      rounded |= difference > 0;
      expect(gradient(spec, {3, Precision::kMixed, forced}, &other) == mixed,
             what + ": 3 threads and 1 are not bit-identical");
    }
  std::string kernel;
  (void)gradient(network_spec(2, 4, 4, 2, {conv(4), conv(4), output(3)}), {1, Precision::kMixed}, &kernel);
  expect(rounded == (kernel.rfind("bf16 ", 0) == 0),
         "the kernel is called '" + kernel + "' but rounding was " + (rounded ? "seen" : "not seen"));
}

}  // namespace

void add_mixed_gradient_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  for (size_t target = 0; target < targets.size(); ++target)
    tests.push_back({"mixed precision rounds the operands of the input gradient: " + targets[target],
                     on_cpu_target(target, pairs_round_and_no_more)});
}

}  // namespace onespike::test
