// Operations at the ends of a step: copies of the weights, read-out, norm, update. One task each. What a task writes is
// overwritten unless it says `+=`. core/backend/values.h has the layouts.
#pragma once

#include <cstdint>

#include "core/backend/values.h"
#include "ops/code/code.h"
#include "ops/readout.h"
#include "ops/shape.h"

namespace onespike {

// The copy of the weights that SpikingForwardTask and DenseForwardTask read beside the weights themselves.
struct PackForwardTask {
  static constexpr const char* kOperation = "pack_forward";
  void* to = nullptr;  // forward_bytes()
  const float* weight = nullptr;
  StageShape shape = {};
};

// The same for SpikingBackwardTask, or for DenseInputGradientTask.
struct PackBackwardTask {
  static constexpr const char* kOperation = "pack_backward";
  void* to = nullptr;  // backward_bytes()
  const float* weight = nullptr;
  bool dense = false;
  StageShape shape = {};
};

// Logits, prediction and loss of n images from the output stage.
struct ReadoutTask {
  static constexpr const char* kOperation = "read_out";
  ReadoutParams params = {};  // its threshold and leak are those of `neuron`, its theta lies in backend memory
  const float* neuron = nullptr;
  bool spiking = true;
  float* values = nullptr;          // spiking: (n, T, out_cs) potentials; else (n, out_cs) logits
  float* a = nullptr;               // spiking: (n, T, out_cs) a(t) if `backward`, perhaps in place of the potentials
  const int32_t* labels = nullptr;  // (n); null = no loss, no prediction
  const int32_t* others = nullptr;  // (n) second labels of mixed images, or null
  const float* shares = nullptr;    // (n) of `labels` then
  const float* teacher = nullptr;   // (n, out_c) logits that the loss compares with as well, or null
  const float* time_weights = nullptr;  // spiking: (T) of the loss after each step; null: 1 after the last, else 0
  const StepInputs* inputs = nullptr;   // of the loss
  double share = 1;                     // of one image in the loss
  bool backward = false;                // gradients of the loss
  float* d_values = nullptr;            // if `backward`: dense: (n, out_cs) dL/d(logit); spiking: (n, T, out_cs) the
                                        // part of a(t) that comes through the spike, or null
  float* d_neuron = nullptr;            // spiking: += gradients of threshold and leak if `backward`
  float* logits = nullptr;              // (n, out_c)
  uint8_t* times = nullptr;             // spiking: (n, out_cs) spike times, T + 1 = never
  StepResult* result = nullptr;         // += loss and correct
  int n = 0;
  StageShape shape = {};

  // For code that can read backend memory.
  ONESPIKE_HD Target target(int64_t image) const {
    const int label = labels[image];
    return {label, others ? others[image] : label, others ? shares[image] : 1, inputs->label_smoothing, shape.out_c};
  }
};

struct SquaredNormTask {
  static constexpr const char* kOperation = "squared_norm";
  double* total = nullptr;        // += sum of squares
  const float* values = nullptr;  // (count)
  int64_t count = 0;
};

// gradient_scale from the norm, and finite &= whether the loss and the norm that are there are.
struct FinishGradientTask {
  static constexpr const char* kOperation = "finish_gradient";
  StepResult* result = nullptr;
  const StepInputs* inputs = nullptr;
};

// Does nothing unless result->finite. Gradients are taken times gradient_scale of both.
struct UpdateTask {
  static constexpr const char* kOperation = "update";
  float* weight = nullptr;          // (count)
  const float* gradient = nullptr;  // (count)
  float* slots[3] = {};             // (count): momentum | m, v, largest v; null where the optimiser has none
  int64_t count = 0;                // a multiple of kLane
  OptimizerKind kind = OptimizerKind::kSgd;
  bool logarithmic = false;  // the weights are schedules: what is updated is their logarithm (ops/update.h)
  const UpdateParams* params = nullptr;
  const StepResult* result = nullptr;
};

// Brings pairs of threshold and leak, or of what a code has in their place, back into their ranges, unless nothing was
// updated.
struct ClampNeuronsTask {
  static constexpr const char* kOperation = "update";
  float* neurons = nullptr;  // (count, 2)
  int count = 0;
  SpikeCode code = {};
  const StepResult* result = nullptr;
};

// sum = a + b, number by number; `sum` may be either of them.
struct AddTask {
  static constexpr const char* kOperation = "add";
  float* sum = nullptr;  // (count)
  const float *a = nullptr, *b = nullptr;
  int64_t count = 0;
};

// The loss and the correct predictions of two parts of a batch together, and the spikes of every stage if they are of
// two ranks; `sum` may be either of them.
struct AddResultTask {
  static constexpr const char* kOperation = "add";
  StepResult* sum = nullptr;
  const StepResult *a = nullptr, *b = nullptr;
  int64_t* spikes = nullptr;             // (stages) +=
  const int64_t* more_spikes = nullptr;  // (stages)
  int stages = 0;

  // For code that can read backend memory.
  ONESPIKE_HD void add() const {
    const double loss = a->loss + b->loss;
    const int64_t correct = a->correct + b->correct;
    *sum = *b;
    sum->loss = loss, sum->correct = correct;
    for (int i = 0; i < stages; ++i) spikes[i] += more_spikes[i];
  }
};

// The exponential moving average of parameters takes in what they are now, unless nothing was updated.
struct AverageTask {
  static constexpr const char* kOperation = "average";
  float* average = nullptr;       // (count)
  const float* values = nullptr;  // (count)
  int64_t count = 0;              // a multiple of kLane
  const StepInputs* inputs = nullptr;
  const StepResult* result = nullptr;
};

}  // namespace onespike
