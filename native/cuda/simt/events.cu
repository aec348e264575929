// Products of spike times that follow the events. A warp reads 32 times at once, votes who fired, and for each of them
// adds one row of weights or gradients, two channels a lane: 12 % of the neurons firing once are 8 times less work than
// one dense step, and 40 times less than five.
//
// Rows are floats, or the bf16 that tensor cores multiply: then only the order of the sums differs from theirs. Their
// packed weights have a line of 128 bytes, 64 output channels, for every position of a slice of source channels
// (tile.cuh).
#include <algorithm>

#include "cuda/neuron.cuh"
#include "cuda/tensor/ptx.cuh"
#include "cuda/simt/lane_channels.cuh"
#include "cuda/simt/simt.h"
#include "cuda/tensor/tensor_core.h"
#include "cuda/tensor/tile.cuh"
#include "cuda/simt/weight_parts.cuh"

namespace onespike::cuda {
namespace {

constexpr int kWarpsOfBlock = 8;
constexpr int kBlockThreads = 32 * kWarpsOfBlock;
constexpr int kPairColumns = 64;  // two a lane
constexpr int kWarpRows = kTileRows / kWarpsOfBlock;
constexpr unsigned kAll = 0xffffffffu;
// Blocks take tiles in turns: enough to fill the largest device several times, and few enough to return in microseconds
// when a gate is closed.
constexpr int64_t kEventBlocks = 4096;

// The two output channels of a lane.
__device__ __forceinline__ LaneChannels pair_at(int64_t column_tile, int64_t rows, const StageShape& s) {
  return LaneChannels(int(column_tile) * kPairColumns + int(threadIdx.x) % 32 * 2, rows, s);
}

__device__ __forceinline__ float2 load_pair(const float* at) { return *reinterpret_cast<const float2*>(at); }
__device__ __forceinline__ float2 load_pair(const uint16_t* at) {
  const uint32_t word = *reinterpret_cast<const uint32_t*>(at);
  return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
}
__device__ __forceinline__ void store_pair(float* at, float x, float y) {
  *reinterpret_cast<float2*>(at) = make_float2(x, y);
}

struct EventForwardTask : SpikingForwardTask {
  EventRows rows;
  int64_t cells;  // output cells of all images
  int column_tiles;
};

// Where the lanes find 32 source channels of a tap and their rows of weights.
template <bool kHalves>
struct Group {
  int channel;  // whose time the lane reads

  // `first` is a multiple of 32 below end().
  __device__ Group(const EventForwardTask& task, const LaneChannels& pair, int tap, int first) {
    const StageShape& s = task.shape;
    const int lane = int(threadIdx.x) % 32;
    if constexpr (kHalves) {  // channels in the order of the slice
      const int slices = (s.src_cs + kSlice - 1) / kSlice;
      const int64_t tile = (int64_t(pair.channel / kColumns) * s.taps() + tap) * slices + first / kSlice;
      channel = first / kSlice * kSlice + slice_channel(first % kSlice + lane);
      row_ = static_cast<const unsigned char*>(task.rows.halves) + tile * kTileBytes + first % kSlice * kRowBytes;
    } else {
      channel = first + lane;
      row_ = task.rows.floats + pair.weight(int64_t(tap) * s.src_cs + first);
    }
  }
  __device__ static int end(const StageShape& s) { return kHalves ? round_up(s.src_cs, kSlice) : s.src_cs; }

  // The pair of output channels in the row of the lane `who`.
  __device__ float2 weight(const LaneChannels& pair, int who) const {
    if constexpr (kHalves)
      return load_pair(reinterpret_cast<const uint16_t*>(row_ + chunk_offset(who, pair.channel % kColumns / kChunk)) +
                       pair.channel % kChunk);
    else return load_pair(row_ + who * pair.width);
  }

