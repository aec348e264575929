// Backward products in 32-bit floats.
#include <algorithm>

#include "cuda/elementwise.cuh"
#include "cuda/simt/first_stage.h"
#include "cuda/simt/tiles.cuh"
#include "cuda/simt/simt.h"
#include "cuda/spikes.cuh"
#include "cuda/simt/weight_parts.cuh"

namespace onespike::cuda {
namespace {

struct InputSumsTask {
  float* sums;
  const float *gradient, *weight;
  StageShape shape;
  int64_t rows;   // (image, input cell); of a linear layer, images
  int columns;    // source channels; of a linear layer, those of every cell
  int64_t depth;  // (tap, output channel); of a linear layer, output channels
  TileGrid grid;
};

template <int kColumns>
__global__ void __launch_bounds__(SimtTile<kColumns>::kThreads, SimtTile<kColumns>::kBlocks)
    input_sums_kernel(InputSumsTask task) {
  constexpr int kThreads = SimtTile<kColumns>::kThreads;
  __shared__ SimtTile<kColumns> tile;
  const StageShape& s = task.shape;
  const int lane = int(threadIdx.x) % kDepth;
  for (int64_t index = blockIdx.x; index < task.grid.tiles(); index += gridDim.x) {
    const int first_column = int(index % task.grid.column_tiles) * kColumns;
    const int64_t first_row = index / task.grid.column_tiles * kTileRows;
    float sums[4][4] = {};
    multiply<kColumns>(
        sums, tile, 0, task.depth,
        [&](SimtTile<kColumns>& to, int64_t k) {
          const Tap tap = tap_at(k + lane, s.out_cs, s.kernel_w);
          bool any = false;
          for (int row = int(threadIdx.x) / kDepth; row < kTileRows; row += kThreads / kDepth) {
            float value = 0;
            if (first_row + row < task.rows && k + lane < task.depth) {
              if (s.linear) {
                value = task.gradient[(first_row + row) * s.out_cs + tap.channel];
              } else {
                const Cell cell = cell_at(first_row + row, s.in_h, s.in_w);
                const int y = output_at(cell.y, tap.y, s.out_h, s), x = output_at(cell.x, tap.x, s.out_w, s);
                if (y >= 0 && x >= 0)
                  value = task.gradient[((cell.image * s.out_h + y) * s.out_w + x) * s.out_cs + tap.channel];
              }
            }
            to.a[lane][row] = value;
            any |= value != 0;
          }
          return any;
        },
        [&](SimtTile<kColumns>& to, int64_t k) {
          const bool inside = k + lane < task.depth;
          const Tap tap = tap_at(k + lane, s.out_cs, s.kernel_w);
          const Tile at = inside ? tile_of(tap.channel, s.out_cs) : Tile();
          const int64_t before = s.linear ? 0 : (int64_t(tap.y) * s.kernel_w + tap.x) * s.src_cs,
                        rows = int64_t(s.taps()) * s.src_cs;
          for (int i = int(threadIdx.x) / kDepth; i < kColumns; i += kThreads / kDepth) {
            const int column = first_column + i;
            to.b[lane][i] = inside && column < task.columns
                                ? task.weight[at.begin * rows + (before + column) * at.width + (tap.channel - at.begin)]
                                : 0;
          }
        });
    const int row = thread_row<kColumns>(), column = thread_column<kColumns>();
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j)
        if (first_row + row + i < task.rows && first_column + column + j < task.columns)
          task.sums[(first_row + row + i) * task.columns + first_column + column + j] = sums[i][j];
  }
}

// Where the inputs of a weight gradient come from: a float map, or the pixels' valued events at the step that
// counts as part of the image.
struct MapInput {
  const float* map;  // (image, in_h, in_w, src_cs)

  __device__ __forceinline__ float at(int64_t image, int y, int x, int channel, const StageShape& s) const {
    return map[((image * s.in_h + y) * s.in_w + x) * s.src_cs + channel];
  }
};

struct ValuedInput {
  SpikeSource source;
  int timesteps;

