// Parameters of a network in the packed layout of the kernels, and their way from and to PyTorch's layout.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend/backend.h"
#include "core/plan.h"
#include "core/state/norm_tensors.h"
#include "core/state/parameter_array.h"
#include "core/state/schedules.h"
#include "core/tensors/genes.h"

namespace onespike {

// Weight, bias, threshold and leak of one stage with what training keeps beside them. Slots are allocated when an
// optimiser first needs them. Thresholds and leaks of all stages are one array, updated as one.
struct StageParameters {
  float* weight = nullptr;
  float* bias = nullptr;  // zeros for a stage without: kernels receive null there
  float* d_weight = nullptr;
  float* d_bias = nullptr;
  float* weight_slot[kOptimizerSlots] = {};
  float* bias_slot[kOptimizerSlots] = {};
  float* weight_average = nullptr;
  float* bias_average = nullptr;
  float* neuron = nullptr;  // threshold, leak; t_c, t_d; or s
  float* d_neuron = nullptr;
};

// What the update of optimiser step `step` (1, 2, ..) reads; `interaction_scale` is that of Genes.
StepInputs update_inputs(const OptimizerOptions& options, int64_t step, double interaction_scale = 1);

class Parameters {
 public:
  Parameters(const Plan& plan, Backend& backend)
      : plan_(plan),
        backend_(backend),
        stages_(plan.stages.size()),
        neurons_(backend, round_up(2 * int(plan.stages.size()), kLane), "parameters"),
        norm_(plan, backend),
        schedules_(plan, backend),
        genes_(plan, backend) {}
  ~Parameters();
  Parameters(const Parameters&) = delete;

  Status allocate();  // weights and biases, initialised from the seed
  Status allocate_gradients();
  Status allocate_slots(int count);
  int slots() const;  // that are allocated: 0 before the first step of an optimiser that needs one
  void zero_gradients();
  void zero_slots();

  // ---- the exponential moving average of all parameters (core/state/average.cc)
  bool averaged() const { return neurons_.at(TensorKind::kAverage) != nullptr; }
  Status allocate_average();  // of zeros, unless there is one
  Status start_average();     // with what the parameters are, unless there is one
  void drop_average();
  void average(const StepInputs* inputs, const StepResult* result);  // takes in what they are now
  void swap_average();  // exchanges it with the parameters; nothing is copied

  // ---- weights that follow from genes: `refresh` makes those anew whose genes have changed since, `grow` all of them.
  // Steps that update begin with `grow`, because behind an update nothing may run out of memory.
  void grow(TensorKind kind);
  void refresh(TensorKind kind);
  // Before a step that updates genes, and takes an average or not.
  void moved(bool average) { stale_[0] = true, stale_[1] = stale_[1] || average; }
  void push_gene_gradients();

  StageParameters& operator[](size_t stage) { return stages_[stage]; }
  const StageParameters& operator[](size_t stage) const { return stages_[stage]; }
  const NormTensors& norm() const { return norm_; }
  const Schedules& schedules() const { return schedules_; }
  const Genes& genes() const { return genes_; }
  Genes& genes() { return genes_; }
  const ParameterArray& neurons() const { return neurons_; }  // threshold and leak of one stage after the other
  int64_t bytes() const {
    return bytes_ + neurons_.bytes() + norm_.bytes() + schedules_.array().bytes() + genes_.bytes();
  }

  // `count` numbers of a tensor from `offset` on, in PyTorch's order; at least one, and all within it.
  Status read(TensorKind kind, int tensor, int64_t offset, int64_t count, float* into) const;
  Status write(TensorKind kind, int tensor, int64_t offset, int64_t count, const float* from);
  void squared_norm(double* total);  // of the gradients, +=
  // Calls f(array, count) for the gradients of all stages together that images add to.
  template <class F>
  void each_shared_gradient(const F& f) const {
    for (const ParameterArray* array : {&neurons_, &norm_.affine(), &schedules_.array()})
      if (float* const values = array->at(TensorKind::kGradient)) f(values, array->count());
  }
  // Unless the step's numbers are not finite.
  void optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result);

 private:
  Status allocate_one(float** to, int64_t count);
  void zero(float* values, int64_t count);
  void initialise();

  const Plan& plan_;
  Backend& backend_;
  std::vector<StageParameters> stages_;
  ParameterArray neurons_;  // a whole number of vectors; what follows the last stage is zero and of no use
  NormTensors norm_;
  Schedules schedules_;
  Genes genes_;
  bool stale_[2] = {};  // whether weights of the parameters and of their average are older than their genes
  // Calls f(average, parameters, count) for every array of parameters.
  template <class F>
  void each_average(const F& f);

  // Calls f(array) for the arrays of all stages together that an optimiser updates, in their order.
  template <class F>
  void each_array(const F& f) {
    f(neurons_), f(norm_.affine()), f(schedules_.array()), genes_.each_array(f);
  }
  void place_neurons();

  int64_t bytes_ = 0;  // of weights, biases and what training keeps beside them, and of all averages
};

// The average in the place of the parameters, and they in its place, while it lives.
class AverageInPlace {
 public:
  AverageInPlace(Parameters& parameters, bool wanted) : parameters_(wanted ? &parameters : nullptr) {
    if (parameters_) parameters_->swap_average();
  }
  ~AverageInPlace() {
    if (parameters_) parameters_->swap_average();
  }
  AverageInPlace(const AverageInPlace&) = delete;

 private:
  Parameters* parameters_;
};

// An average that a call begins, by steps or by writing it: gone again unless the call says that it stays.
class BegunAverage {
 public:
  explicit BegunAverage(Parameters& parameters) : parameters_(parameters), stays_(parameters.averaged()) {}
  ~BegunAverage() {
    if (!stays_ && parameters_.averaged()) parameters_.drop_average();
  }
  BegunAverage(const BegunAverage&) = delete;
  void stays() { stays_ = true; }

 private:
  Parameters& parameters_;
  bool stays_;
};

}  // namespace onespike
