// Where g(t) of a stage lies on the CPU.
#pragma once

#include <cstdint>

#include "ops/shape.h"

namespace onespike::cpu {

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

}  // namespace onespike::cpu
