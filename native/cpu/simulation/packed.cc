#include "cpu/simulation/packed.h"

#include <new>

namespace onespike::cpu {
namespace {

// How many windows read each coordinate.
std::vector<int64_t> readers(const std::vector<Window>& windows, int side) {
  std::vector<int64_t> count(size_t(side), 0);
  for (const Window& w : windows)
    for (int i = w.begin; i < w.begin + w.count; ++i) ++count[size_t(i)];
  return count;
}

}  // namespace

AlignedFloats aligned_floats(int64_t count) {
  float* const memory = static_cast<float*>(allocate_aligned(size_t(count) * sizeof(float), true));
  if (!memory) throw std::bad_alloc();
  return AlignedFloats(memory);
}

PackedStage pack_stage(const SimulatedStage& from) {
  const StageShape& s = from.shape;
  PackedStage stage{s, tiles_of(s.out_cs), aligned_floats(s.weights()), aligned_floats(s.out_cs), {}, {}, {}};
  for (const Tile& tile : stage.tiles)
    for (int lane = 0; lane < tile.width && tile.begin + lane < s.out_c; ++lane)
      for (int c = 0; c < s.src_c; ++c)
        for (int tap = 0; tap < s.taps(); ++tap) {
          const int64_t source = (int64_t(tile.begin + lane) * s.src_c + c) * s.taps() + tap;
          const int64_t row = int64_t(tile.begin) * s.taps() * s.src_cs + (int64_t(tap) * s.src_cs + c) * tile.width;
          stage.weight[size_t(row + lane)] = from.weight[size_t(source)];
        }
  for (int c = 0; c < s.out_c; ++c) stage.bias[size_t(c)] = from.bias[size_t(c)];
  stage.rows = forward_windows(s.out_h, s.in_h, s.kernel_h, s.stride, s.pad);
  stage.columns = forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad);
  const std::vector<int64_t> rows = readers(stage.rows, s.in_h), columns = readers(stage.columns, s.in_w);
  for (const int64_t row : rows)
    for (const int64_t column : columns) stage.fan_out.push_back(row * column * s.out_c);
  return stage;
}

}  // namespace onespike::cpu
