// Geometry of the matrix product of gemm.cuh: which cells a block computes, which it reads, and what fits into shared
// memory. Plain integers, decided on the host.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/device/fast_divide.h"
#include "cuda/device/gate.h"
#include "cuda/device/shared_memory.h"
#include "ops/portable.h"
#include "ops/shape.h"

namespace onespike::cuda {

constexpr int kSlice = 64;    // channels of a slice of the inner dimension
constexpr int kColumns = 64;  // output columns of a block
constexpr int kWarps = 4;
constexpr int kWindowRow = 64;    // bytes of one cell of the window: 64 spike times, or 32 bf16
constexpr int kColumnStages = 3;  // tiles of weights in shared memory
constexpr int kMaxSteps = 5;      // that one launch sums

// 16-row tiles of a warp: sums of kMaxSteps steps, or of fewer steps and more rows. Spike times take 8 registers per
// tile besides.
ONESPIKE_HD constexpr int row_tiles(bool times, int steps) { return steps == 1 && !times ? 4 : steps <= 2 ? 2 : 1; }

struct GemmTask {
  const void* a;         // spike times (image, cell, a_stride), or bf16 (image, T, cell, a_stride)
  int64_t image_stride;  // values of `a` from one image to the next
  const void* b;         // weights, packed by pack_weights
  int images, timesteps;
  int first_step;    // of the steps of this launch, from 0
  int row_h, row_w;  // cells that receive, per image
  int a_h, a_w, a_stride;
  int slices;  // of 64 channels, per tap
  int kernel_h, kernel_w;
  int fixed_taps;    // a linear layer reads one cell of every image after the other; else 1
  int column_tiles;  // of 64
  // The cell that row y reads at tap k: (y * multiply + offset + sign * k) / divide, if that is whole and inside.
  int multiply, divide, sign, offset;
  // A block computes 2^image_bits images by 2^y_bits by 2^x_bits cells and reads a window of each image.
  int image_bits, y_bits, x_bits;
  int window_h, window_w, window_buffers;
  FastDivide by_window_w, by_window_image;  // the width of a window, and its cells
  Gate gate;

  ONESPIKE_HD int tiles_y() const { return (row_h + (1 << y_bits) - 1) >> y_bits; }
  ONESPIKE_HD int tiles_x() const { return (row_w + (1 << x_bits) - 1) >> x_bits; }
  ONESPIKE_HD int64_t blocks() const {
    return int64_t((images + (1 << image_bits) - 1) >> image_bits) * tiles_y() * tiles_x() * column_tiles;
  }
  ONESPIKE_HD int image_cells() const { return a_h * a_w * fixed_taps; }
  ONESPIKE_HD int window_cells() const { return window_h * window_w << image_bits; }  // and one more, of zeros
  ONESPIKE_HD int window_bytes() const { return (window_cells() + 1) * kWindowRow; }  // of one step
  ONESPIKE_HD int shared_bytes(bool times, int steps) const {
    return window_buffers * window_bytes() * (times ? 1 : steps) + kColumnStages * kColumns * kSlice * (times ? 2 : 1);
  }
};

// Forward: an output cell reads input cells. Of a linear layer rows are images.
inline GemmTask forward_task(int n, int timesteps, bool times, const StageShape& s) {
  GemmTask g{};
  g.images = n, g.timesteps = timesteps;
  g.row_h = s.out_h, g.row_w = s.out_w;
  g.a_h = s.linear ? 1 : s.in_h, g.a_w = s.linear ? 1 : s.in_w;
  g.slices = (s.src_cs + kSlice - 1) / kSlice, g.a_stride = times ? s.src_cs : g.slices * kSlice;
  g.kernel_h = s.linear ? 1 : s.kernel_h, g.kernel_w = s.linear ? 1 : s.kernel_w,
  g.fixed_taps = s.linear ? s.taps() : 1;
  g.image_stride = int64_t(times ? 1 : timesteps) * s.in_h * s.in_w * g.a_stride;
  g.column_tiles = (s.out_cs + kColumns - 1) / kColumns;
  g.multiply = s.linear ? 1 : s.stride, g.divide = 1, g.sign = 1, g.offset = s.linear ? 0 : -s.pad;
  return g;
}

// Backward: an input cell reads output cells. A linear layer has one output cell and weights of its own for each input
// cell: there rows are images, and the columns run over input cells as well.
inline GemmTask backward_task(int n, int timesteps, const StageShape& s) {
  GemmTask g{};
  g.images = n, g.timesteps = timesteps;
  g.row_h = s.linear ? 1 : s.in_h, g.row_w = s.linear ? 1 : s.in_w, g.a_h = s.out_h, g.a_w = s.out_w;
  g.slices = (s.out_cs + kSlice - 1) / kSlice, g.a_stride = s.out_cs;
  g.image_stride = timesteps * s.out_size();
  g.kernel_h = s.linear ? 1 : s.kernel_h, g.kernel_w = s.linear ? 1 : s.kernel_w, g.fixed_taps = 1;
  g.column_tiles = (s.src_cs + kColumns - 1) / kColumns * (s.linear ? s.taps() : 1);
  g.multiply = 1, g.divide = s.linear ? 1 : s.stride, g.sign = -1, g.offset = s.linear ? 0 : s.pad;
  return g;
}

// Cells of one coordinate that `count` neighbouring rows read.
inline int window_side(int count, int kernel, const GemmTask& g, int limit) {
  const int span = (count - 1) * g.multiply + kernel;
  return std::min(limit, (span + g.divide - 1) / g.divide);
}

// Rows that do not fit stay idle: `idle_bits` halvings, images first.
inline void choose_tile(GemmTask* g, int rows, int idle_bits) {
  const auto bits = [](int count, int most) {
    int b = 0;
    while (b < most && (1 << b) < count) ++b;
    return b;
  };
  int all = 0;
  while ((1 << all) < rows) ++all;
  g->x_bits = bits(g->row_w, all / 2);
  g->y_bits = bits(g->row_h, all - g->x_bits);
  g->image_bits = all - g->x_bits - g->y_bits;
  for (; idle_bits > 0; --idle_bits) --(g->image_bits > 0 ? g->image_bits : g->y_bits > 0 ? g->y_bits : g->x_bits);
  g->window_h = window_side(1 << g->y_bits, g->kernel_h, *g, g->a_h);
  g->window_w = window_side(1 << g->x_bits, g->kernel_w, *g, g->a_w);
  g->by_window_w = FastDivide(g->window_w), g->by_window_image = FastDivide(g->window_h * g->window_w);
  // The window of the next slice is on its way for the last kColumnStages - 1 products of this one.
  g->window_buffers = g->kernel_h * g->kernel_w >= kColumnStages - 1 ? 2 : 3;
}

// Chooses how many steps a launch sums, as few launches as fit: equal blocks, with all steps in one up to kMaxSteps,
// and at most 4 otherwise. Only where windows are much larger than what they serve (a stride, a small map) do rows stay
// idle. 0 if nothing fits.
inline int plan_gemm(GemmTask* g, bool times) {
  const int T = g->timesteps;
  for (int idle_bits = 0; idle_bits <= 4; ++idle_bits)
    for (int launches = T <= kMaxSteps ? 1 : (T + 3) / 4; launches <= T; ++launches) {
      const int steps = (T + launches - 1) / launches;
      choose_tile(g, kWarps * 16 * row_tiles(times, steps), idle_bits);
      if (g->shared_bytes(times, steps) <= kMaxShared) return steps;
    }
  return 0;
}

}  // namespace onespike::cuda
