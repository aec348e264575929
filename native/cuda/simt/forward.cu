// Forward products in 32-bit floats.
#include <algorithm>

#include "cuda/neuron.cuh"
#include "cuda/simt/first_stage.h"
#include "cuda/simt/tiles.cuh"
#include "cuda/simt/simt.h"
#include "cuda/spikes.cuh"

namespace onespike::cuda {
namespace {

struct TileForwardTask : SpikingForwardTask {
  int64_t cells;   // output cells of all images
  int tile_cells;  // of a tile: its rows are (cell, step)
  TileGrid grid;
};

// All steps of a neuron: the sums of a tile go through shared memory to the thread that owns the neuron. More than
// kTileRows steps come in several passes, and the thread keeps the neuron in between.
template <int kColumns>
__global__ void __launch_bounds__(SimtTile<kColumns>::kThreads, SimtTile<kColumns>::kBlocks)
    spiking_forward_kernel(TileForwardTask task) {
  constexpr int kThreads = SimtTile<kColumns>::kThreads;
  __shared__ SimtTile<kColumns> tile;
  __shared__ float inputs[kTileRows][kColumns];
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps;
  const int64_t depth = int64_t(s.taps()) * s.src_cs;
  const Lif lif{task.neuron.threshold(), task.neuron.leak()};
  for (int64_t index = blockIdx.x; index < task.grid.tiles(); index += gridDim.x) {
    const int first_column = int(index % task.grid.column_tiles) * kColumns;
    const int64_t first_cell = index / task.grid.column_tiles * task.tile_cells;
    const int cells = int(min(int64_t(task.tile_cells), task.cells - first_cell));
    // With several passes a tile has one cell and this thread one neuron.
    Neuron kept = fresh_neuron(task.neuron, first_column + int(threadIdx.x) % kColumns < s.out_c);
    for (int first = 0; first < T; first += kTileRows) {
      const int steps = min(kTileRows, T - first);
      float sums[4][4] = {};
      multiply<kColumns>(
          sums, tile, 0, depth,
          [&](SimtTile<kColumns>& to, int64_t k) {
            return load_spikes<kThreads>(to.a, task.source, k, first_cell, cells, first, steps, T, s);
          },
          [&](SimtTile<kColumns>& to, int64_t k) {
            load_weights<kColumns>(to, task.weight, k, depth, first_column, s.out_cs);
          });
      const int row = thread_row<kColumns>(), column = thread_column<kColumns>();
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) inputs[row + i][column + j] = sums[i][j];
      __syncthreads();
      for (int i = int(threadIdx.x); i < cells * kColumns; i += kThreads) {
        const int channel = first_column + i % kColumns, local = i / kColumns;
        if (channel >= s.out_cs) continue;
        const int64_t cell = first_cell + local, image = cell / s.out_cells(), neuron = cell * s.out_cs + channel;
        Neuron fresh = fresh_neuron(task.neuron, channel < s.out_c);
        Neuron& now = T > kTileRows ? kept : fresh;
        const float bias = task.bias ? task.bias[channel] : 0;
        for (int step = 0; step < steps; ++step) {
          const int t = first + step + 1;
          const float current = task.current && (t == 1 || task.current_always) ? task.current[neuron] : 0;
          const float u = neuron_step(now, task.neuron, lif, inputs[local * steps + step][i % kColumns],
                                      task.source.scale, bias, current, t);
          if (task.potential) task.potential[(image * T + t - 1) * s.out_size() + (neuron - image * s.out_size())] = u;
        }
        task.times[neuron] = uint8_t(now.fire_time);
      }
      __syncthreads();
    }
  }
}

struct TileDenseTask : DenseForwardTask {
  int64_t cells;
  TileGrid grid;
};

template <int kColumns>
__global__ void __launch_bounds__(SimtTile<kColumns>::kThreads, SimtTile<kColumns>::kBlocks)
    dense_forward_kernel(TileDenseTask task) {
  constexpr int kThreads = SimtTile<kColumns>::kThreads;
  __shared__ SimtTile<kColumns> tile;
  const StageShape& s = task.shape;
  const int64_t depth = int64_t(s.taps()) * s.src_cs;
  for (int64_t index = blockIdx.x; index < task.grid.tiles(); index += gridDim.x) {
    const int first_column = int(index % task.grid.column_tiles) * kColumns;
    const int64_t first_row = index / task.grid.column_tiles * kTileRows;
    float sums[4][4] = {};
    multiply<kColumns>(
        sums, tile, 0, depth,
        [&](SimtTile<kColumns>& to, int64_t k) {
          const int lane = int(threadIdx.x) % kDepth;
          const Tap tap = tap_at(k + lane, s.src_cs, s.kernel_w);
          bool any = false;
          for (int row = int(threadIdx.x) / kDepth; row < kTileRows; row += kThreads / kDepth) {
            float value = 0;
            if (first_row + row < task.cells && k + lane < depth) {
              const Cell cell = cell_at(first_row + row, s.out_h, s.out_w);
              const int y = input_at(cell.y, tap.y, s.in_h, s), x = input_at(cell.x, tap.x, s.in_w, s);
              if (y >= 0 && x >= 0)
                value = task.packed[((cell.image * s.in_h + y) * s.in_w + x) * s.src_cs + tap.channel];
            }
            to.a[lane][row] = value;
            any |= value != 0;
          }
          return any;
        },
        [&](SimtTile<kColumns>& to, int64_t k) {
          load_weights<kColumns>(to, task.weight, k, depth, first_column, s.out_cs);
        });
    const int row = thread_row<kColumns>(), column = thread_column<kColumns>();
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        const int channel = first_column + column + j;
        if (first_row + row + i >= task.cells || channel >= s.out_cs) continue;
        const float value = sums[i][j] + (task.bias ? task.bias[channel] : 0);
        task.out[(first_row + row + i) * s.out_cs + channel] =
            task.relu && value < 0 ? 0 : value;  // not a number stays one
      }
  }
}

}  // namespace

