// The input gradient of one stage by itself, through the CPU backend's table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/plan.h"
#include "test/support/cases.h"

namespace onespike::test {

// Forces a kernel until it goes.
struct ForcedGradient {
  explicit ForcedGradient(GradientKernel kernel) { force_gradient_kernel(kernel); }
  ~ForcedGradient() { force_gradient_kernel(GradientKernel::kMeasured); }
};

// The second stage of a network over the first, with random a(t), potentials, spike times and weights: the same ones
// for every backend and number of threads.
class InputGradient {
 public:
  InputGradient(const NetworkSpec& spec, Precision precision, int threads);
  ~InputGradient();
  Backend& backend() { return *backend_; }

  // a(t) of the stage below, then the gradients of its threshold and leak. `share` of the pairs (neuron, step) are not
  // zero; `dropout` masks a third of the receiving neurons.
  std::vector<float> run(double share, bool dropout = false);

 private:
  template <class T>
  T* hold(int64_t count);

  Plan plan_;
  std::unique_ptr<Backend> backend_;
  std::vector<void*> held_;
};

}  // namespace onespike::test
