// The input gradient of a linear layer, which reads each weight once per call, whatever the number of images.
#pragma once

#include "cpu/events/gradient_events.h"
#include "cpu/gradient/receiver.h"
#include "ops/readout.h"
#include "ops/shape.h"

namespace onespike::cpu {

// Wt a for the source channels of `tile` in one pooled cell, then the surrogate of the neurons below, of all images.
// `scratch` has linear_input_floats(task.n, T) floats, of one thread.
struct LinearInputTask {
  const GradientEvents* events;
  const float* weight;  // forward layout
  Receiver receiver;
  int n;
};
void linear_input_cell(const LinearInputTask& task, int cell, Tile tile, float* scratch, NeuronGradient* d);
inline int64_t linear_input_floats(int64_t n, int timesteps) { return (n * timesteps + kLinearBlock) * kMaxTile; }

}  // namespace onespike::cpu
