// Stages that a training step relaxes: they send numbers in place of codes or spikes (docs/MATHEMATICS.md, "Relaxation
// of spikes" and "Coded networks").
#pragma once

#include "core/passes/passes.h"

namespace onespike {

// Draws the stages that the step of this random counter relaxes, each with the probability 1 - quantised; whether there
// are any.
bool draw_relaxed(NetworkState& net, float quantised, uint64_t random_step);
bool any_relaxed(const NetworkState& net);
// Whether a stage reads the numbers of a relaxed source, which drops nothing then.
bool reads_relaxed(const NetworkState& net, size_t stage, bool train);

// ---- one stage of the spiking network, for a chunk of n images

// Visits the buffers that stage `i` needs besides where steps may relax a stage, as ensure_buffers does.
template <class Visit>
void each_relaxed_buffer(NetworkState& net, size_t i, int64_t n, const Visit& need) {
  const StageShape& s = net.plan.stages[i];
  StageBuffers& b = net.stages[i];
  if (!s.output) need(b.activation, n * s.out_size());
  if (!net.plan.reads_pixels(i)) need(b.packed, n * s.padded_size()), need(b.weighted, n * s.out_size());
}

// The current that a stage receives from a relaxed source at step 1, before its schedule.
const float* relaxed_current(NetworkState& net, size_t stage, int n);
// What a relaxed stage sends, from its potentials.
void relax(NetworkState& net, size_t stage, int n);
// += the gradient of the weights of a stage that reads a relaxed source, and a(t) of that source, from kappa(t) g(t) of
// the stage.
void relaxed_backward(NetworkState& net, size_t stage, const float* gradient, int n);

}  // namespace onespike
