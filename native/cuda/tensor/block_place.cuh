// Which rows and columns of the product of gemm.cuh a block computes, and where its window of the source lies.
#pragma once

#include "cuda/tensor/gemm_task.h"
#include "cuda/tensor/tile.cuh"

namespace onespike::cuda {

// A row of the product.
struct Row {
  int image, y, x;
};

// Where a block works.
struct BlockPlace {
  int column_tile, image, y, x;  // first of each
  int window_y, window_x;

  __device__ explicit BlockPlace(const GemmTask& g) {
    unsigned at = blockIdx.x;
    column_tile = int(at % unsigned(g.column_tiles)), at /= unsigned(g.column_tiles);
    x = int(at % unsigned(g.tiles_x())) << g.x_bits, at /= unsigned(g.tiles_x());
    y = int(at % unsigned(g.tiles_y())) << g.y_bits, at /= unsigned(g.tiles_y());
    image = int(at) << g.image_bits;
    window_y = first(y, g.kernel_h, g.window_h, g.a_h, g);
    window_x = first(x, g.kernel_w, g.window_w, g.a_w, g);
  }
  __device__ Row row(int index, const GemmTask& g) const {
    return {image + (index >> (g.x_bits + g.y_bits)), y + (index >> g.x_bits & ((1 << g.y_bits) - 1)),
            x + (index & ((1 << g.x_bits) - 1))};
  }
  __device__ bool exists(const Row& row, const GemmTask& g) const {
    return row.image < g.images && row.image - image < 1 << g.image_bits && row.y < g.row_h && row.x < g.row_w;
  }

 private:
  __device__ static int first(int row, int kernel, int side, int limit, const GemmTask& g) {
    const int from = row * g.multiply + g.offset - (g.sign < 0 ? kernel - 1 : 0);
    const int whole = from <= 0 ? 0 : (from + g.divide - 1) / g.divide;
    return whole < limit - side ? whole : limit - side;
  }
};

// What one row reads of the window: all but the tap is worked out once, because a tap is only some 80 to 160 products
// of a warp.
class SourceCells {
 public:
  SourceCells() = default;
  __device__ SourceCells(int index, const BlockPlace& place, const GemmTask& g) {
    const Row r = place.row(index, g);
    const bool exists = place.exists(r, g);
    y_ = exists ? r.y * g.multiply + g.offset : kNowhere, x_ = r.x * g.multiply + g.offset;
    base_ = ((r.image - place.image) * g.window_h - place.window_y) * g.window_w - place.window_x;
  }
  // The cell of the window at a tap; the last one, of zeros, where there is nothing.
  __device__ __forceinline__ int at(int ky, int kx, const GemmTask& g) const {
    int y = y_ + g.sign * ky, x = x_ + g.sign * kx;
    if (g.divide > 1) {
      if (y < 0 || x < 0 || y % g.divide != 0 || x % g.divide != 0) return g.window_cells();
      y /= g.divide, x /= g.divide;
    }
    if (unsigned(y) >= unsigned(g.a_h) || unsigned(x) >= unsigned(g.a_w)) return g.window_cells();
    return base_ + y * g.window_w + x;
  }

 private:
  static constexpr int kNowhere = -(1 << 24);  // no tap leads from there into the map
  int y_, x_, base_;
};

}  // namespace onespike::cuda
