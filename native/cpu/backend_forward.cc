// The spiking forward pass of the CPU backend: how it is split into tasks.
#include <algorithm>

#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

// Two tiles at once halve the work on the events, as long as the weights of both stay in a 1 MiB L2 cache.
constexpr int64_t kPairBytes = 640 << 10;

// A task passes part of the rows of all images through one tile.
constexpr int64_t kTasksPerThread = 8;

// With this many pixels to come nearly all weights of a tile will be wanted, at 12 % activity.
constexpr int64_t kPixelsPerTouch = 16;

// Reads a tile once in order. Events ask for weights in random order, which the processor cannot foresee: from memory that is
// 10 GB/s on one core, in order it is 31 GB/s. Prefetch instructions do no better than the events. A linear layer of
// 4096 x 4096 took 187 us an image without, and 115 us with it.
void touch_tile(const float* weight, const Tile& tile, const StageShape& s) {
  constexpr int64_t kLine = 64 / sizeof(float);
  const int64_t lane = int64_t(s.taps()) * s.src_cs;
  const volatile float* at = weight + tile.begin * lane;
  for (int64_t i = 0; i < tile.width * lane; i += kLine) (void)at[i];
}

std::vector<Tile> forward_tiles(const StageShape& s) {
  const int64_t lane_bytes = int64_t(s.taps()) * s.src_cs * int64_t(sizeof(float));
  std::vector<Tile> tiles;
  for (const Tile& tile : tiles_of(s.out_cs)) {
    const bool pair = tile.width == kMaxTile && !tiles.empty() && tiles.back().width == kMaxTile && 2 * kMaxTile * lane_bytes <= kPairBytes;
    if (pair) tiles.back().width += kMaxTile;
    else tiles.push_back(tile);
  }
  return tiles;
}

}  // namespace

void CpuBackend::sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) {
  forward_events_.sort(source, n, timesteps, s, pool_);
  source_scale_ = source.scale;
}

void CpuBackend::spiking_forward(uint8_t* times, float* potential, const float* weight, const void*, const float* bias,
                                 const float* current, bool current_always, int n, const NeuronParams& p, const StageShape& s) {
  const std::vector<Window> window_x =
      s.linear ? std::vector<Window>{{0, 1, 0}} : forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad);
  const ForwardTask task{&forward_events_, &s, weight, window_x.data(), NeuronValues(p), bias, current, current_always, source_scale_, times, potential};
  const std::vector<Tile> tiles = forward_tiles(s);
  const int64_t rows = int64_t(n) * s.out_h;
  // Tile by tile, so that its weights stay in the cache while the rows pass.
  const int64_t parts = std::min(rows, (kTasksPerThread * pool_.threads() + int64_t(tiles.size()) - 1) / int64_t(tiles.size()));
  pool_.parallel_for(int64_t(tiles.size()) * parts, [&](int64_t i) {
    const Tile tile = tiles[size_t(i / parts)];
    const int64_t begin = i % parts * rows / parts, end = (i % parts + 1) * rows / parts;
    if ((end - begin) * s.out_w >= kPixelsPerTouch) touch_tile(weight, tile, s);
    for (int64_t row = begin; row < end; ++row) spiking_forward_row(task, tile, row / s.out_h, int(row % s.out_h));
  });
}

}  // namespace onespike::cpu
