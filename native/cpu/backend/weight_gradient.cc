// From g(t) of a stage to the gradients of its weights, its bias, its analog current and its schedules: how the CPU
// backend splits it into tasks.
#include <algorithm>
#include <cstring>

#include "cpu/backend/backend.h"
#include "cpu/gradient/gradient_tile.h"
#include "cpu/schedule.h"
#include "cpu/gradient/weight_conv.h"
#include "cpu/gradient/weight_linear.h"

namespace onespike::cpu {
namespace {

// A weight-gradient task reads the gradients of all images again, so it takes as many source channels as leave this
// many tasks per thread.
constexpr int64_t kWeightTasksPerThread = 4;

}  // namespace

KernelChoice CpuBackend::execute(const WeightGradientTask& task) {
  if (!task.source.times && !task.source.values) return {};
  if (task.shape.linear) linear_weight_gradient(task);
  else conv_weight_gradient(task);
  return {};
}

void CpuBackend::conv_weight_gradient(const WeightGradientTask& task) {
  const StageShape& s = task.shape;
  buckets_.sort(task.source, task.n, task.timesteps, s, pool_);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int channels = s.src_cs;
  const int group = int(std::clamp<int64_t>(
      int64_t(channels) * int64_t(tiles.size()) / (kWeightTasksPerThread * pool_.threads()), 1, channels));
  const int64_t groups = (channels + group - 1) / group;
  pool_.parallel_for(int64_t(tiles.size()) * groups, [&](int64_t i) {
    const Tile tile = tiles[i / groups];
    const GradientTile at(tile, task.n, task.timesteps, s);
    const int begin = int(i % groups) * group;
    const ConvWeightTask part{.buckets = &buckets_,
                              .shape = &s,
                              .gradient = task.gradient + at.begin,
                              .d_weight = task.d_weight + int64_t(tile.begin) * s.taps() * s.src_cs,
                              .scale = task.source.scale,
                              .group_size = buckets_.group_images() * at.image};
    conv_weight_channels(part, tile.width, begin, std::min(begin + group, channels));
  });
}

void CpuBackend::linear_weight_gradient(const WeightGradientTask& task) {
  const StageShape& s = task.shape;
  sort_by_row(&row_events_, task.source, task.n, task.timesteps, s, pool_);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int64_t rows = int64_t(s.taps()) * s.src_cs, gradient_rows = int64_t(task.n) * task.timesteps;
  const int64_t split = std::clamp<int64_t>(kWeightTasksPerThread * pool_.threads() / int64_t(tiles.size()), 1, rows);
  each_worker(int64_t(tiles.size()) * split, gradient_rows * kMaxTile, [&](Worker& worker, int64_t i) {
    const Tile tile = tiles[i / split];
    const int64_t part = i % split;
    // The tile's columns, together: a power of two apart they would evict each other from the cache.
    float* to = worker.floats();
    for (int64_t row = 0; row < gradient_rows; ++row)
      std::memcpy(to + row * tile.width, task.gradient + row * s.out_cs + tile.begin, sizeof(float) * tile.width);
    linear_weight_rows({.events = &row_events_,
                        .gradient = to,
                        .d_weight = task.d_weight + tile.begin * rows,
                        .scale = task.source.scale,
                        .begin = rows * part / split,
                        .end = rows * (part + 1) / split},
                       tile.width);
  });
}

KernelChoice CpuBackend::execute(const BiasGradientTask& task) {
  const StageShape& s = task.shape;
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  pool_.parallel_for(int64_t(tiles.size()), [&](int64_t i) {
    const Tile tile = tiles[i];
    const GradientTile at(tile, task.n, task.timesteps, s);
    double sum[kMaxTile] = {};
    for (int64_t image = 0; image < task.n; ++image)
      for (int t = 0; t < task.timesteps; ++t) {
        const double share = task.kappa ? 1 / double(task.kappa[t]) : 1;
        for (int y = 0; y < s.out_h; ++y)
          for (int x = 0; x < s.out_w; ++x) {
            const float* cell = task.gradient + at.begin + image * at.image + t * at.step +
                                (y + s.border_h()) * at.row + (x + s.border_w()) * at.cell;
            for (int c = 0; c < tile.width; ++c) sum[c] += share * cell[c];
          }
      }
    for (int c = 0; c < tile.width; ++c) task.d_bias[tile.begin + c] += float(sum[c]);
  });
  return {};
}

KernelChoice CpuBackend::execute(const AnalogGradientTask& task) {
  const StageShape& s = task.shape;
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  pool_.parallel_for(int64_t(task.n) * s.out_h, [&](int64_t i) {
    const int64_t image = i / s.out_h, y = i % s.out_h;
    for (const Tile& tile : tiles) {
      const GradientTile at(tile, task.n, task.timesteps, s);
      const float* row =
          task.gradient + at.begin + image * at.image + (y + s.border_h()) * at.row + s.border_w() * at.cell;
      for (int x = 0; x < s.out_w; ++x) {
        float* out = task.d_current + (i * s.out_w + x) * s.out_cs + tile.begin;
        const float* from = row + x * at.cell;
        std::memcpy(out, from, sizeof(float) * tile.width);
        for (int t = 2; task.sum_steps && t <= task.timesteps; ++t)
          for (int c = 0; c < tile.width; ++c) out[c] += from[(t - 1) * at.step + c];
      }
    }
  });
  return {};
}

KernelChoice CpuBackend::execute(const ScheduleGradientTask& task) {
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps;
  const ScheduleTask rows{.potential = task.potential,
                          .a = task.a,
                          .spike_a = task.spike_a,
                          .times = task.times,
                          .bias = task.bias,
                          .shape = &s,
                          .leak = task.neuron.leak(),
                          .start = task.neuron.initial_potential(),
                          .timesteps = T};
  const int64_t count = int64_t(task.n) * s.out_h;
  double* partial = sums_.reserve(size_t(count * 2 * T));
  each_worker(count, int64_t(s.out_w) * s.out_cs, [&](Worker& worker, int64_t i) {
    schedule_row(rows, i / s.out_h, int(i % s.out_h), worker.floats(), partial + i * 2 * T);
  });
  for (int t = 0; t < T; ++t) {
    double arrived = 0, reached = 0;
    for (int64_t i = 0; i < count; ++i) arrived += partial[i * 2 * T + t], reached += partial[i * 2 * T + T + t];
    task.d_kappa[t] += float(arrived / double(task.neuron.kappa[t]));
    task.d_theta[t] -= float(reached / double(task.neuron.theta[t]));
  }
  return {};
}

}  // namespace onespike::cpu
