// Parameter updates of one element; `M` is the arithmetic as in surrogate.h. Definitions follow PyTorch: SGD keeps
// m = momentum * m + g; Adam and AdamW correct their bias; weight decay is added to the gradient (SGD, Adam) or applied
// to the parameter (AdamW).
#pragma once

#include <cmath>

namespace onespike {

enum class OptimizerKind { kSgd, kAdam, kAdamW };

struct UpdateParams {
  float learning_rate = 0, momentum = 0, weight_decay = 0;  // weight decay: 0 where it does not apply
  float beta1 = 0, beta2 = 0, epsilon = 0;
  float gradient_scale = 1;                                  // clipping
  float correction1 = 1, correction2 = 1;                    // 1 - beta^step
  bool decoupled = false, amsgrad = false;
};

#include "ops/update-inl.h"

}  // namespace onespike
