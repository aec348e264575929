// Dense products of the CPU backend: rows of a map times panels of weights, in 32-bit floats or in bf16 with 32-bit
// sums.
//
// A WORD is what one multiplication reads, 32 bits in either precision: a float, or two bf16 neighbours along the
// summed dimension, the first in the lower half. Offsets, depths and panels count words, so both precisions share
// kernels and geometry: a map of cs channels has cs words a cell as floats and cs / 2 as bf16.
//
// A PANEL holds the weights of one tile of destination channels, [summed index][channel of the tile], in words. The
// packed weights of a tile (core/backend/backend.h) are a panel as they are; the others are made by the pack_
// functions, best by the task that uses them, in memory that stays in the L2 cache.
#pragma once

#include <cstdint>
#include <vector>

#include "core/backend/values.h"
#include "ops/shape.h"

namespace onespike::cpu {

// Words per channel; a channel stride is even wherever bf16 is used.
inline int64_t words(int64_t channels, Precision precision) {
  return precision == Precision::kMixed ? channels / 2 : channels;
}

// IMAGE BLOCKS are maps of bf16 as AMX reads them best: (blocks, cells, cs / 32, 16 images, 32 channels), the last
// block filled up with zeros. What 16 images have in 32 channels of a cell is a tile, in one piece of 1 KiB, whatever
// the tap.
constexpr int kBlockImages = 16, kBlockChannels = 32;
inline int image_blocks(int n) { return (n + kBlockImages - 1) / kBlockImages; }

// ---- kernels

// Consecutive words of a row that meet consecutive rows of the panel: the taps of one row of the kernel.
struct DenseRun {
  int64_t offset = 0;  // in the map, from the row's base
  int64_t row = 0;     // of the panel
  int64_t depth = 0;
};

// out[to[r]][lane] = bias[lane] + sum over runs and k of a[base[r] + offset + k] * panel[row + k][lane], r < count,
// lane < width. With image blocks a row stands for a block's images, and base + offset counts words of one of them.
// `spread` makes it the end of an input gradient instead: scale * sum goes to all side x side cells of
// the pool's window that begins at to[r], zero where the gate (laid out as out) is not positive if there is one.
struct DenseTask {
  Precision precision = Precision::kFp32;
  const void* a = nullptr;        // words
  bool blocks = false;            // a is image blocks
  const int* images = nullptr;    // per row, with image blocks: how many of the 16 there are
  int64_t to_image = 0;           // distance between the outputs of two of them, in floats
  const int64_t* base = nullptr;  // per row
  const DenseRun* runs = nullptr;
  int run_count = 0;
  const void* panel = nullptr;  // words
  bool half_rows = false;       // bf16 of takes_gradient_pairs(): a row of pairs is two of pack_gradient_halves
  int width = 0;                // 16, 32 or 64
  float* out = nullptr;
  const int64_t* to = nullptr;  // per row, in floats
  const float* bias = nullptr;  // or null
  bool add = false;             // to what `out` holds, instead of the bias
  bool relu = false;
  bool spread = false;
  const float* gate = nullptr;  // or null
  bool spread_add = false;      // to what the cells of the window hold
  float scale = 1;
  int side = 1;
  int64_t child_row = 0, child_column = 0;  // distances between the cells of the window, in floats
};
constexpr int kDenseRows = 96;  // at most in a call; a multiple of all register blocks
void dense_rows(const DenseTask& task, int count);
bool dense_takes_amx();  // whether products of bf16 that fill the tiles of AMX are made there

// d_weight[k][lane] += sum over images, rows and columns of a[k] * g[lane], k < depth, lane < width; a and g advance by
// the given words. A pair of bf16 spans two images here, because the pair must not depend on the tap.
struct DenseWeightTask {
  Precision precision = Precision::kFp32;
  const void *a = nullptr, *g = nullptr;
  int images = 0, rows = 0, columns = 0;
  int64_t a_image = 0, a_row = 0, a_column = 0;
  int64_t g_image = 0, g_row = 0, g_column = 0;
  float* d_weight = nullptr;  // rows `width` apart
  int depth = 0, width = 0;
};
void dense_weight_block(const DenseWeightTask& task);

// ---- operands. bf16 is rounded to nearest even; a NaN stays one. Counts are multiples of kLane.

void to_bf16(uint16_t* to, const float* from, int64_t count);
// Whole cells of an image of image blocks, a tile apart; `to` is the image's row of the first tile. `from` null: zeros.
void to_blocks(uint16_t* to, const float* from, int64_t count);
// `rows` rows of `count` words, one after the other, from rows of a map `stride` values apart: floats as they are (any
// count), or pairs of the same values of two images; b null is zero.
void gather_rows(uint32_t* to, const float* from, int64_t stride, int64_t rows, int64_t count);
void gather_pairs(uint32_t* to, const float* a, const float* b, int64_t stride, int64_t rows, int64_t count);
void gather_pairs(uint32_t* to, const uint16_t* a, const uint16_t* b, int64_t stride, int64_t rows, int64_t count);

// to[column * to_stride + row] = from[row * stride + column]; counts are multiples of kLane, rows of `from` are aligned
// like tensors.
void transpose_rows(float* to, int64_t to_stride, const float* from, int64_t stride, int rows, int columns);

// Pairs as above of `channels` (a multiple of kLane) of some cells, a row for each channel: rows lie `to_stride` words
// apart, and whole sixteens of cells are written, the last with zeros.
void transpose_pairs(uint32_t* to, int64_t to_stride, const uint16_t* a, const uint16_t* b, int64_t stride, int cells,
                     int channels);

// Panel of the forward pass in bf16, from the packed weights of one tile: `depth` floats by `width`.
void pack_forward_panel(uint32_t* panel, const float* weight, int64_t depth, int width);

// Panel of the input gradient: rows [row, row + width) of every tap's packed weights, transposed, taps in the order of
// backward_taps. A linear layer has one tap of taps() * src_cs rows. Words: gradient_panel_words.
void pack_gradient_panel(void* panel, const float* weight, int64_t row, int width, Precision precision,
                         const StageShape& s);
int64_t gradient_panel_words(int width, Precision precision, const StageShape& s);

// ---- geometry

// How the cells of a destination map read a source map: through windows, so that taps on the padding are never met.
struct DenseWalk {
  std::vector<Window> window_y, window_x;
  int taps_x = 0;
  int64_t source_columns = 0;  // cells in a row of the source
  int64_t source_cs = 0;       // words per cell
};
DenseWalk dense_forward_walk(Precision precision, const StageShape& s);
DenseWalk dense_gradient_walk(Precision precision, const StageShape& s);

// Destination cells that meet the same taps: a product of rows and columns. A 3x3 convolution with padding has nine.
struct CellClass {
  std::vector<int> ys, xs;
  std::vector<DenseRun> runs;
};
std::vector<CellClass> cell_classes(const DenseWalk& walk);

// Wt a(t) of all T steps for cells of a stage's source, after pooling. Exact zeros in a(t) cost as much as anything
// else.
struct GradientCells {
  GradientCells(const void* a_in, bool half_rows_in, int timesteps_in, Precision precision_in, const StageShape& s)
      : a(a_in),
        half_rows(half_rows_in),
        timesteps(timesteps_in),
        precision(precision_in),
        shape(&s),
        walk(dense_gradient_walk(precision, s)),
        classes(cell_classes(walk)) {}

  const void* a;   // (n, T, out_h, out_w, out_cs) without border: floats, or bf16
  bool half_rows;  // of the panels
  int timesteps;
  Precision precision;
  const StageShape* shape;  // the stage whose gradient passes down
  DenseWalk walk;
  std::vector<CellClass> classes;
};
// `count` cells from `first` on, in the order (image, row, column), and the channels of one gradient panel:
// out[(i * T + t) * width + lane], t = 0..T-1.
void dense_gradient_cells(float* out, const GradientCells& cells, const void* panel, int width, int64_t first,
                          int count);

}  // namespace onespike::cpu
