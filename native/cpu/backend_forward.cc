// The spiking forward pass of the CPU backend: how it is split into tasks.
#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

// Two tiles at once halve the work on the events, as long as the weights of both stay in a 1 MiB L2 cache.
constexpr int64_t kPairBytes = 640 << 10;

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

void CpuBackend::spiking_forward(uint8_t* times, float* potential, const float* weight, const float* bias, const float* current,
                                 bool current_always, int n, const NeuronParams& p, const StageShape& s) {
  const std::vector<Window> window_x =
      s.linear ? std::vector<Window>{{0, 1, 0}} : forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad);
  const ForwardTask task{&forward_events_, &s, weight, window_x.data(), p, bias, current, current_always, source_scale_, times, potential};
  const std::vector<Tile> tiles = forward_tiles(s);
  const int64_t rows = int64_t(n) * s.out_h;
  // Tile by tile, so that its weights stay in the cache while all rows pass.
  pool_.parallel_for(int64_t(tiles.size()) * rows,
                     [&](int64_t i) { spiking_forward_row(task, tiles[i / rows], i % rows / s.out_h, int(i % rows % s.out_h)); });
}

}  // namespace onespike::cpu
