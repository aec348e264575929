// Mixed precision rounds the operands of the input gradient to bf16 and nothing else.
#include <cmath>
#include <memory>
#include <vector>

#include "core/plan.h"
#include "test/cases.h"
#include "test/runner.h"

namespace onespike::test {
namespace {

// Arrays in a backend's memory.
template <class T>
struct Memory {
  Memory(Backend& backend_in, int64_t size_in) : backend(backend_in), size(size_in), data(static_cast<T*>(backend.allocate(size_t(size) * sizeof(T)))) {}
  ~Memory() { backend.release(data); }

  Backend& backend;
  int64_t size;
  T* data;
};

// a(t) of a convolution below another one or a linear layer, from random a(t) of the second, and the gradients of its neuron.
std::vector<float> gradient(const NetworkSpec& spec, Precision precision, int threads, std::string* kernel) {
  Plan plan;
  expect_ok(make_plan(spec, make_cpu_backend(1, precision)->limits(), &plan), "plan");
  const StageShape &below = plan.stages[0], &s = plan.stages[1];
  const int n = 3, T = spec.timesteps;
  const std::unique_ptr<Backend> backend = make_cpu_backend(threads, precision);
  Memory<float> potential(*backend, n * T * s.out_size()), potential_below(*backend, n * T * below.out_size()), g(*backend, n * T * s.grad_step());
  Memory<float> weight(*backend, s.weights());
  Memory<uint8_t> times(*backend, n * below.out_size()), backward(*backend, int64_t(backend->backward_bytes(false, s)));
  Random random(5);
  // Padding channels carry nothing.
  for (int64_t i = 0; i < potential.size; ++i)
    if (i % s.out_cs < s.out_c && random.uniform() < 0.4) potential.data[i] = float(random.uniform() - 0.5);
  for (int64_t i = 0; i < weight.size; ++i) weight.data[i] = float(random.uniform() - 0.5);
  for (int64_t i = 0; i < potential_below.size; ++i) potential_below.data[i] = float(random.uniform() * 2);
  for (int64_t i = 0; i < times.size; ++i) times.data[i] = uint8_t(random.between(0, T));

  Memory<float> pair(*backend, 2), d_neuron(*backend, 2);
  pair.data[0] = 1.1f, pair.data[1] = 0.9f;
  const NeuronParams neuron{T, pair.data, true, {}};
  backend->begin_batch();
  backend->pack_backward(backward.data, weight.data, false, s);
  backend->accumulate_gradient(g.data, potential.data, n, true, neuron, s);
  backend->input_gradient(potential_below.data, potential.data, weight.data, backward.data, times.data, nullptr, 0.25f, n, neuron, neuron, below, s,
                          d_neuron.data);
  *kernel = backend->last_choice().kernel;
  std::vector<float> result(potential_below.data, potential_below.data + potential_below.size);
  result.insert(result.end(), d_neuron.data, d_neuron.data + 2);
  return result;
}

void pairs_round_and_no_more() {
  bool rounded = false;
  for (int source : {3, 20, 33, 64, 100})
    for (int kind = 0; kind < 10; ++kind) {
      const int T = std::vector<int>{1, 4, 5, 6, 11}[size_t(kind / 2)];
      const LayerSpec upper = kind % 2 ? linear(8 * source + 5) : conv(source + 5);
      const NetworkSpec spec = network_spec(2, 7, 6, T, {conv(source), pool(source % 2 + 1), upper, output(3)});
      std::string kernel, other;
      const std::vector<float> exact = gradient(spec, Precision::kFp32, 1, &other), mixed = gradient(spec, Precision::kMixed, 1, &kernel);
      double difference = 0, norm = 0;
      for (size_t i = 0; i + 2 < exact.size(); ++i) difference += std::pow(double(mixed[i]) - exact[i], 2), norm += std::pow(double(exact[i]), 2);
      const std::string what = std::to_string(source) + (kind % 2 ? " channels, linear, T = " : " channels, T = ") + std::to_string(T) + ", " + kernel;
      // Two operands with errors of at most 2^-9 each, which mostly cancel.
      expect(norm > 0 && difference <= norm * std::pow(4e-3, 2), what + ": relative distance " + std::to_string(std::sqrt(difference / norm)));
      rounded |= difference > 0;
      expect(gradient(spec, Precision::kMixed, 3, &other) == mixed, what + ": 3 threads give other bits than 1");
    }
  std::string kernel;
  (void)gradient(network_spec(2, 4, 4, 2, {conv(4), conv(4), output(3)}), Precision::kMixed, 1, &kernel);
  expect(rounded == (kernel == "bf16 events"), "the kernel is called '" + kernel + "' but rounding was " + (rounded ? "seen" : "not seen"));
}

}  // namespace

void add_mixed_gradient_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  for (size_t target = 0; target < targets.size(); ++target)
    tests.push_back({"mixed precision rounds the operands of the input gradient: " + targets[target], [target] {
                       limit_cpu_target(target);
                       const std::shared_ptr<void> restore(nullptr, [](void*) { limit_cpu_target(0); });
                       pairs_round_and_no_more();
                     }});
}

}  // namespace onespike::test
