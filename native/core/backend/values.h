// What the tasks of several operations share. All pointers are the backend's own memory.
//
// Letters: n images of the chunk, T steps. Byte maps are (n, h, w, cs), NHWC, 0 = never fired. Potentials are (n, T,
// out_h, out_w, out_cs), gradients n * T * grad_step floats. Weights are packed: tile of output channels, tap, source
// channel, channel within the tile. Gradients of convolutions and the forward and backward copies of weights are laid
// out as the backend likes.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/loss/distillation.h"
#include "ops/portable.h"
#include "ops/surrogate.h"
#include "ops/update.h"

namespace onespike {

enum class Precision { kFp32, kMixed };  // mixed: bf16 operands in products, everything else in 32 bits

// What varies from step to step, uploaded once per step.
struct StepInputs {
  uint64_t random_step = 0;  // counter behind dropout and the rate encoder
  UpdateParams weights, biases, neurons, interactions;
  float clip_norm = 0;                        // global L2 norm of the gradient; 0 = no clipping
  float average_decay = 0, average_rest = 1;  // of the average of the parameters and of their new values: 1 together
  float label_smoothing = 0;                  // share of a label that all classes have alike
  Distillation distillation;
  float activity_target = 0, activity_strength = 0;
  double activity_decay = 0;  // of the running mean of the activity
};

// What a step answers: zeroed at its start but for `finite`, and kept until the host reads it.
struct StepResult {
  double loss = 0;           // mean over the images of the batch
  int64_t correct = 0;       // argmax logit == label
  double squared_norm = 0;   // of the gradient, before clipping
  float gradient_scale = 1;  // of the update
  int32_t finite =
      1;  // whether loss and norm are, of this step and of those before it in its group: else nothing is updated
};

// What a stage reads. Exactly one of `times` and `values` is set, or neither when the input is analog alone.
struct SpikeSource {
  const uint8_t* times = nullptr;  // (n, src_h, src_w, src_cs)
  const int8_t* values = nullptr;  // (n, T, src_h, src_w, src_cs): codes of event_value, of pixels that send several
  float scale = 1;                 // weight of one event: 1/pool^2, and 1/(1 - rate) of the dropout before
};

// The neurons of one spiking layer.
struct NeuronParams {
  int timesteps = 0;
  const float* neuron = nullptr;  // threshold, leak
  bool fires = true;              // false: integrates and never resets, whatever the threshold
  SurrogateParams surrogate;
  // (T) the schedules: the weights of what arrives at each step, and the factors of the threshold. Null: all are 1.
  const float* kappa = nullptr;
  const float* theta = nullptr;
  float initial = 0;  // U(0) / V of the channels that a map has, not of those that only fill its layout

  // For code that can read backend memory; steps count from 1.
  ONESPIKE_HD float threshold() const { return fires ? neuron[0] : HUGE_VALF; }
  ONESPIKE_HD float leak() const { return neuron[1]; }
  ONESPIKE_HD float initial_potential() const { return initial == 0 ? 0.0f : initial * neuron[0]; }
  ONESPIKE_HD float input_weight(int t) const { return kappa ? kappa[t - 1] : 1.0f; }
  ONESPIKE_HD float threshold_factor(int t) const { return theta ? theta[t - 1] : 1.0f; }
};

// Which kernel an operation used: the value that every operation returns.
struct KernelChoice {
  // For people: its name, and the measured share of operands that it was chosen for or, of the filter of the forward
  // pass, left in doubt (else 1).
  const char* kernel = "";
  double density = 1;
  // For the backend: which of its kernels it was, where the next call of the operation wants to know (`last`).
  int variant = 0;
  // Where only the device knows: what it wrote down, for Backend::resolve.
  const void* pending = nullptr;
};

}  // namespace onespike
