// Geometry of the matrix product of weight_gemm.cuh and how it is divided among blocks. Plain integers, decided on the
// host by the shape alone, so that results do not depend on the device.
//
// The product is cut into tiles, of 64 output channels by kWarps units (a tap and 64 source channels), and a tile into
// stages, of kStageCells cells and stage_steps steps. A worker is a block that takes a contiguous range of the stages
// of all tiles. Either ranges are whole tiles, or all are equally long, whatever the number of tiles: with one block
// per tile and a fixed number of parts, 270 blocks on 132 SMs with two blocks each would take two rounds, the second
// nearly empty. The part of a tile that shares it with other workers goes to memory, to be added in the order of
// workers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "cuda/device/fast_divide.h"
#include "cuda/device/gate.h"
#include "cuda/tensor/gemm_task.h"
#include "ops/portable.h"
#include "ops/shape.h"

namespace onespike::cuda {

// Of a source cell: spike times, a byte for all steps; how many children of a pooled cell fire, a byte per step; bf16,
// one per step.
enum class SourceFormat { kTimes, kCounts, kHalves };

constexpr int kStageCells = 32;
constexpr int kMaxWorkers = 264;       // fills a large device: 132 SMs, two blocks each
constexpr int kPartFloats = 32 * 128;  // sums of a warp: 64 x 64
constexpr int kLargestCountPool = 11;  // up to 121 children; a count is below 128 (weight_gemm.cuh)
constexpr int64_t kLeastStages = 4;    // of a worker
constexpr int kMostAlignment = 16;     // of the number of workers

constexpr int max_stage_steps(SourceFormat format) {
  return format == SourceFormat::kTimes ? 5 : format == SourceFormat::kCounts ? 3 : 1;
}

struct WeightTask {
  const void* source;    // (image, in_h, in_w, src_cs) spike times, or (image, T, in_h, in_w, src_cs)
  const uint16_t* g;     // bf16 (image, T, out_h, out_w, out_cs)
  int64_t image_stride;  // values of g from one image to the next
  float* partial;        // part_floats
  float* d_weight;
  float scale;
  int images, timesteps;
  SourceFormat format;
  int stage_steps;  // steps of one stage
  int share;        // warps that work on one unit of the last group
  int workers;
  bool whole;  // workers take whole tiles
  StageShape shape;
  FastDivide by_out_cells, by_out_w;
  Gate gate;

  // 2^31 cells would be 64 GiB of g at the very least.
  ONESPIKE_HD int cells() const { return int(images * shape.out_cells()); }
  ONESPIKE_HD int step_blocks() const { return (timesteps + stage_steps - 1) / stage_steps; }
  ONESPIKE_HD int source_tiles() const { return (shape.src_cs + kSlice - 1) / kSlice; }
  ONESPIKE_HD int out_tiles() const { return (shape.out_cs + kSlice - 1) / kSlice; }
  ONESPIKE_HD int units() const { return shape.taps() * source_tiles(); }
  ONESPIKE_HD int groups() const { return (units() + kWarps - 1) / kWarps; }
  ONESPIKE_HD int tiles() const { return groups() * out_tiles(); }
  ONESPIKE_HD int64_t tile_stages() const { return int64_t((cells() + kStageCells - 1) / kStageCells) * step_blocks(); }

  // Of 9 units the last group has one, or of 18 two: there `share` warps work on each of them, every one on its share
  // of the cells and steps of a stage, which then takes about half as long (the copies take no less). Time is counted
  // in such halves.
  ONESPIKE_HD int sharing(int group) const { return group == groups() - 1 ? share : 1; }
  ONESPIKE_HD int stage_time(int group) const { return sharing(group) == 1 ? 2 : 1; }
  ONESPIKE_HD int64_t row_time() const {  // of the tiles of 64 output channels
    return tile_stages() * (2 * (groups() - 1) + stage_time(groups() - 1));
  }
  ONESPIKE_HD int64_t time() const { return out_tiles() * row_time(); }