 private:
  std::conditional_t<kHalves, const unsigned char*, const float*> row_;
};

// A warp has one output cell; its sums of every step are in shared memory, each lane's own.
template <bool kHalves>
__global__ void __launch_bounds__(kBlockThreads, 2) event_forward_kernel(EventForwardTask task) {
  if (task.rows.gate.closed()) return;
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps, lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const int64_t rows = int64_t(s.taps()) * s.src_cs;
  float2* sums = reinterpret_cast<float2*>(dynamic_shared()) + warp * T * 32 + lane;
  const Lif lif{task.neuron.threshold(), task.neuron.leak()};
  const int64_t tiles = (task.cells + kWarpsOfBlock - 1) / kWarpsOfBlock * task.column_tiles;
  for (int64_t index = blockIdx.x; index < tiles; index += gridDim.x) {
    const int64_t at = index / task.column_tiles * kWarpsOfBlock + warp;
    if (at >= task.cells) continue;
    const LaneChannels pair = pair_at(index % task.column_tiles, rows, s);
    const Cell cell = cell_at(at, s.out_h, s.out_w);
    for (int t = 0; t < T; ++t) sums[t * 32] = make_float2(0, 0);
    for (int tap = 0; tap < s.taps(); ++tap) {
      const int y = input_at(cell.y, tap / s.kernel_w, s.in_h, s), x = input_at(cell.x, tap % s.kernel_w, s.in_w, s);
      if (y < 0 || x < 0) continue;
      for (int child = 0; child < s.pool * s.pool; ++child) {
        const int source_y = y * s.pool + child / s.pool, source_x = x * s.pool + child % s.pool;
        const uint8_t* from =
            task.source.times + cell.image * s.src_size() + (int64_t(source_y) * s.src_w + source_x) * s.src_cs;
        for (int c = 0; c < Group<kHalves>::end(s); c += 32) {
          const Group<kHalves> group(task, pair, tap, c);
          const int time = group.channel < s.src_cs ? from[group.channel] : 0;
          for (unsigned fired = __ballot_sync(kAll, time != 0); fired != 0; fired &= fired - 1) {
            const int who = __ffs(int(fired)) - 1, t = __shfl_sync(kAll, time, who);
            if (!pair.live) continue;
            const float2 w = group.weight(pair, who), sum = sums[(t - 1) * 32];
            sums[(t - 1) * 32] = make_float2(sum.x + w.x, sum.y + w.y);
          }
        }
      }
    }
    if (!pair.live) continue;
    const int64_t neuron = at * s.out_cs + pair.channel;
    const float2 bias = task.bias ? load_pair(task.bias + pair.channel) : make_float2(0, 0);
    const float2 current = task.current ? load_pair(task.current + neuron) : make_float2(0, 0);
    float* potential = task.potential ? task.potential + cell.image * (T - 1) * s.out_size() + neuron : nullptr;
    Neuron first = fresh_neuron(task.neuron, pair.channel < s.out_c),
           second = fresh_neuron(task.neuron, pair.channel + 1 < s.out_c);
    for (int t = 1; t <= T; ++t) {
      const bool now = t == 1 || task.current_always;
      const float2 sum = sums[(t - 1) * 32];
      const float u = neuron_step(first, task.neuron, lif, sum.x, task.source.scale, bias.x, now ? current.x : 0, t);
      const float v = neuron_step(second, task.neuron, lif, sum.y, task.source.scale, bias.y, now ? current.y : 0, t);
      if (potential) store_pair(potential + (t - 1) * s.out_size(), u, v);
    }
    task.times[neuron] = uint8_t(first.fire_time), task.times[neuron + 1] = uint8_t(second.fire_time);
  }
}

struct EventWeightTask {
  float* parts;
  const uint8_t* times;
  EventRows gradient;    // (n, T, out map)
  int64_t image_stride;  // values of it from one image to the next
  StageShape shape;
  int64_t depth, part;  // output cells of all images; of one part
  TileGrid grid;
};

// The spike times that kWarpRows weight rows from `first` on meet in a source cell, a byte each. Where channels come in
// eights the rows are neighbours, and one load finds them.
__device__ __forceinline__ uint64_t row_times(const uint8_t* map, int64_t first, int64_t rows, const Cell& cell,
                                              int child, const StageShape& s) {
  static_assert(kWarpRows == sizeof(uint64_t));
  const auto at = [&](int64_t row) -> const uint8_t* {
    const Tap tap = tap_at(row, s.src_cs, s.kernel_w);
    const int y = input_at(cell.y, tap.y, s.in_h, s), x = input_at(cell.x, tap.x, s.in_w, s);
    if (y < 0 || x < 0) return nullptr;
    return map + (int64_t(y * s.pool + child / s.pool) * s.src_w + x * s.pool + child % s.pool) * s.src_cs +
           tap.channel;
  };
  if (s.src_cs % kWarpRows == 0) {
    const uint8_t* from = first < rows ? at(first) : nullptr;
    return from ? *reinterpret_cast<const uint64_t*>(from) : 0;
  }
  uint64_t times = 0;
  for (int r = 0; r < kWarpRows && first + r < rows; ++r)
    if (const uint8_t* from = at(first + r)) times |= uint64_t(*from) << (8 * r);
  return times;
}

// A warp has kWarpRows weight rows (tap, source channel) and walks the cells, 32 at a time.
template <bool kHalves>
__global__ void __launch_bounds__(kBlockThreads, 2) event_weight_kernel(EventWeightTask task) {
  if (task.gradient.gate.closed()) return;
  const StageShape& s = task.shape;
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const int64_t rows = int64_t(s.taps()) * s.src_cs;
  for (int64_t index = blockIdx.x; index < task.grid.tiles(); index += gridDim.x) {
    const LaneChannels pair = pair_at(index % task.grid.column_tiles, rows, s);
    const int64_t first_row = index / task.grid.column_tiles % task.grid.row_tiles * kTileRows + warp * kWarpRows;
    const int64_t part = index / (task.grid.column_tiles * task.grid.row_tiles), begin = part * task.part,
                  end = min(task.depth, begin + task.part);
    float2 sums[kWarpRows] = {};
    for (int64_t k = begin; k < end; k += 32) {
      const bool inside = k + lane < end;
      const Cell cell = cell_at(k + lane, s.out_h, s.out_w);
      // Of the cell's g(0), had it one.
      const int64_t before =
          cell.image * task.image_stride + (int64_t(cell.y) * s.out_w + cell.x) * s.out_cs - s.out_size();
      for (int child = 0; child < s.pool * s.pool; ++child) {
        const uint64_t times =
            inside ? row_times(task.times + cell.image * s.src_size(), first_row, rows, cell, child, s) : 0;
#pragma unroll
        for (int r = 0; r < kWarpRows; ++r) {
          const int time = int(times >> (8 * r) & 0xff);
          const long long row = before + time * s.out_size();
          for (unsigned fired = __ballot_sync(kAll, time != 0); fired != 0; fired &= fired - 1) {
            const int64_t from = __shfl_sync(kAll, row, __ffs(int(fired)) - 1) + pair.channel;
            if (!pair.live) continue;
            float2 g;
            if constexpr (kHalves) g = load_pair(static_cast<const uint16_t*>(task.gradient.halves) + from);
            else g = load_pair(task.gradient.floats + from);
            sums[r].x += g.x, sums[r].y += g.y;
          }
        }
      }
    }
    if (!pair.live) continue;
#pragma unroll
    for (int r = 0; r < kWarpRows; ++r)
      if (first_row + r < rows)
        store_pair(task.parts + part * s.weights() + pair.weight(first_row + r), sums[r].x, sums[r].y);
  }
}

}  // namespace

void event_spiking_forward(Stream& stream, const SpikingForwardTask& task, const EventRows& weight) {
  const int64_t cells = task.n * task.shape.out_cells();
  const int column_tiles = (task.shape.out_cs + kPairColumns - 1) / kPairColumns;
  const int64_t blocks = (cells + kWarpsOfBlock - 1) / kWarpsOfBlock * column_tiles;
  launch(stream, dim3(unsigned(std::min(blocks, kEventBlocks))), dim3(kBlockThreads),
         size_t(kBlockThreads) * task.neuron.timesteps * sizeof(float2), "event_forward",
         weight.halves ? event_forward_kernel<true> : event_forward_kernel<false>,
         EventForwardTask{task, weight, cells, column_tiles});
}

size_t event_weight_gradient_bytes(int64_t n, const StageShape& s) {
  int64_t part = 0;
  return size_t(weight_grid<kPairColumns>(n, s, &part).splits) * size_t(s.weights()) * sizeof(float);
}

void event_weight_gradient(Stream& stream, Workspace& workspace, const WeightGradientTask& task,
                           const EventRows& gradient) {
  const StageShape& s = task.shape;
  const int T = task.timesteps;
  int64_t part = 0;
  const TileGrid grid = weight_grid<kPairColumns>(task.n, s, &part);
  float* parts = workspace.reserve<float>(stream, size_t(grid.splits * s.weights()));
  const EventWeightTask kernel{
      .parts = parts,
      .times = task.source.times,
      .gradient = gradient,
      .image_stride = gradient.halves ? tensor_core::GradientRecord(nullptr, T, s).image_stride() : T * s.out_size(),
      .shape = s,
      .depth = task.n * s.out_cells(),
      .part = part,
      .grid = grid};
  launch(stream, dim3(unsigned(std::min(grid.tiles(), kEventBlocks))), dim3(kBlockThreads), 0, "event_weight_gradient",
         gradient.halves ? event_weight_kernel<true> : event_weight_kernel<false>, kernel);
  each(stream, "event_weight_gradient", s.weights(),
       AddParts{task.d_weight, parts, s.weights(), grid.splits, task.source.scale, gradient.gate});
}

}  // namespace onespike::cuda
