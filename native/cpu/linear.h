// Linear layers backward: their kernels read each weight or gradient of a weight once per call, whatever the number of images.
#pragma once

#include <cstdint>

#include "core/backend.h"
#include "core/thread_pool.h"
#include "cpu/kernels.h"
#include "cpu/scratch.h"

namespace onespike::cpu {

// The events of n images bucketed by weight row (pooled cell, source channel), images ascending within a row. An entry is the
// gradient row of its image and step: image * T + step - 1.
struct RowEvents {
  Scratch<uint32_t> gradient_rows, starts;
  Scratch<float> values;  // of the rate encoder
  bool valued = false;
};
void sort_by_row(RowEvents* events, const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool);

// d_weight of weight rows [begin, end) of one tile += scale * the gradient rows of their events.
struct LinearWeightTask {
  const RowEvents* events;
  const float* gradient;  // (gradient rows, width): of the tile alone
  float* d_weight;        // of the tile
  float scale;
  int64_t begin, end;
};
void linear_weight_rows(const LinearWeightTask& task, int width);

// The input gradient takes kLinearTile source neurons and kLinearBlock outputs at a time: their weights, transposed into
// scratch, are 16 KiB and stay in the L1 cache while all images and steps pass.
constexpr int kLinearTile = 32;
constexpr int kLinearBlock = 128;

// The non-zero a(t) of n images by (block of outputs, image, step); within a list, outputs ascend.
struct LinearEvents {
  Scratch<float> values;
  Scratch<uint32_t> outputs, starts;  // within the block; into a list of capacity entries
  int64_t capacity = 0;               // per block and image
  int n = 0, blocks = 0, timesteps = 0;

  void reserve(int images, int steps, const StageShape& s);
  float* list_values(int block, int64_t image) const { return values.data() + (block * n + image) * capacity; }
  uint32_t* list_outputs(int block, int64_t image) const { return outputs.data() + (block * n + image) * capacity; }
  uint32_t* list_starts(int block, int64_t image) const { return starts.data() + (block * n + image) * (timesteps + 1); }
};

// a -> g of one image and block, and its events unless `events` is null.
void linear_accumulate(float* gradient, const float* potential, LinearEvents* events, int64_t image, int block, int timesteps, float leak,
                       const StageShape& s);

// Wt a for `width` (kLinearTile or half of it) source channels from `channel` on of one pooled cell, then the surrogate of the
// neurons below, of all images. `scratch` has linear_scratch() floats.
struct LinearInputTask {
  const LinearEvents* events;
  const float* weight;         // forward layout
  InputGradientTask neurons;
};
size_t linear_scratch(int n, int timesteps);
void linear_input_gradient(const LinearInputTask& task, int cell, int channel, int width, float* scratch, NeuronGradient* d);

}  // namespace onespike::cpu
