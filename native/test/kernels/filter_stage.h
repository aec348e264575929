// One layer behind a map of spike times, for tests that compare the filter of the forward pass with the kernel for
// floats.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/backend/backend.h"
#include "cpu/backend/create.h"
#include "test/support/cases.h"
#include "test/support/held_memory.h"
#include "test/support/runner.h"

namespace onespike::test {

using Values = std::vector<float>;
using Bytes = std::vector<uint8_t>;

// A linear layer passes the filter in batches of 8 and more, when it has served some 128 images.
constexpr int kLinearBatch = 9, kSettled = 256;

// Of one layer, in memory that the CPU backend reads.
struct Neurons {
  int timesteps;
  float threshold_and_leak[2];
  Values kappa = {}, theta = {};
  float initial = 0;  // U(0) / V
  NeuronParams params() const {
    return {timesteps,
            threshold_and_leak,
            true,
            {},
            kappa.empty() ? nullptr : kappa.data(),
            theta.empty() ? nullptr : theta.data(),
            initial};
  }
};

// One layer behind a map of spike times. Potentials, if kept, make the backend compute in floats.
class Stage {
 public:
  Stage(const StageShape& s, int n, int T) : shape_(s), n_(n) {
    source_ = memory_.hold<uint8_t>(n * s.src_size());
    weight_ = memory_.hold<float>(s.weights());
    bias_ = memory_.hold<float>(s.out_cs);
    potential_ = memory_.hold<float>(n * T * s.out_size());
    times_ = memory_.hold<uint8_t>(n * s.out_size());
  }
  void set(const Bytes& source, const Values& weight, const Values& bias) {
    backend_->upload(source_, source.data(), source.size());
    backend_->upload(weight_, weight.data(), weight.size() * sizeof(float));
    backend_->upload(bias_, bias.data(), bias.size() * sizeof(float));
  }
  void update(const Values& gradient) {
    UpdateParams update;
    update.learning_rate = 0.5f;
    StepResult result;
    result.finite = 1;
    backend_->run(UpdateTask{.weight = weight_,
                             .gradient = memory_.upload(gradient),
                             .slots = {memory_.hold<float>(shape_.weights())},
                             .count = shape_.weights(),
                             .params = &update,
                             .result = &result});
  }
  Bytes times(bool floats, bool biased, const Neurons& neurons) {
    SpikeSource source;
    source.times = source_, source.scale = 1 / float(shape_.pool * shape_.pool);
    choice_ = backend_->run(SpikingForwardTask{.times = times_,
                                               .potential = floats ? potential_ : nullptr,
                                               .source = source,
                                               .weight = weight_,
                                               .bias = biased ? bias_ : nullptr,
                                               .neuron = neurons.params(),
                                               .n = n_,
                                               .shape = shape_});
    return memory_.download(times_, n_ * shape_.out_size());
  }
  // Without potentials. A linear layer is asked until its weights are rounded.
  Bytes settled_times(bool biased, const Neurons& neurons) {
    Bytes settled = times(false, biased, neurons);
    for (int images = n_; shape_.linear && !filtered() && images < kSettled; images += n_)
      settled = times(false, biased, neurons);
    return settled;
  }
  bool filtered() const { return std::string(choice_.kernel) == "filter"; }
  double doubts() const { return choice_.density; }

 private:
  std::unique_ptr<Backend> backend_ = make_cpu_backend({.threads = 2});
  HeldMemory memory_{*backend_};
  KernelChoice choice_;  // of the last pass
  StageShape shape_;
  int n_;
  uint8_t *source_, *times_;
  float *weight_, *bias_, *potential_;
};

inline std::vector<StageShape> filter_shapes() {
  return {shape_of(6, 5, 48, 80, 3, 1, 1, 1, false),  shape_of(8, 10, 16, 144, 3, 1, 1, 2, false),
          shape_of(7, 6, 32, 256, 2, 2, 1, 1, false), shape_of(9, 9, 64, 16, 3, 1, 0, 3, false),
          shape_of(1, 1, 320, 176, 0, 0, 0, 1, true), shape_of(3, 2, 48, 80, 0, 0, 0, 1, true),
          shape_of(5, 4, 32, 144, 0, 0, 0, 2, true),  shape_of(7, 6, 16, 64, 0, 0, 0, 3, true),
          shape_of(1, 1, 5000, 32, 0, 0, 0, 1, true)};
}

inline int batch_of(const StageShape& s, int otherwise) { return s.linear ? kLinearBatch : otherwise; }

inline Bytes draw_times(Random& random, int64_t count, int T, double share) {
  Bytes times(static_cast<size_t>(count));
  for (uint8_t& t : times) t = uint8_t(random.chance(share) ? random.between(1, T) : 0);
  return times;
}

inline Values draw(Random& random, int64_t count, double size = 1) {
  Values values(static_cast<size_t>(count));
  for (float& v : values) v = float(size * random.normal());
  return values;
}

inline void expect_same(Stage& stage, bool biased, const Neurons& p, const std::string& what) {
  const Bytes exact = stage.times(true, biased, p), filtered = stage.settled_times(biased, p);
  const int64_t silent = std::count(exact.begin(), exact.end(), 0);
  expect(silent > 0 && silent < int64_t(exact.size()), what + ": some neurons fire and some do not");
  for (size_t i = 0; i < exact.size(); ++i)
    if (exact[i] != filtered[i])
      expect(false, what + ", neuron " + std::to_string(i) + ": expected " + std::to_string(exact[i]) +
                        " but received " + std::to_string(filtered[i]));
}

}  // namespace onespike::test
