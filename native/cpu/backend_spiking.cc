// Spiking gradients of the CPU backend: how each operation is split into tasks.
#include <algorithm>
#include <cstring>

#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

// A weight-gradient task reads the gradients of all images again, so it takes as many source channels as leave this many
// tasks per thread.
constexpr int64_t kTasksPerThread = 4;

}  // namespace

void CpuBackend::weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps, const StageShape& s) {
  if (!source.times && !source.rate) return;
  if (s.linear) return linear_weight_gradient(d_weight, source, gradient, n, timesteps, s);
  sort_by_channel(&buckets_, source, n, timesteps, s, pool_);
  const WeightGradientTask task{&buckets_, &s, gradient, d_weight, source.scale, n, timesteps};
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int channels = s.src_cs;
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
