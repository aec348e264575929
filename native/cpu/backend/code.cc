// Coded networks and maximum pools on the CPU: how each operation is split into tasks.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/code/levels.h"
#include "cpu/code/max_pool.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const CodeTablesTask& task) {
  for (int64_t i = 0; i < int64_t(task.layers) * 2 * kTableSize; ++i) task.fill(i);
  return {};
}

KernelChoice CpuBackend::execute(const PixelLevelsTask& task) {
  pool_.parallel_for(task.n, [&](int64_t image) {
    const int64_t C = task.channels, at = image * C * task.cells;
    for (int64_t c = 0; c < C; ++c)
      for (int64_t i = 0; i < task.cells; ++i) task.levels[at + i * C + c] = task.pixels[at + c * task.cells + i];
  });
  return {};
}

std::vector<int64_t> window_offsets(const StageShape& s) {
  std::vector<int64_t> offsets;
  for (int i = 0; i < s.max.side() * s.max.side(); ++i) {
    const MaxPool::Cell cell = s.max.cell(i);
    offsets.push_back((int64_t(cell.y) * s.below_w + cell.x) * s.src_cs);
  }
  return offsets;
}

KernelChoice CpuBackend::execute(const MaxPoolTask& task) {
  const StageShape& s = task.shape;
  const std::vector<int64_t> offsets = window_offsets(s);
  pool_.parallel_for(int64_t(task.n) * s.src_h, [&](int64_t i) {
    const int64_t from = i / s.src_h * s.below_size() + i % s.src_h * s.max.side() * s.below_w * s.src_cs,
                  to = i * s.src_w * s.src_cs;
    if (task.levels) max_pool_row(task.levels + to, task.below_levels + from, offsets, s);
    else max_pool_row(task.values + to, task.below_values + from, offsets, s);
  });
  return {};
}

KernelChoice CpuBackend::execute(const MaxPoolBackwardTask& task) {
  const StageShape& s = task.shape;
  const std::vector<int64_t> offsets = window_offsets(s);
  const int64_t row = int64_t(s.below_w) * s.src_cs;
  const int side = s.max.side();
  pool_.parallel_for(int64_t(task.n) * s.src_h, [&](int64_t i) {
    const int y = int(i % s.src_h);
    const int64_t at = i / s.src_h * s.below_size() + int64_t(y) * side * row;
    // The last row of windows is followed by what fills none.
    const int rows = y + 1 < s.src_h ? side : s.below_h - y * side;
    std::memset(task.d_below + at, 0, sizeof(float) * size_t(rows * row));
    const float* d_src = task.d_src + i * s.src_w * s.src_cs;
    if (task.below_levels) max_pool_gradient_row(task.d_below + at, d_src, task.below_levels + at, offsets, s);
    else max_pool_gradient_row(task.d_below + at, d_src, task.below_values + at, offsets, s);
  });
  return {};
}

namespace {

// The share of numbers that are not zero below which adding weight rows event by event takes less time than the dense
// product, which reads every weight once for six cells.
constexpr double kEventDensity = 0.2;

// The numbers of one row of a stage's input, through its average pool.
void decode_row(float* to, const uint8_t* levels, const float* values, const float* scaled, const StageShape& s) {
  if (!s.first && s.pool == 1) return decode_range(to, levels, int64_t(s.in_w) * s.src_cs, scaled);
  const float share = 1.0f / float(s.pool * s.pool);
  for (int x = 0; x < s.in_w; ++x)
    for (int c = 0; c < s.src_cs; ++c) {
      const float* table = s.first ? values + int64_t(c) * kTableSize : scaled;
      float sum = 0;
      for (int i = 0; i < s.pool; ++i)
        for (int j = 0; j < s.pool; ++j) sum += table[levels[(int64_t(i) * s.src_w + x * s.pool + j) * s.src_cs + c]];
      to[int64_t(x) * s.src_cs + c] = s.pool == 1 ? sum : sum * share;
    }
}

}  // namespace

