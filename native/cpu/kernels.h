// Vector kernels of the CPU backend, one task each; every function picks its instruction set at run time. The callers
// in cpu/backend/backend.cc split the work into tasks that own what they write.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend/backend.h"
#include "cpu/dense/dense.h"
#include "cpu/events/event_buckets.h"
#include "cpu/events/event_lists.h"
#include "cpu/events/gradient_events.h"

namespace onespike::cpu {

// The neurons of a layer, read from where core keeps them.
struct NeuronValues {
  explicit NeuronValues(const NeuronParams& p)
      : timesteps(p.timesteps), threshold(p.threshold()), leak(p.leak()), surrogate(p.surrogate) {}

  int timesteps;
  float threshold, leak;  // an infinite threshold never fires
  SurrogateParams surrogate;
};

struct ForwardTask {
  const EventLists* events;
  const StageShape* shape;
  const float* weight;
  const Window* window_x;  // per output column
  NeuronValues neuron;
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

// The steps that an output row needs. Before the first input potentials are zero; after the last one they only leak,
// and no neuron starts to fire.
struct StepRange {
  int first, last;
};
StepRange steps_with_input(const ForwardTask& task, int64_t list);

// Elements of one task over a tensor; fixed, so that sums do not depend on threads.
constexpr int64_t kRange = 1 << 14;
inline int64_t ranges(int64_t count) { return (count + kRange - 1) / kRange; }

// What the input gradient knows of the neurons that receive it.
struct InputGradientTask {
  const StageShape* shape;  // the stage whose events are walked
  const StageShape* below;  // the stage whose neurons receive
  NeuronValues neuron;      // of the stage below
  float leak, scale;
  const uint8_t* times;
  const uint8_t* mask;
  float* potential;
  const float* exponential;  // table over t_f - t for the time-dependent surrogate
};

// Where g of one tile of channels lies. Of a convolution the order is (tile, image, T, grad_h, grad_w, channel in the
// tile): what its weight gradient reads again for every channel is together. Of a linear layer it is (image, T, out).
struct GradientTile {
  int64_t begin, image, step, row, cell;  // the first float of all; floats from one to the next

  GradientTile(Tile tile, int n, int timesteps, const StageShape& s)
      : begin(s.linear ? tile.begin : n * timesteps * int64_t(s.grad_h()) * s.grad_w() * tile.begin),
        image(timesteps * (s.linear ? s.out_cs : int64_t(s.grad_h()) * s.grad_w() * tile.width)),
        step(image / timesteps),
        row(s.linear ? step : int64_t(s.grad_w()) * tile.width),
        cell(s.linear ? step : tile.width) {}
};

// d_weight of channels [begin, end) of one tile += events of n images.
struct WeightGradientTask {
  const EventBuckets* buckets;
  const StageShape* shape;
  const float* gradient;  // of the tile
  float* d_weight;        // of the tile
  float scale;
  int64_t group_size;  // floats of g of one group of images, of the tile
};
void weight_gradient_channels(const WeightGradientTask& task, int width, int begin, int end);

// Input gradient of a convolution: `count` source cells from `first` on, in the order (image, row, column), and one
// tile of channels.
struct MapGradientTask {
  const GradientEvents* events;
  const GradientCells* dense;  // null = the events are followed
  const StageShape* shape;     // the stage whose events are walked
  const void* weight;          // its backward copy: floats, or bf16 from pack_gradient_halves if the events go in pairs
  const Window* window_y;      // source -> output
  const Window* window_x;
  InputGradientTask neurons;
};
void map_gradient_cells(const MapGradientTask& task, Tile tile, int64_t first, int count, NeuronGradient* d);
// Whether events in pairs of bf16 can be multiplied here.
bool map_gradient_takes_pairs();
// Weight rows of `width` floats as bf16, in the order that the kernel unpacks.
void pack_gradient_halves(uint16_t* to, const float* rows, int64_t count, int width);
// (cell, step) pairs that one call may sum: 160 KiB that share the L2 cache with a row of taps.
constexpr int kMapGradientPairs = 640;

// a -> g of a convolution, and its gradient events; events null = none wanted.
struct AccumulateTask {
  float* gradient;
  const float* potential;
  GradientEvents* events;
  const std::vector<Tile>* tiles;
  const StageShape* shape;
  float leak;
  int n, timesteps;
};
// One row and its share of the border.
void accumulate_map_row(const AccumulateTask& task, int64_t image, int y);

void sgd_range(float* w, const float* g, float* m, int64_t count, const UpdateParams& p);
void adam_range(float* w, const float* g, float* m, float* v, float* top, int64_t count, const UpdateParams& p);

}  // namespace onespike::cpu
