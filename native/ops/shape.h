// Index arithmetic shared by every backend: the geometry of one weighted layer together with the average pool before
// it, and the windows that say which source cells a destination cell reads.
//
// Maps are NHWC. The channel stride `*_cs` of an inner map is its channel count rounded up to kLane, so that vector
// code never needs a channel tail; the padding channels hold zero weights and zero spike times. An image keeps its own
// count.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/code/max_pool.h"
#include "ops/portable.h"

namespace onespike {

constexpr int kLane = 16;  // floats in the widest vector (AVX-512); every channel stride is a multiple of it
constexpr int kMaxTile =
    64;  // output channels that one kernel pass holds in registers: 4 vectors of AVX-512, 8 of AVX2

ONESPIKE_HD inline int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

// A weighted layer. A linear layer is the convolution whose kernel is the whole (pooled) map.
struct StageShape {
  int layer = 0;  // entry of the layer list
  bool first = false, linear = false, output = false, bias = false, norm = false;
  bool coded = false;            // in a pass with a code, whose weighted inputs are products in 32 bits
  MaxPool max;                   // maximum pools before the layer; leftover rows are dropped
  int below_h = 0, below_w = 0;  // the map that they read, src_cs channels
  int pool = 1;                  // side of the averaging window between them and the layer; leftover rows are dropped
  int src_h = 0, src_w = 0, src_c = 0, src_cs = 0;  // source map, after maximum and before average pools
  int in_h = 0, in_w = 0;                           // after pooling
  int kernel_h = 0, kernel_w = 0, stride = 1, pad = 0;
  int average = 1;  // side of the window in which currents are averaged before the neuron: part of kernel and stride
  int parameter_h = 0, parameter_w = 0;  // of the kernel without it, whose weights are the parameters
  int out_h = 0, out_w = 0, out_c = 0, out_cs = 0;
  float dropout = 0.0f;  // of this layer's own spikes

  ONESPIKE_HD int taps() const { return kernel_h * kernel_w; }
  ONESPIKE_HD int64_t weights() const { return int64_t(taps()) * src_cs * out_cs; }  // packed, padding included
  ONESPIKE_HD int parameter_taps() const { return parameter_h * parameter_w; }
  ONESPIKE_HD int64_t parameters() const { return int64_t(parameter_taps()) * src_cs * out_cs; }
  ONESPIKE_HD int64_t out_cells() const { return int64_t(out_h) * out_w; }
  ONESPIKE_HD int64_t out_size() const { return out_cells() * out_cs; }  // of a byte map, one image
  ONESPIKE_HD int64_t src_size() const { return int64_t(src_h) * src_w * src_cs; }
  ONESPIKE_HD int64_t below_size() const { return int64_t(below_h) * below_w * src_cs; }
  ONESPIKE_HD int padded_h() const { return in_h + 2 * pad; }
  ONESPIKE_HD int padded_w() const { return in_w + 2 * pad; }
  ONESPIKE_HD int64_t padded_size() const { return int64_t(padded_h()) * padded_w() * src_cs; }

  // Potentials lie as (T, out_h, out_w, out_cs), out_size() floats a step. Gradients have (T, grad_h, grad_w, out_cs)
  // with a border of zeros, wide enough that every tap of every source cell lands inside: cell (oy, ox) is at (oy +
  // border_h, ox + border_w). grad_cell is for backends that keep them in this order. A linear layer has no border.
  ONESPIKE_HD int border_h() const { return linear ? 0 : (kernel_h + stride - 1) / stride - 1; }
  ONESPIKE_HD int border_w() const { return linear ? 0 : (kernel_w + stride - 1) / stride - 1; }
  ONESPIKE_HD int grad_h() const { return out_h + border_h() + after(in_h, out_h); }
  ONESPIKE_HD int grad_w() const { return out_w + border_w() + after(in_w, out_w); }
  ONESPIKE_HD int64_t src_cell(int y, int x) const { return (int64_t(y) * src_w + x) * src_cs; }
  ONESPIKE_HD int64_t out_cell(int y, int x) const { return (int64_t(y) * out_w + x) * out_cs; }
  ONESPIKE_HD int64_t grad_step() const { return int64_t(grad_h()) * grad_w() * out_cs; }  // one time step of one image
  ONESPIKE_HD int64_t grad_cell(int y, int x) const {
    return (int64_t(y + border_h()) * grad_w() + x + border_w()) * out_cs;
  }

 private:
  ONESPIKE_HD int after(int in, int out) const {
    const int beyond = linear ? 0 : (in - 1 + pad) / stride - (out - 1);
    return beyond > 0 ? beyond : 0;
  }
};

// Source cells [begin, begin + count) of one destination coordinate; `tap` is the position of the first of them in the
// order of taps that the weights are packed in, the others follow.
struct Window {
  int begin = 0, count = 0, tap = 0;
};

// Forward: output coordinate -> input cells, taps in natural order.
inline std::vector<Window> forward_windows(int out, int in, int kernel, int stride, int pad) {
  std::vector<Window> windows(out);
  for (int o = 0; o < out; ++o) {
    const int from = o * stride - pad;
    const int begin = from < 0 ? 0 : from;
    const int end = from + kernel < in ? from + kernel : in;
    if (end > begin) windows[o] = {begin, end - begin, begin - from};  // else it sees padding alone
  }
  return windows;
}

// Backward taps, ordered so that the outputs which read one input cell, taken in ascending order, meet consecutive
// taps: residue classes modulo the stride, descending within a class.
inline std::vector<int> backward_taps(int kernel, int stride) {
  std::vector<int> taps;
  for (int r = 0; r < stride; ++r)
    for (int k = (kernel - 1 - r) / stride * stride + r; k >= r && r < kernel; k -= stride) taps.push_back(k);
  return taps;
}

// Backward: input coordinate -> output cells, taps in the order of backward_taps.
inline std::vector<Window> backward_windows(int in, int out, int kernel, int stride, int pad) {
  std::vector<Window> windows(in);
  const std::vector<int> taps = backward_taps(kernel, stride);
  for (int i = 0; i < in; ++i) {
    Window w;
    for (int position = 0; position < int(taps.size()); ++position) {
      const int offset = i + pad - taps[position];
      if (offset < 0 || offset % stride != 0 || offset / stride >= out) continue;
      if (w.count == 0) w.begin = offset / stride, w.tap = position;
      ++w.count;
    }
    windows[i] = w;
  }
  return windows;
}

// Channels [begin, begin + width) handled together; width is `largest` (a power of two) or a half, a quarter, .. of it.
struct Tile {
  int begin = 0, width = 0;
};

// The tile that holds a channel.
ONESPIKE_HD inline Tile tile_of(int channel, int channel_stride, int largest = kMaxTile) {
  Tile tile{channel / largest * largest, largest};
  while (tile.width > channel_stride - tile.begin || channel >= tile.begin + tile.width) {
    if (tile.width > channel_stride - tile.begin) tile.width /= 2;
    else tile.begin += tile.width;
  }
  return tile;
}

inline std::vector<Tile> tiles_of(int channel_stride, int largest = kMaxTile) {
  std::vector<Tile> tiles;
  for (int begin = 0; begin < channel_stride;) {
    int width = largest;
    while (width > channel_stride - begin) width /= 2;
    tiles.push_back({begin, width});
    begin += width;
  }
  return tiles;
}

}  // namespace onespike
