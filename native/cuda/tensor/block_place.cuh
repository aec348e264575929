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

  // The cell of the window that a row reads at a tap; the last one, of zeros, where there is nothing.
  __device__ __forceinline__ int cell(int index, int ky, int kx, const GemmTask& g) const {
    const Row r = row(index, g);
    int from_y = r.y * g.multiply + g.offset + g.sign * ky, from_x = r.x * g.multiply + g.offset + g.sign * kx;
    bool inside = exists(r, g) && from_y >= 0 && from_x >= 0;
    if (g.divide > 1) {
      inside = inside && from_y % g.divide == 0 && from_x % g.divide == 0;
      from_y /= g.divide, from_x /= g.divide;
    }
    if (!inside || from_y >= g.a_h || from_x >= g.a_w) return g.window_cells();
    return ((r.image - image) * g.window_h + from_y - window_y) * g.window_w + from_x - window_x;
  }

 private:
  __device__ static int first(int row, int kernel, int side, int limit, const GemmTask& g) {
    const int from = row * g.multiply + g.offset - (g.sign < 0 ? kernel - 1 : 0);
    const int whole = from <= 0 ? 0 : (from + g.divide - 1) / g.divide;
    return whole < limit - side ? whole : limit - side;
  }
};

}  // namespace onespike::cuda
