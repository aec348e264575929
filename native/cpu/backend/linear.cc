// Linear layers backward: how each operation is split into tasks.
#include <algorithm>
#include <cstring>

#include "cpu/backend/backend.h"
#include "cpu/gradient/linear.h"

namespace onespike::cpu {
namespace {

constexpr int64_t kTasksPerThread = 4;

}  // namespace

int64_t CpuBackend::linear_input_gradient(const InputGradientTask& neurons, const float* weight, int n) {
  const StageShape& s = *neurons.shape;
  const LinearInputTask task{&gradient_events_, weight, neurons, n};
  const std::vector<Tile> tiles = tiles_of(s.src_cs);
  const int64_t tasks = int64_t(tiles.size()) * s.taps();
  NeuronGradient* partial = partial_.reserve(size_t(tasks));
  each_worker(tasks, linear_input_floats(n, neurons.neuron.timesteps), [&](Worker& worker, int64_t i) {
    partial[i] = {};
    cpu::linear_input_gradient(task, int(i / tiles.size()), tiles[i % tiles.size()], worker.floats(), &partial[i]);
  });
  return tasks;
}

void CpuBackend::linear_weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n,
                                        int timesteps, const StageShape& s) {
  sort_by_row(&row_events_, source, n, timesteps, s, pool_);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int64_t rows = int64_t(s.taps()) * s.src_cs, gradient_rows = int64_t(n) * timesteps;
  const int64_t split = std::clamp<int64_t>(kTasksPerThread * pool_.threads() / int64_t(tiles.size()), 1, rows);
  each_worker(int64_t(tiles.size()) * split, gradient_rows * kMaxTile, [&](Worker& worker, int64_t i) {
    const Tile tile = tiles[i / split];
    const int64_t part = i % split;
    // The tile's columns, together: a power of two apart they would evict each other from the cache.
    float* to = worker.floats();
    for (int64_t row = 0; row < gradient_rows; ++row)
      std::memcpy(to + row * tile.width, gradient + row * s.out_cs + tile.begin, sizeof(float) * tile.width);
    linear_weight_rows(
        {&row_events_, to, d_weight + tile.begin * rows, source.scale, rows * part / split, rows * (part + 1) / split},
        tile.width);
  });
}

}  // namespace onespike::cpu
