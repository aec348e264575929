// The spiking forward pass of one stage along its events, one output row at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend/backend.h"
#include "cpu/events/event_lists.h"
#include "cpu/neuron.h"

namespace onespike::cpu {

// What the neurons of a layer multiply and compare by at one step.
struct StepFactors {
  float scale;      // of the sum of weights: the source's, times kappa(t)
  float kappa;      // of the analog current
  float threshold;  // V theta(t)
};
std::vector<StepFactors> step_factors(const NeuronParams& p, float scale);

struct ForwardTask {
  const EventLists* events;
  const StageShape* shape;
  const float* weight;
  const Window* window_x;  // per output column
  NeuronValues neuron;
  const StepFactors* steps;  // (T)
  const float* bias;
  const float* current;
  bool current_always;
  float scale;
  uint8_t* times;
  float* potential;
};
// One output row of a tile of the weights, or of two whole tiles side by side (width 2 * kMaxTile).
void spiking_forward_row(const ForwardTask& task, Tile tile, int64_t image, int y);
// One pixel, channels [lane, lane + kLane) of a tile.
void spiking_forward_lanes(const ForwardTask& task, Tile tile, int lane, int64_t image, int y, int x);

// The steps that an output row needs. Before the first input potentials are zero, unless they begin elsewhere; after
// the last one they only leak, and no neuron starts to fire, unless its threshold moves.
struct StepRange {
  int first, last;
};
StepRange steps_with_input(const ForwardTask& task, int64_t list);

}  // namespace onespike::cpu
