// Vector kernels of the CPU backend, one task each; every function picks its instruction set at run time. The callers in
// cpu/backend.cc split the work into tasks that own what they write.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend.h"
#include "cpu/events.h"
#include "cpu/gradient_events.h"

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

// The same for a convolution: `count` source cells from `first` on, in the order (image, row, column), and one tile of
// channels.
struct MapGradientTask {
  const GradientEvents* events;
  const StageShape* shape;     // the stage whose events are walked
  const void* weight;          // its backward copy: floats, or bf16 from pack_gradient_halves if the events go in pairs
  const Window* window_y;      // source -> output
  const Window* window_x;
  InputGradientTask neurons;   // its `walk` is not read
};
void map_gradient_cells(const MapGradientTask& task, Tile tile, int64_t first, int count, NeuronGradient* d);
// Whether events in pairs of bf16 can be multiplied here.
bool map_gradient_takes_pairs();
// Weight rows of `width` floats as bf16, in the order that the kernel unpacks.
void pack_gradient_halves(uint16_t* to, const float* rows, int64_t count, int width);
// (cell, step) pairs that one call may sum: 160 KiB that share the L2 cache with a row of taps.
constexpr int kMapGradientPairs = 640;

// a -> g of one image of a linear layer, and its gradient events in descending steps.
void accumulate_row(float* gradient, const float* potential, EventRows* rows, int64_t image, int timesteps, float leak, const StageShape& s);
// a -> g of one row of a convolution, its share of the border, and its gradient events; events null = none wanted.
void accumulate_map_row(float* gradient, const float* potential, GradientEvents* events, int64_t image, int y, int timesteps, float leak, const StageShape& s);

void sgd_range(float* w, const float* g, float* m, int64_t count, const UpdateParams& p);
void adam_range(float* w, const float* g, float* m, float* v, float* top, int64_t count, const UpdateParams& p);

}  // namespace onespike::cpu