void simt_spiking_forward(Stream& stream, const SpikingForwardTask& task) {
  const int T = task.neuron.timesteps;
  if (task.source.times && first_stage_takes(task.shape, T)) return first_stage_spiking_forward(stream, task);
  if (task.source.times && T <= kEventSteps) return event_spiking_forward(stream, task, {.floats = task.weight});
  with_columns(task.shape.out_cs, [&](auto columns) {
    constexpr int kColumns = columns.value;
    const int64_t cells = task.n * task.shape.out_cells();
    const int tile_cells = std::max(1, kTileRows / T);
    const TileGrid grid{(cells + tile_cells - 1) / tile_cells, (task.shape.out_cs + kColumns - 1) / kColumns, 1};
    launch(stream, dim3(unsigned(std::min(grid.tiles(), kMostBlocks))), dim3(SimtTile<kColumns>::kThreads), 0,
           "spiking_forward", spiking_forward_kernel<kColumns>, TileForwardTask{task, cells, tile_cells, grid});
  });
}

void simt_dense_forward(Stream& stream, const DenseForwardTask& task) {
  if (first_stage_takes(task.shape, 1)) return first_stage_dense_forward(stream, task);
  with_columns(task.shape.out_cs, [&](auto columns) {
    constexpr int kColumns = columns.value;
    const int64_t cells = task.n * task.shape.out_cells();
    const TileGrid grid = tile_grid<kColumns>(cells, task.shape.out_cs);
    launch(stream, dim3(unsigned(std::min(grid.tiles(), kMostBlocks))), dim3(SimtTile<kColumns>::kThreads), 0,
           "dense_forward", dense_forward_kernel<kColumns>, TileDenseTask{task, cells, grid});
  });
}

}  // namespace onespike::cuda
