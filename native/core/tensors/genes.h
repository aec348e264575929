// The genes of a network (docs/MATHEMATICS.md, "Genetic encoding"): the weights of every convolution but the first
// follow from matrices that layers share. Arrays of training beside them are those of any parameter.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend/backend.h"
#include "core/network.h"
#include "core/plan.h"
#include "core/state/buffers.h"
#include "core/state/parameter_array.h"

namespace onespike {

// A matrix of genes: the expression of a stage's channels, or the interaction of the genes in all stages with the
// kernel `index` of Plan::gene_kernels.
struct GeneMatrix {
  enum class Part { kExpression = 0, kInteraction = 2 };  // a word of the key of its random numbers, too
  Part part = Part::kExpression;
  size_t index = 0;  // of the stage, or of the kernel
};

class Genes {
 public:
  Genes(const Plan& plan, Backend& backend);

  Status allocate();  // drawn from the seed
  Status allocate_gradients();
  // Calls f(array) with the expressions and the interactions, which the update sees as weights, and with the scales,
  // whose logarithm it sees.
  template <class F>
  void each_array(const F& f) {
    f(expressions_), f(interactions_), f(scales_);
  }
  int64_t bytes() const {
    return expressions_.bytes() + interactions_.bytes() + scales_.bytes() + product_.bytes() + received_.bytes();
  }
  // The update sees interactions, which begin with deviation 1, times this number, the deviation with which the weights
  // begin: a step of stochastic gradient descent on O itself would move weights 2/fan_in times as far as it moves those
  // of a dense layer, a thousandth.
  double interaction_scale() const { return interaction_scale_; }

  // Null where nothing was allocated yet. Matrices have rows of gs_ numbers: (out_cs, gs_) of a stage, (taps, gs_, gs_)
  // of a kernel.
  float* matrix(TensorKind kind, const GeneMatrix& of) const;
  float* scale(TensorKind kind, size_t stage) const;
  // Where element i of a matrix in PyTorch's order lies.
  int64_t place(const GeneMatrix& of, int64_t i) const;

  // The weights of stage `i`, packed, from its genes, or the average of them from the average of those; with `add` they
  // are added to what is there.
  void grow(TensorKind kind, size_t i, float* weight, bool add = false) const;
  // Adds what the gradient of the weights of stage `i` means for its genes.
  void push(size_t i, const float* d_weight) const;
  // Decayed as weights are, but for the scales. Unless the step's numbers are not finite.
  void optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result) {
    expressions_.optimise(kind, &inputs->weights, result);
    interactions_.optimise(kind, &inputs->interactions, result);
    scales_.optimise(kind, &inputs->biases, result, true);
  }

 private:
  float* expression(TensorKind kind, size_t stage) const;
  float* interaction(TensorKind kind, size_t stage) const;
  // product_ (taps, src_cs, gs_): the expression of the stage's input times the transposed interaction.
  void express_input(TensorKind kind, size_t i) const;

  const Plan& plan_;
  Backend& backend_;
  int g_, gs_;  // genes, and the numbers of a row
  double interaction_scale_;
  std::vector<int64_t> expression_at_;   // by stage, their places in the array; -1 = none
  std::vector<int64_t> interaction_at_;  // by kernel
  ParameterArray expressions_, interactions_;
  ParameterArray scales_;             // one per stage, used or not
  Buffer<float> product_, received_;  // of one stage
};

}  // namespace onespike
