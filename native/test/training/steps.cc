#include "test/training/steps.h"

#include <cstring>

#include "test/support/runner.h"

namespace onespike::test {

OptimizerOptions adam(float learning_rate) {
  OptimizerOptions o;
  o.kind = OptimizerKind::kAdam;
  o.learning_rate = o.neuron_learning_rate = learning_rate;
  return o;
}

OptimizerOptions clipped_adam() {
  OptimizerOptions o = adam();
  o.clip_norm = 1;
  return o;
}

void train(Network& network, const Case& c, Mode mode, const OptimizerOptions& options, int steps) {
  StepStats stats;
  for (int i = 0; i < steps; ++i) expect_ok(network.train(c.batch(), mode, options, no_stop(), &stats), "train");
}

std::vector<StepStats> train_group(Network& network, const Case& c, size_t steps, const LossOptions& loss, Mode mode) {
  const StepGroup group{steps, int64_t(c.labels.size()),
                        [&](size_t, Batch* to) { return *to = c.batch(), Status::success(); },
                        std::vector<OptimizerOptions>(steps, adam(3e-3f)), loss};
  std::vector<StepStats> stats;
  expect_ok(network.train(group, mode, no_stop(), &stats), "train");
  return stats;
}

std::vector<float> gradients_of(Network& network, const Case& c, Mode mode, const LossOptions& loss) {
  StepStats stats;
  expect_ok(network.gradients(c.batch(), mode, no_stop(), &stats, loss), "gradients " + c.text());
  return read_bits(network, TensorKind::kGradient);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && !std::memcmp(a.data(), b.data(), a.size() * sizeof(float));
}

void expect_same_on_threads(const std::function<std::vector<float>(int threads)>& trained) {
  const std::vector<float> one = trained(1);
  expect(same_bits(trained(3), one), "3 threads");
}

void take_over(Network& to, const Network& from, const std::vector<TensorKind>& kinds) {
  using enum TensorKind;
  for (const TensorKind kind : kinds)
    for (size_t i = 0; i < from.tensors().size(); ++i) {
      const TensorInfo& info = from.tensors()[i];
      const bool slot = kind == kSlot0 || kind == kSlot1 || kind == kSlot2;
      if (slot && info.name.find(".running_") != std::string::npos) continue;
      std::vector<float> values(static_cast<size_t>(info.size));
      expect_ok(from.read(kind, int(i), values.data()), "read " + info.name);
      expect_ok(to.write(kind, int(i), values.data()), "write " + info.name);
    }
  to.set_optimizer_steps(from.optimizer_steps());
  to.set_random_step(from.random_step());
}

}  // namespace onespike::test
