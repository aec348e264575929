// The weight gradient of a convolution from its events.
#pragma once

#include <cstdint>

#include "cpu/events/event_buckets.h"
#include "ops/shape.h"

namespace onespike::cpu {

// d_weight of channels [begin, end) of one tile += events of n images.
struct ConvWeightTask {
  const EventBuckets* buckets;
  const StageShape* shape;
  const float* gradient;  // of the tile
  float* d_weight;        // of the tile
  float scale;
  int64_t group_size;  // floats of g of one group of images, of the tile
};
void conv_weight_channels(const ConvWeightTask& task, int width, int begin, int end);

}  // namespace onespike::cpu
