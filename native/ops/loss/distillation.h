// Distillation: the logits of one image compared with those of a teacher (docs/MATHEMATICS.md, "Distillation").
#pragma once

#include <cmath>

#include "ops/portable.h"

namespace onespike {

// The weight a of the teacher in the loss, and the temperature tau by which both sets of logits are divided.
struct Distillation {
  float weight = 0, temperature = 1;

  // exp(z / tau), relative to that of the largest logit.
  ONESPIKE_HD double softened(float logit, float top) const { return std::exp((double(logit) - top) / temperature); }
  // log softmax(z / tau), from the sum of the above.
  ONESPIKE_HD double log_softmax(float logit, float top, double sum) const {
    return (double(logit) - top) / temperature - std::log(sum);
  }
  // From the Kullback-Leibler divergence to what it adds to the loss, and from the difference of the probabilities of
  // one class, the network's minus the teacher's, to the gradient at its logit.
  ONESPIKE_HD double loss(double divergence) const { return double(weight) * temperature * temperature * divergence; }
  ONESPIKE_HD double gradient(double difference) const { return double(weight) * temperature * difference; }
  // What is left of the rest of the loss.
  ONESPIKE_HD double rest() const { return 1 - double(weight); }
};

// Its share of the loss of K logits. Scales `d_logits` by what the teacher leaves of them and adds its gradient, unless
// null.
ONESPIKE_HD inline double distillation_loss(const float* logits, const float* teacher, int classes,
                                            const Distillation& d, float* d_logits) {
  float top = logits[0], top_teacher = teacher[0];
  for (int k = 1; k < classes; ++k) {
    top = logits[k] > top ? logits[k] : top;
    top_teacher = teacher[k] > top_teacher ? teacher[k] : top_teacher;
  }
  double sum = 0, sum_teacher = 0, divergence = 0;
  for (int k = 0; k < classes; ++k)
    sum += d.softened(logits[k], top), sum_teacher += d.softened(teacher[k], top_teacher);
  for (int k = 0; k < classes; ++k) {
    const double own = d.log_softmax(logits[k], top, sum), other = d.log_softmax(teacher[k], top_teacher, sum_teacher),
                 share = std::exp(other);
    divergence += share * (other - own);
    if (d_logits) d_logits[k] = float(d.rest() * d_logits[k] + d.gradient(std::exp(own) - share));
  }
  return d.loss(divergence);
}

}  // namespace onespike
