// What the input gradient knows of the neurons that receive it.
#pragma once

#include <cstdint>

#include "cpu/neuron.h"
#include "ops/shape.h"

namespace onespike::cpu {

struct Receiver {
  const StageShape* shape;  // the stage whose events are followed
  const StageShape* below;  // the stage whose neurons receive
  NeuronValues neuron;      // of the stage below
  float leak, scale;        // of the stage itself; of its source
  const uint8_t* times;
  const uint8_t* mask;
  float* potential;
  const float* exponential;  // table over t_f - t for the time-dependent surrogate
};

}  // namespace onespike::cpu
