// Linear layers backward: their kernels read each weight or gradient of a weight once per call, whatever the number of
// images.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "core/thread_pool.h"
#include "cpu/kernels.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

// The events of n images bucketed by weight row (pooled cell, source channel), images ascending within a row. An entry
// is the gradient row of its image and step: image * T + step - 1.
struct RowEvents {
  explicit RowEvents(ScratchSet& set) : gradient_rows(set), starts(set), values(set) {}

  Scratch<uint32_t> gradient_rows, starts;
  Scratch<float> values;  // of the rate encoder
  bool valued = false;
};
void sort_by_row(RowEvents* events, const SpikeSource& source, int n, int timesteps, const StageShape& s,
                 ThreadPool& pool);

// d_weight of weight rows [begin, end) of one tile += scale * the gradient rows of their events.
struct LinearWeightTask {
  const RowEvents* events;
  const float* gradient;  // (gradient rows, width): of the tile alone
  float* d_weight;        // of the tile
  float scale;
  int64_t begin, end;
};
void linear_weight_rows(const LinearWeightTask& task, int width);

// Wt a for the source channels of `tile` in one pooled cell, then the surrogate of the neurons below, of all images.
// `scratch` has linear_input_floats(task.n, T) floats, of one thread.
struct LinearInputTask {
  const GradientEvents* events;
  const float* weight;  // forward layout
  InputGradientTask neurons;
  int n;
};
void linear_input_gradient(const LinearInputTask& task, int cell, Tile tile, float* scratch, NeuronGradient* d);
inline int64_t linear_input_floats(int64_t n, int timesteps) { return (n * timesteps + kLinearBlock) * kMaxTile; }

}  // namespace onespike::cpu