  __device__ __forceinline__ float at(int64_t image, int y, int x, int channel, const StageShape& s) const {
    float value = 0;
    add_spikes(&value, 1, source, image / timesteps, y, x, channel, int(image % timesteps), 1, timesteps, s);
    return value;
  }
};

template <class Input>
struct TileWeightTask {
  float* parts;  // one copy of the packed weights per part
  Input input;
  const float* gradient;  // (image, out map)
  StageShape shape;
  int64_t depth, part;  // output cells of all images; of one part
  TileGrid grid;
};

template <int kColumns, class Input>
__global__ void __launch_bounds__(SimtTile<kColumns>::kThreads, SimtTile<kColumns>::kBlocks)
    weight_gradient_kernel(TileWeightTask<Input> task) {
  constexpr int kThreads = SimtTile<kColumns>::kThreads;
  __shared__ SimtTile<kColumns> tile;
  const StageShape& s = task.shape;
  const int64_t rows = int64_t(s.taps()) * s.src_cs;
  for (int64_t index = blockIdx.x; index < task.grid.tiles(); index += gridDim.x) {
    const int first_column = int(index % task.grid.column_tiles) * kColumns;
    const int64_t first_row = index / task.grid.column_tiles % task.grid.row_tiles * kTileRows;
    const int64_t part = index / (task.grid.column_tiles * task.grid.row_tiles), begin = part * task.part,
                  end = min(task.depth, begin + task.part);
    float sums[4][4] = {};
    multiply<kColumns>(
        sums, tile, begin, end,
        [&](SimtTile<kColumns>& to, int64_t k) {
          const int row = int(threadIdx.x) % kTileRows;
          const Tap tap = tap_at(first_row + row, s.src_cs, s.kernel_w);
          bool any = false;
          for (int i = int(threadIdx.x) / kTileRows; i < kDepth; i += kThreads / kTileRows) {
            float value = 0;
            if (first_row + row < rows && k + i < end) {
              const Cell cell = cell_at(k + i, s.out_h, s.out_w);
              const int y = input_at(cell.y, tap.y, s.in_h, s), x = input_at(cell.x, tap.x, s.in_w, s);
              if (y >= 0 && x >= 0) value = task.input.at(cell.image, y, x, tap.channel, s);
            }
            to.a[i][row] = value;
            any |= value != 0;
          }
          return any;
        },
        [&](SimtTile<kColumns>& to, int64_t k) {
          for (int i = int(threadIdx.x); i < kDepth * kColumns; i += kThreads) {
            const int column = first_column + i % kColumns;
            to.b[i / kColumns][i % kColumns] =
                column < s.out_cs && k + i / kColumns < end ? task.gradient[(k + i / kColumns) * s.out_cs + column] : 0;
          }
        });
    const int row = thread_row<kColumns>(), column = thread_column<kColumns>();
    for (int j = 0; j < 4; ++j) {
      const int channel = first_column + column + j;
      if (channel >= s.out_cs) continue;
      const Tile at = tile_of(channel, s.out_cs);
      for (int i = 0; i < 4; ++i)
        if (first_row + row + i < rows)
          task.parts[part * s.weights() + at.begin * rows + (first_row + row + i) * at.width + (channel - at.begin)] =
              sums[i][j];
    }
  }
}

template <class Input>
void weight_gradient(Stream& stream, Workspace& workspace, const char* name, float* d_weight, const Input& input,
                     const float* gradient, int64_t images, float scale, const StageShape& s) {
  with_columns(s.out_cs, [&](auto columns) {
    constexpr int kColumns = columns.value;
    int64_t part = 0;
    const TileGrid grid = weight_grid<kColumns>(images, s, &part);
    float* parts = workspace.reserve<float>(stream, size_t(grid.splits * s.weights()));
    const TileWeightTask<Input> task{parts, input, gradient, s, images * s.out_cells(), part, grid};
    launch(stream, dim3(unsigned(std::min(grid.tiles(), kMostBlocks))), dim3(SimtTile<kColumns>::kThreads), 0, name,
           weight_gradient_kernel<kColumns, Input>, task);
    each(stream, name, s.weights(), AddParts{d_weight, parts, s.weights(), grid.splits, scale, {}});
  });
}

}  // namespace

size_t simt_weight_gradient_bytes(int64_t n, int timesteps, const StageShape& s) {
  int64_t part = 0;
  int splits = 1;
  // Events are counted by cells, everything else by cells and steps.
  for (int64_t images : {n, n * timesteps})
    with_columns(s.out_cs,
                 [&](auto columns) { splits = std::max(splits, weight_grid<columns.value>(images, s, &part).splits); });
  return std::max(size_t(splits) * size_t(s.weights()) * sizeof(float),
                  first_stage_takes(s, 1) ? first_stage_gradient_bytes(n, s) : 0);
}

void simt_input_sums(Stream& stream, float* sums, const float* gradient, const float* weight, int64_t images,
                     const StageShape& s) {
  const int columns_all = s.linear ? s.taps() * s.src_cs : s.src_cs;
  const int64_t rows = s.linear ? images : images * s.in_h * s.in_w,
                depth = s.linear ? s.out_cs : int64_t(s.taps()) * s.out_cs;
  with_columns(columns_all, [&](auto columns) {
    constexpr int kColumns = columns.value;
    const TileGrid grid = tile_grid<kColumns>(rows, columns_all);
    const InputSumsTask task{sums, gradient, weight, s, rows, columns_all, depth, grid};
    launch(stream, dim3(unsigned(std::min(grid.tiles(), kMostBlocks))), dim3(SimtTile<kColumns>::kThreads), 0,
           "input_sums", input_sums_kernel<kColumns>, task);
  });
}

void simt_weight_gradient(Stream& stream, Workspace& workspace, const WeightGradientTask& task) {
  if (task.source.times && first_stage_takes(task.shape, task.timesteps))
    first_stage_weight_gradient(stream, workspace, task);
  else if (task.source.times) event_weight_gradient(stream, workspace, task, {.floats = task.gradient});
  else
    weight_gradient(stream, workspace, "weight_gradient", task.d_weight, ValuedInput{task.source, task.timesteps},
                    task.gradient, int64_t(task.n) * task.timesteps, task.source.scale, task.shape);
}

void simt_dense_weight_gradient(Stream& stream, Workspace& workspace, const DenseWeightGradientTask& task) {
  if (first_stage_takes(task.shape, 1)) return first_stage_dense_weight_gradient(stream, workspace, task);
  weight_gradient(stream, workspace, "dense_weight_gradient", task.d_weight, MapInput{task.packed}, task.d_out, task.n,
                  1, task.shape);
}

}  // namespace onespike::cuda
