// The input gradient of one stage by itself, through the CPU backend's table.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/plan.h"
#include "cpu/backend/create.h"
#include "test/support/cases.h"

namespace onespike::test {

// The second stage of a network over the first, with random a(t), potentials, spike times and weights: the same ones
// for every backend and number of threads.
class InputGradient {
 public:
  InputGradient(const NetworkSpec& spec, const CpuOptions& options);

  // a(t) of the stage below, then the gradients of its threshold and leak. `share` of the pairs (neuron, step) are not
  // zero; `dropout` masks a third of the receiving neurons.
  std::vector<float> run(double share, bool dropout = false);
  // What run() used, and remembers as the chunk before; forgotten where a batch begins.
  const KernelChoice& choice() const { return choice_; }
  void begin_batch() { choice_ = {}; }

 private:
  Plan plan_;
  std::unique_ptr<Backend> backend_;
  KernelChoice choice_;
};

}  // namespace onespike::test
