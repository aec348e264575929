// Spiking operations of the CPU backend: how each is split into tasks.
#include <algorithm>
#include <cstring>

#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

// A weight-gradient task reads the gradients of all images again, so it takes as many source channels as leave this many
// tasks per thread.
constexpr int64_t kTasksPerThread = 4;

EventWalk forward_walk(const EventRows& rows, const float* weight, int timesteps, const StageShape& s) {
  EventWalk walk(rows, weight, timesteps);
  if (s.linear) {
    // One list, one column: ids run over the whole map, which is the order of the weight rows.
    walk.window_y = walk.window_x = {{0, 1, 0}};
    walk.source_rows = walk.columns = walk.taps_x = walk.taps = 1;
    walk.source_cs = s.taps() * s.src_cs;
  } else {
    walk.window_y = forward_windows(s.out_h, s.in_h, s.kernel_h, s.stride, s.pad);
    walk.window_x = forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad);
    walk.source_rows = s.in_h, walk.columns = s.in_w;
    walk.taps_x = s.kernel_w, walk.taps = s.taps();
    walk.source_cs = s.src_cs;
  }
  return walk;
}

EventWalk backward_walk(const EventRows& rows, const float* weight, int timesteps, const StageShape& s) {
  EventWalk walk(rows, weight, timesteps);
  walk.window_y = backward_windows(s.in_h, s.out_h, s.kernel_h, s.stride, s.pad);
  walk.window_x = backward_windows(s.in_w, s.out_w, s.kernel_w, s.stride, s.pad);
  walk.source_rows = s.out_h, walk.columns = s.out_w;
  walk.taps_x = s.kernel_w, walk.taps = s.taps();
  walk.source_cs = s.out_cs;
  return walk;
}

}  // namespace

void CpuBackend::sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) {
  if (source.times || source.rate) {
    sort_by_step(&forward_events_, source, n, timesteps, s, pool_);
  } else {
    // Analog input alone: empty lists.
    const int rows = s.linear ? 1 : s.in_h, columns = s.linear ? 1 : s.in_w;
    forward_events_.reserve(int64_t(n) * rows, 0, int64_t(timesteps) * columns, false);
    std::memset(forward_events_.starts.data(), 0, sizeof(uint32_t) * n * rows * (forward_events_.cells + 1));
  }
  source_scale_ = source.scale;
}

void CpuBackend::spiking_forward(uint8_t* times, float* potential, const float* weight, const float* bias, const float* current,
                                 bool current_always, int n, const NeuronParams& p, const StageShape& s) {
  const EventWalk walk = forward_walk(forward_events_, weight, p.timesteps, s);
  const ForwardTask task{&walk, &s, p, bias, current, current_always, source_scale_, times, potential};
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int64_t rows = int64_t(n) * s.out_h;
  // Tile by tile, so that its weights stay in the cache while all rows pass.
  pool_.parallel_for(int64_t(tiles.size()) * rows,
                     [&](int64_t i) { spiking_forward_row(task, tiles[i / rows], i % rows / s.out_h, int(i % rows % s.out_h)); });
}

void CpuBackend::accumulate_gradient(float* gradient, const float* potential, int n, bool keep_events, const NeuronParams& p, const StageShape& s) {
  if (keep_events) {
    // One vector of slack: a compressing store may write a whole vector.
    const int64_t capacity = int64_t(s.out_w) * s.out_cs * p.timesteps + kLane;
    gradient_events_.reserve(int64_t(n) * s.out_h, capacity, int64_t(p.timesteps) * s.out_w, true);
  }
  EventRows* rows = keep_events ? &gradient_events_ : nullptr;
  pool_.parallel_for(int64_t(n) * s.out_h, [&](int64_t i) { accumulate_row(gradient, potential, rows, i / s.out_h, int(i % s.out_h), p.timesteps, p.leak, s); });
}