KernelChoice CpuBackend::execute(const CodedForwardTask& task) {
  const StageShape& s = task.shape;
  float scaled[kTableSize];
  for (int i = 0; i < kTableSize; ++i) scaled[i] = task.values[i] * task.scale;
  pool_.parallel_for(int64_t(task.n) * s.in_h, [&](int64_t i) {
    const uint8_t* levels = task.levels + i / s.in_h * s.src_size() + i % s.in_h * s.pool * s.src_w * s.src_cs;
    decode_row(task.packed + i * s.in_w * s.src_cs, levels, task.values, scaled, s);
  });
  const double density = s.first ? 1 : share_of_events(task);
  if (density < kEventDensity) {
    valued_forward(task);
    return {"events", density};
  }
  (void)execute(task.dense());
  return {"dense", density};
}

double CpuBackend::share_of_events(const CodedForwardTask& task) {
  const ValuedGeometry g(task.shape);
  const int64_t rows = int64_t(task.n) * g.in_h;
  valued_events_.reserve(rows, g);
  int64_t* counts = counts_.reserve(size_t(rows));
  pool_.parallel_for(rows, [&](int64_t i) { counts[i] = valued_events_.fill(i, task.packed + i * g.row(), g); });
  return double(std::accumulate(counts, counts + rows, int64_t{0})) / double(rows * g.row());
}

void CpuBackend::valued_forward(const CodedForwardTask& task) {
  const StageShape& s = task.shape;
  const ValuedGeometry g(s);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int64_t depth = int64_t(s.taps()) * s.src_cs, rows = int64_t(task.n) * g.out_h;
  // Tile by tile, so that the threads share its weights in the cache.
  pool_.parallel_for(int64_t(tiles.size()) * rows, [&](int64_t i) {
    const Tile tile = tiles[size_t(i / rows)];
    const int64_t row = i % rows;
    valued_row({.out = task.out + row * g.out_w * g.out_cs + tile.begin,
                .bias = task.bias ? task.bias + tile.begin : nullptr,
                .weight = task.weight + tile.begin * depth,
                .width = tile.width,
                .first_row = row / g.out_h * g.in_h,
                .y = int(row % g.out_h)},
               valued_events_, g);
  });
}

KernelChoice CpuBackend::execute(const QuantiseTask& task) {
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    quantise_range(task.levels + at, task.weighted + at, std::min(kRange, task.count - at), task.borders, task.largest);
  });
  return {};
}

KernelChoice CpuBackend::execute(const CodeGradientTask& task) {
  const CodeParams params = code_params(task.code, task.pair);
  double* sums = sums_.reserve(size_t(2 * ranges(task.count)));
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    const PairGradient sum = code_gradient_range(task.d_out + at, task.weighted + at, task.levels + at,
                                                 std::min(kRange, task.count - at), task.values, params, task.code);
    sums[2 * i] = sum.first, sums[2 * i + 1] = sum.second;
  });
  PairGradient all;
  for (int64_t i = 0; i < ranges(task.count); ++i) all.first += sums[2 * i], all.second += sums[2 * i + 1];
  task.d_pair[0] += float(all.first), task.d_pair[1] += float(all.second);
  return {};
}

KernelChoice CpuBackend::execute(const PullPairTask& task) {
  for (int i = 0; i < 2; ++i) task.add(i);
  return {};
}

KernelChoice CpuBackend::execute(const SendingPenaltyTask& task) {
  for (int c = 0; c < task.channels; ++c) task.add(c);
  return {};
}

KernelChoice CpuBackend::execute(const RoundWeightsTask& task) {
  double* largest = sums_.reserve(size_t(ranges(task.count)));
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    float most = 0;
    for (int64_t j = i * kRange; j < std::min(task.count, (i + 1) * kRange); ++j)
      most = std::max(most, std::fabs(task.weight[j]));
    largest[i] = most;
  });
  *task.unit = weight_unit(float(*std::max_element(largest, largest + ranges(task.count))), task.bits);
  const float unit = *task.unit;
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    for (int64_t j = i * kRange; j < std::min(task.count, (i + 1) * kRange); ++j)
      task.rounded[j] = rounded_weight(task.weight[j], unit);
  });
  return {};
}

KernelChoice CpuBackend::execute(const ScaleTask& task) {
  for (int64_t i = 0; i < task.count; ++i) task.values[i] *= task.factor;
  return {};
}

}  // namespace onespike::cpu
