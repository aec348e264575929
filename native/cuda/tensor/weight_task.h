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
constexpr int kMaxAlignedTiles = 16;

constexpr int max_stage_steps(SourceFormat format) {
  return format == SourceFormat::kTimes ? 5 : format == SourceFormat::kCounts ? 2 : 1;
}

struct WeightTask {
  const void* source;    // (image, in_h, in_w, src_cs) spike times, or (image, T, in_h, in_w, src_cs)
  const uint16_t* g;     // bf16 (image, T, out_h, out_w, out_cs)
  int64_t image_stride;  // values of g from one image to the next
  float* partial;        // two parts for every worker, of kWarps * kPartFloats
  float* d_weight;
  float scale;
  int images, timesteps;
  SourceFormat format;
  int stage_steps;  // steps of one stage
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
  ONESPIKE_HD int64_t first_stage(int worker) const {
    return whole ? int64_t(tiles()) * worker / workers * tile_stages() : tiles() * tile_stages() * worker / workers;
  }
  // Of equally long ranges.
  ONESPIKE_HD int worker_of(int64_t stage) const {
    const int64_t total = tiles() * tile_stages();
    return int(((stage + 1) * workers + total - 1) / total) - 1;
  }
  // Where a warp's part of a tile goes: a worker shares the tile that it begins inside of, and the one that it leaves
  // unfinished.
  ONESPIKE_HD int64_t part(int worker, bool unfinished, int warp) const {
    return ((int64_t(worker) * 2 + unfinished) * kWarps + warp) * kPartFloats;
  }
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

// Writing and reading the two parts of a worker, 256 KiB, takes as long as some 40 products of a stage and step: 16
// bytes a cycle and SM, 403 cycles for the 256 products of 16 x 8 x 16 of a block.
inline void divide_work(WeightTask* w) {
  const int64_t tiles = w->tiles(), stages = w->tile_stages();
  const int64_t most_tiles = (tiles + kMaxWorkers - 1) / kMaxWorkers;
  w->whole = most_tiles * stages <= tiles * stages / kMaxWorkers + 40 / w->stage_steps;
  if (w->whole) {
    w->workers = int(std::min<int64_t>(tiles, kMaxWorkers));
    return;
  }
  w->workers = int(std::clamp<int64_t>(tiles * stages / kLeastStages, 1, kMaxWorkers));
  // Where it costs little, all tiles are cut alike, so that their workers read the same g at the same time.
  if (tiles <= kMaxAlignedTiles && tiles <= w->workers) w->workers -= w->workers % int(tiles);
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
