// Vector kernels of the CPU backend, one task each; every function picks its instruction set at run time. The callers in
// cpu/backend.cc split the work into tasks that own what they write.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "cpu/events.h"

namespace onespike::cpu {

// Everything the two event kernels read; the same walk serves forward and backward.
struct EventWalk {
  EventWalk(const EventRows& rows_in, const float* weight_in, int timesteps_in) : rows(&rows_in), weight(weight_in), timesteps(timesteps_in) {}

  const EventRows* rows;
  const float* weight;                      // packed for the direction of the walk
  int timesteps;
  std::vector<Window> window_y, window_x;   // destination -> source
  int source_rows = 0;                      // lists per image
  int columns = 0;                          // of one list
  int source_cs = 0;                        // ids per column
  int taps_x = 0, taps = 0;
};

struct ForwardTask {
  const EventWalk* walk;
  const StageShape* shape;
  NeuronParams neuron;
  const float* bias;
  const float* current;
  bool current_always;
  float scale;
  uint8_t* times;
  float* potential;
};
void spiking_forward_row(const ForwardTask& task, Tile tile, int64_t image, int y);

struct InputGradientTask {
  const EventWalk* walk;
  const StageShape* shape;   // the stage whose events are walked
  const StageShape* below;   // the stage whose neurons receive
  NeuronParams neuron;       // of the stage below
  float leak, scale;
  const uint8_t* times;
  const uint8_t* mask;
  float* potential;
  const float* exponential;  // table over t_f - t for the time-dependent surrogate
};
// kGradientTile source channels from `channel` on.
void input_gradient_row(const InputGradientTask& task, int channel, int64_t image, int y, NeuronGradient* d);

// d_weight of channels [begin, end) of one tile += events of n images.
struct WeightGradientTask {
  const EventBuckets* buckets;
  const StageShape* shape;
  const float* gradient;
  float* d_weight;
  float scale;
  int n, timesteps;
};
void weight_gradient_channels(const WeightGradientTask& task, Tile tile, int begin, int end);

// a -> g of one row, its share of the border, and its gradient events (descending steps); rows null = no events wanted.
void accumulate_row(float* gradient, const float* potential, EventRows* rows, int64_t image, int y, int timesteps, float leak, const StageShape& s);

// out[row][tile] = bias + sum over taps and k of a[base[row] + tap_offset[tap] + k] * weight[tap][k][tile], for up to
// `rows` rows; weight rows are `tile.width` apart.
struct DenseTask {
  const float* a;
  const int64_t* base;          // per row
  const int64_t* tap_offset;    // per tap
  int taps, depth;              // k < depth
  const float* weight;          // of the tile
  const float* bias;            // of the tile, or null
  float* out;                   // row 0, first channel of the tile
  int64_t out_stride;
  bool relu;
};
void dense_rows(const DenseTask& task, int64_t first, int64_t rows, int width);

// d_weight[k][tile] += sum over rows of a[base[row] + offset + k] * d_out[row][tile], k in [k_begin, k_end).
void dense_weight_rows(float* d_weight, const float* a, const int64_t* base, int64_t offset, int k_begin, int k_end,
                       const float* d_out, int64_t out_stride, int64_t rows, int width);

void sgd_range(float* w, const float* g, float* m, int64_t count, const UpdateParams& p);
void adam_range(float* w, const float* g, float* m, float* v, float* top, int64_t count, const UpdateParams& p);

}  // namespace onespike::cpu
