// Parameters of a network in the packed layout of the kernels, and their way from and to PyTorch's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "core/plan.h"

namespace onespike {

// Weight and bias of one stage with what training keeps beside them; threshold and leak are scalars on the host. Slots
// are allocated when an optimiser first needs them.
struct StageParameters {
  static constexpr int kSlots = 3;
  float* weight = nullptr;
  float* bias = nullptr;            // zeros for a stage without: kernels receive null there
  float* d_weight = nullptr;
  float* d_bias = nullptr;
  float* weight_slot[kSlots] = {};
  float* bias_slot[kSlots] = {};
  float neuron[2] = {1, 1};         // threshold, leak
  float d_neuron[2] = {};
  float neuron_slot[kSlots][2] = {};
};

class Parameters {
 public:
  Parameters(const Plan& plan, Backend& backend) : plan_(plan), backend_(backend), stages_(plan.stages.size()) {}
  ~Parameters();
  Parameters(const Parameters&) = delete;

  Status allocate();                      // weights and biases, initialised from the seed
  Status allocate_gradients();
  Status allocate_slots(int count);
  void zero_gradients();
  void zero_slots();
  StageParameters& operator[](size_t stage) { return stages_[stage]; }
  const StageParameters& operator[](size_t stage) const { return stages_[stage]; }
  int64_t bytes() const { return bytes_; }

  Status read(TensorKind kind, int tensor, float* into) const;
  Status write(TensorKind kind, int tensor, const float* from);
  void optimise(const OptimizerOptions& options, int64_t step, double gradient_scale);
  double squared_norm() const;

 private:
  Status allocate_one(float** to, int64_t count);
  void initialise();

  const Plan& plan_;
  Backend& backend_;
  std::vector<StageParameters> stages_;
  int64_t bytes_ = 0;
};

}  // namespace onespike