void CpuBackend::weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps, const StageShape& s) {
  if (!source.times && !source.rate) return;
  sort_by_channel(&buckets_, source, n, timesteps, s, pool_);
  const WeightGradientTask task{&buckets_, &s, gradient, d_weight, source.scale, n, timesteps};
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int channels = s.linear ? s.taps() * s.src_cs : s.src_cs;
  const int group = int(std::clamp<int64_t>(int64_t(channels) * int64_t(tiles.size()) / (kTasksPerThread * pool_.threads()), 1, channels));
  const int64_t groups = (channels + group - 1) / group;
  pool_.parallel_for(int64_t(tiles.size()) * groups, [&](int64_t i) {
    const int begin = int(i % groups) * group;
    weight_gradient_channels(task, tiles[i / groups], begin, std::min(begin + group, channels));
  });
}

void CpuBackend::bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) {
  pool_.parallel_for(s.out_cs / kLane, [&](int64_t lane) {
    double sum[kLane] = {};
    for (int64_t i = 0; i < int64_t(n) * timesteps; ++i)
      for (int y = 0; y < s.out_h; ++y) {
        const float* row = gradient + i * s.grad_step() + s.grad_cell(y, 0) + lane * kLane;
        for (int x = 0; x < s.out_w; ++x, row += s.out_cs)
          for (int c = 0; c < kLane; ++c) sum[c] += row[c];
      }
    for (int c = 0; c < kLane; ++c) d_bias[lane * kLane + c] += float(sum[c]);
  });
}

void CpuBackend::input_gradient(float* potential_below, const float*, const void* weight_backward, const uint8_t* times_below,
                                const uint8_t* mask, float scale, int n, float leak, const NeuronParams& below, const StageShape& below_shape,
                                const StageShape& s, NeuronGradient* d) {
  const int T = below.timesteps;
  std::vector<float> exponential;
  if (below.surrogate.kind == Surrogate::kExponential)
    for (int distance = 0; distance <= T; ++distance) exponential.push_back(exponential_slope(distance, 0, below.surrogate));

  const EventWalk walk = backward_walk(gradient_events_, static_cast<const float*>(weight_backward), T, s);
  const InputGradientTask task{&walk, &s, &below_shape, below, leak, scale, times_below, mask, potential_below, exponential.data()};
  const int64_t rows = int64_t(n) * s.in_h, tasks = s.src_cs / kGradientTile * rows;
  NeuronGradient* partial = partial_.reserve(size_t(tasks));
  // Neurons that the pool drops receive nothing.
  const int used_h = s.in_h * s.pool, used_w = s.in_w * s.pool;
  if (used_h < below_shape.out_h || used_w < below_shape.out_w)
    pool_.parallel_for(int64_t(n) * T, [&](int64_t i) {
      for (int y = 0; y < below_shape.out_h; ++y) {
        const int from = y < used_h ? used_w : 0;
        std::memset(potential_below + i * below_shape.out_size() + below_shape.out_cell(y, from), 0,
                    sizeof(float) * (below_shape.out_w - from) * below_shape.out_cs);
      }
    });
  pool_.parallel_for(tasks, [&](int64_t i) {
    partial[i] = {};
    input_gradient_row(task, int(i / rows) * kGradientTile, i % rows / s.in_h, int(i % rows % s.in_h), &partial[i]);
  });
  for (int64_t i = 0; i < tasks; ++i) d->threshold += partial[i].threshold, d->leak += partial[i].leak;
}

void CpuBackend::analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps, const StageShape& s) {
  pool_.parallel_for(int64_t(n) * s.out_h, [&](int64_t i) {
    const int64_t image = i / s.out_h, y = i % s.out_h, count = int64_t(s.out_w) * s.out_cs;
    float* out = d_current + i * count;
    const float* from = gradient + image * timesteps * s.grad_step() + s.grad_cell(int(y), 0);
    std::memcpy(out, from, sizeof(float) * count);
    for (int t = 2; sum_steps && t <= timesteps; ++t)
      for (int64_t c = 0; c < count; ++c) out[c] += from[(t - 1) * s.grad_step() + c];
  });
}

}  // namespace onespike::cpu
