// Parameter updates of one element; `A` is the arithmetic (ops/arithmetic.h). Definitions follow PyTorch: SGD keeps
// m = momentum * m + g, and takes g + momentum * m in the place of m under Nesterov's rule; Adam and AdamW correct
// their bias; weight decay is added to the gradient (SGD, Adam) or applied
// to the parameter (AdamW).
#pragma once

#include <cmath>

#include "ops/portable.h"

namespace onespike {

enum class OptimizerKind { kSgd, kAdam, kAdamW };

// What a step's updates are told. Every number is a float that was rounded once, on the host: the kernels compute in
// single precision alone, because double precision takes a GPU for games 64 times as long.
struct UpdateParams {
  float learning_rate = 0, momentum = 0;
  float weight_decay = 0;  // 0 where it does not apply
  float shrink = 1;        // 1 - learning_rate * weight_decay, of the parameter itself if `decoupled`
  float beta1 = 0, beta2 = 0, epsilon = 0;
  float rest1 = 1, rest2 = 1;  // 1 - beta
  float corrected_rate = 0;    // learning_rate / (1 - beta1^step)
  float inverse_root = 1;      // 1 / sqrt(1 - beta2^step)
  float gradient_scale = 1;    // times that of clipping
  bool nesterov = false, decoupled = false, amsgrad = false;
};

#include "ops/update-inl.h"

// What every gradient is multiplied by so that the global norm is at most `clip_norm`; 0 = no clipping.
ONESPIKE_HD inline float clip_scale(double norm, float clip_norm) {
  return clip_norm > 0 && norm > clip_norm ? float(clip_norm / (norm + 1e-6)) : 1.0f;
}

// A schedule is positive and its logarithm is what an optimiser sees: it receives w dL/dw, and w is multiplied by
// exp(-step). So w itself is all the state there is. `optimise(log_w, gradient)` makes the step from 0. Afterwards w is
// within 2^-20 and 2^20; not a number stays one.
constexpr float kMinSchedule = 0x1p-20f, kMaxSchedule = 0x1p20f;

template <class Optimise>
ONESPIKE_HD inline void update_logarithm(float& w, float gradient, const Optimise& optimise) {
  float log_w = 0;
  optimise(log_w, w * gradient);
  w = float(double(w) * std::exp(double(log_w)));
  if (w < kMinSchedule) w = kMinSchedule;
  if (w > kMaxSchedule) w = kMaxSchedule;
}

constexpr float kMinThreshold = 1e-3f;  // docs/MATHEMATICS.md, "Parameter updates"

// A threshold and a leak back into their ranges after an update. Not a number stays one.
ONESPIKE_HD inline void clamp_neuron(float* neuron) {
  if (neuron[0] < kMinThreshold) neuron[0] = kMinThreshold;
  if (neuron[1] < 0) neuron[1] = 0;
  if (neuron[1] > 1) neuron[1] = 1;
}

}  // namespace onespike
