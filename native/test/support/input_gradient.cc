#include "test/support/input_gradient.h"

#include "test/support/held_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr int kImages = 3;

}  // namespace

InputGradient::InputGradient(const NetworkSpec& spec, const CpuOptions& options) : backend_(make_cpu_backend(options)) {
  expect_ok(make_plan(spec, backend_->limits(), &plan_), "plan");
}

std::vector<float> InputGradient::run(double share, bool dropout) {
  const StageShape &below = plan_.stages[0], &s = plan_.stages[1];
  const NetworkSpec& spec = plan_.spec;
  const int n = kImages, T = spec.timesteps;
  const int64_t size = n * T * s.out_size(), size_below = n * T * below.out_size(),
                neurons_below = n * below.out_size();
  HeldMemory memory(*backend_);
  float *a = memory.hold<float>(size), *potential_below = memory.hold<float>(size_below),
        *g = memory.hold<float>(n * T * s.grad_step()), *weight = memory.hold<float>(s.weights());
  uint8_t *times = memory.hold<uint8_t>(neurons_below), *mask = memory.hold<uint8_t>(neurons_below),
          *backward = memory.hold<uint8_t>(int64_t(backend_->backward_bytes(false, s)));
  Random random(5);
  // Padding channels carry nothing.
  for (int64_t i = 0; i < size; ++i)
    if (i % s.out_cs < s.out_c && random.uniform() < share) a[i] = float(random.uniform() - 0.5);
  for (int64_t i = 0; i < s.weights(); ++i) weight[i] = float(random.uniform() - 0.5);
  for (int64_t i = 0; i < size_below; ++i) potential_below[i] = float(random.uniform() * 2);
  for (int64_t i = 0; i < neurons_below; ++i)
    times[i] = uint8_t(random.between(0, T)), mask[i] = random.chance(2.0 / 3);

  float *pair = memory.hold<float>(2), *d_neuron = memory.hold<float>(2);
  pair[0] = 1.1f, pair[1] = 0.9f;
  const NeuronParams neuron{T, pair, true, {spec.surrogate, spec.gamma, spec.surrogate_scale}};
  backend_->run(PackBackwardTask{.to = backward, .weight = weight, .shape = s});
  choice_ = backend_->run(SpikingBackwardTask{.gradient = g,
                                              .below = {.a = potential_below,
                                                        .d_neuron = d_neuron,
                                                        .potential = potential_below,
                                                        .times = times,
                                                        .mask = dropout ? mask : nullptr,
                                                        .scale = 0.25f,
                                                        .neuron = neuron},
                                              .a = a,
                                              .weight = weight,
                                              .weight_backward = backward,
                                              .neuron = neuron,
                                              .last = choice_,
                                              .n = n,
                                              .shape = s});
  std::vector<float> result(potential_below, potential_below + size_below);
  result.insert(result.end(), d_neuron, d_neuron + 2);
  return result;
}

}  // namespace onespike::test
