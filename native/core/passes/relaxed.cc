#include "core/passes/relaxed.h"

#include <algorithm>

#include "ops/rng.h"

namespace onespike {

bool draw_relaxed(NetworkState& net, float quantised, uint64_t random_step) {
  net.relaxed.assign(net.plan.stages.size(), 0);
  for (size_t i = 0; quantised < 1 && i + 1 < net.plan.stages.size(); ++i) {
    const Rng rng = Rng::of(net.plan.spec.seed, random_step, Stream::kRelaxed, net.plan.stages[i].layer);
    net.relaxed[i] = rng.uniform(0) >= quantised ? 1 : 0;
  }
  return any_relaxed(net);
}

bool any_relaxed(const NetworkState& net) {
  return std::any_of(net.relaxed.begin(), net.relaxed.end(), [](char relaxed) { return relaxed != 0; });
}

bool reads_relaxed(const NetworkState& net, size_t stage, bool train) {
  return train && !net.plan.reads_pixels(stage) && net.relaxed[size_t(net.plan.sources[stage])];
}

const float* relaxed_current(NetworkState& net, size_t stage, int n) {
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  const float* sent = net.stages[size_t(net.plan.sources[stage])].activation.data();
  net.backend->run(PackInputTask{.packed = b.packed.data(), .src = sent, .n = n, .shape = s});
  net.backend->run(DenseForwardTask{.out = b.weighted.data(),
                                    .packed = b.packed.data(),
                                    .weight = net.weight(stage),
                                    .weight_forward = b.forward.data(),
                                    .n = n,
                                    .shape = s});
  return b.weighted.data();
}

void relax(NetworkState& net, size_t stage, int n) {
  const StageBuffers& b = net.stages[stage];
  net.backend->run(RelaxTask{.sent = b.activation.data(),
                             .potential = b.potential.data(),
                             .neuron = net.neuron(stage),
                             .n = n,
                             .shape = net.plan.stages[stage]});
}

void relaxed_backward(NetworkState& net, size_t stage, const float* gradient, int n) {
  Backend& backend = *net.backend;
  const size_t from = size_t(net.plan.sources[stage]);
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  backend.run(AnalogGradientTask{
      .d_current = b.weighted.data(), .gradient = gradient, .n = n, .timesteps = net.plan.spec.timesteps, .shape = s});
  backend.run(DenseWeightGradientTask{
      .d_weight = net.d_weight(stage), .packed = b.packed.data(), .d_out = b.weighted.data(), .n = n, .shape = s});
  backend.run(DenseInputGradientTask{.d_src = net.d_activation[1].data(),
                                     .d_out = b.weighted.data(),
                                     .weight = net.weight(stage),
                                     .weight_backward = b.backward.data(),
                                     .n = n,
                                     .shape = s});
  backend.run(RelaxGradientTask{.a = net.spike_gradient(from),
                                .add = net.plan.adds_gradient(stage),
                                .d_neuron = net.parameters[from].d_neuron,
                                .d_sent = net.d_activation[1].data(),
                                .potential = net.stages[from].potential.data(),
                                .neuron = net.neuron(from),
                                .n = n,
                                .shape = net.plan.stages[from]});
}

}  // namespace onespike
