// The input gradient of a convolution, a stretch of source cells at a time.
#pragma once

#include <cstdint>

#include "cpu/dense/dense.h"
#include "cpu/events/gradient_events.h"
#include "cpu/gradient/receiver.h"
#include "ops/readout.h"
#include "ops/shape.h"

namespace onespike::cpu {

// `count` source cells from `first` on, in the order (image, row, column), and one tile of channels.
struct ConvInputTask {
  const GradientEvents* events;
  const GradientCells* dense;  // null = the events are followed
  const StageShape* shape;     // the stage whose events are followed
  // Its backward copy: floats, or bf16 from pack_gradient_halves if the events go in pairs; or panels of `dense`.
  const void* weight;
  const Window* window_y;  // source -> output
  const Window* window_x;
  Receiver receiver;
};
void conv_input_cells(const ConvInputTask& task, Tile tile, int64_t first, int count, NeuronGradient* d);
// Whether events in pairs of bf16 can be multiplied here.
bool takes_gradient_pairs();
// Weight rows of `width` floats as bf16, in the order that the kernel unpacks.
void pack_gradient_halves(uint16_t* to, const float* rows, int64_t count, int width);
// (cell, step) pairs that one call may sum: 160 KiB that share the L2 cache with a row of taps.
constexpr int kConvInputPairs = 640;

}  // namespace onespike::cpu
