// What the input gradient knows of the neurons that receive it.
#pragma once

#include <cstdint>

#include "cpu/neuron.h"
#include "ops/shape.h"

namespace onespike::cpu {

struct Receiver {
  const StageShape* shape;  // the stage whose events are followed: its source map is that of the neurons
  NeuronValues neuron;      // those that receive
  float leak, scale;        // of the stage itself; of its source
  // With schedules, (T): the weights of the stage itself, and 1/(V theta(t)) of those that receive. Null without.
  const float *kappa, *inverse;
  const uint8_t* times;
  const uint8_t* mask;
  const float* potential;    // U(t)
  float* a;                  // a(t), perhaps in its place
  bool add;                  // to what `a` holds
  const float* exponential;  // table over t_f - t for the time-dependent surrogate
  float cost;                // dL/dO(t) beside what the stage gives
};

}  // namespace onespike::cpu