  // Where the range of a worker begins, among the stages of one tile after the other.
  ONESPIKE_HD int64_t first_stage(int worker) const {
    const int64_t stages = tile_stages();
    if (whole) return int64_t(tiles()) * worker / workers * stages;
    const int64_t at = time() * worker / workers, row = at / row_time(), in_row = at % row_time();
    const int full = groups() - 1, group = in_row < 2 * stages * full ? int(in_row / (2 * stages)) : full;
    return (row * groups() + group) * stages + (in_row - 2 * stages * group) / stage_time(group);
  }
  // The one whose range has the stage. Not of whole tiles.
  ONESPIKE_HD int worker_of(int64_t index) const {
    const int64_t tile = index / tile_stages(), after = index % tile_stages() + 1;
    const int group = int(tile % groups());
    const int64_t end = tile / groups() * row_time() + 2 * tile_stages() * group + after * stage_time(group);
    return int((end * workers + time() - 1) / time()) - 1;
  }
  // Where the sums of a warp go if they are not all there are of its unit. From one piece to the next the worker or the
  // tile increases, so no two pieces have the same sum of both.
  ONESPIKE_HD int64_t part(int worker, int tile, int warp) const {
    return ((int64_t(worker) + tile) * kWarps + warp) * kPartFloats;
  }
  ONESPIKE_HD int64_t part_floats() const { return whole ? 0 : part(workers, tiles(), 0); }
};

// A unit of a tile: a tap and 64 source channels. Units of the same channels lie side by side, so that a block reads
// the neighbourhood of a cell together.
struct Unit {
  int ky, kx, tap, channel;  // its first source channel
  bool exists;

  ONESPIKE_HD Unit(const WeightTask& w, int tile, int warp) {
    const int index = tile % w.groups() * kWarps + warp, taps = w.shape.taps();
    exists = index < w.units();
    tap = index % taps, channel = index / taps * kSlice;
    ky = tap / w.shape.kernel_w, kx = tap % w.shape.kernel_w;
  }
};

// Writing and reading two parts of a worker, 256 KiB, takes as long as some 40 stages of one step: 16 bytes a cycle and
// SM, 403 cycles for the 256 products of 16 x 8 x 16 of a block.
inline void divide_work(WeightTask* w) {
  const int64_t tiles = w->tiles(), stages = w->tile_stages();
  const int last = w->units() % kWarps;
  // A stage of one step has two products of 16 cells, so that no more than two warps have work.
  w->share = last == 1 && w->stage_steps > 1 ? 4 : last == 1 || last == 2 ? 2 : 1;
  const int64_t most_tiles = (tiles + kMaxWorkers - 1) / kMaxWorkers;
  w->whole = most_tiles * stages <= w->time() / 2 / kMaxWorkers + 40 / w->stage_steps;
  if (w->whole) {
    w->share = 1;
    w->workers = int(std::min<int64_t>(tiles, kMaxWorkers));
    return;
  }
  w->workers = int(std::clamp<int64_t>(w->time() / 2 / kLeastStages, 1, kMaxWorkers));
  // Where it costs little, all full tiles are cut alike, so that their workers read the same g at the same time and
  // most comes from the L2 cache.
  const int64_t unit = w->time() / std::gcd(w->time(), 2 * stages);
  if (unit <= kMostAlignment && unit <= w->workers) w->workers -= w->workers % int(unit);
}

inline WeightTask weight_task(int n, int timesteps, SourceFormat format, const StageShape& s) {
  WeightTask w{};
  w.images = n, w.timesteps = timesteps, w.format = format, w.shape = s, w.scale = 1;
  const int most = max_stage_steps(format), blocks = (timesteps + most - 1) / most;
  w.stage_steps = (timesteps + blocks - 1) / blocks;
  w.by_out_cells = FastDivide(int(s.out_cells())), w.by_out_w = FastDivide(s.out_w);
  divide_work(&w);
  return w;
}

}  // namespace onespike::cuda
