// Fills the stages of shared memory that weight_gemm.cuh multiplies: 32 cells, g of several steps, and for every unit
// of the tile the sources, either spike times for all steps at once or counts or bf16 of every step.
//
// Rows of 16-bit values are 128 bytes, in 8 chunks of 16 bytes; rows of bytes are 64, in 4. A thread copies chunks
// `threadIdx.x % 4` and 4 beyond of one row of everything, so that it works out one cell per stage: with divisions for
// every row and unit, address arithmetic took more instructions than the products.
#pragma once

#include "cuda/tensor/tile.cuh"
#include "cuda/tensor/weight_task.h"

namespace onespike::cuda {

template <SourceFormat kFormat>
struct WeightTile {
  static constexpr bool kHalves = kFormat == SourceFormat::kHalves;
  static constexpr int kSteps = max_stage_steps(kFormat);
  static constexpr int kSourceSteps = kFormat == SourceFormat::kTimes ? 1 : kSteps;
  static constexpr int kSourceBytes = kStageCells * (kHalves ? kRowBytes : kRowBytes / 2);  // per unit and step
  static constexpr int kGradientBytes = kStageCells * kRowBytes;                            // per step
  static constexpr int kSources = kSteps * kGradientBytes;                                  // offset in a stage
  static constexpr int kStageBytes = kSources + kSourceSteps * kWarps * kSourceBytes;
  // A stage of one step takes some 800 cycles where two blocks share an SM, about as long as a copy: three are on their
  // way. Of three steps of counts, 36 KiB, two stages are what fits.
  static constexpr int kStages = kHalves ? 4 : kFormat == SourceFormat::kCounts ? 2 : 3;
  static constexpr int kShared = kStages * kStageBytes;
  static_assert(kShared <= kMaxShared);
};

// Byte offset of a chunk of 16-bit values. Neither an ldmatrix phase, one chunk of eight rows, nor the copies of eight
// threads, four chunks of rows 2 k and 2 k + 1, meet in a bank.
ONESPIKE_HD constexpr int halves_offset(int row, int chunk) {
  return row * kRowBytes + ((chunk ^ (row & 1) * 4 ^ (row / 2 & 3)) * 16);
}

template <SourceFormat kFormat>
class WeightLoader {
 public:
  using Tile = WeightTile<kFormat>;

  __device__ WeightLoader(const WeightTask& w, int64_t begin, int64_t end) : w_(w), left_(int(end - begin)) {
    const int64_t stages = w.tile_stages();
    const int stage = int(begin % stages), blocks = w.step_blocks();
    first_cell_ = stage / blocks * kStageCells, first_step_ = stage % blocks * w.stage_steps;
    start(int(begin / stages));
  }

  // Starts the copies of the next stage; after the last one none. Steps of a tile are inner to its cells.
  __device__ __forceinline__ void next(unsigned char* stage) {
    if (left_ > 0) {
      copy(stage);
      advance();
    }
    copy_async_commit();
  }

 private:
  static constexpr int kNowhere = 1 << 29;  // a coordinate outside every map, whatever is added
  static constexpr int kValueBytes = Tile::kHalves ? 2 : 1;

  __device__ void start(int tile) {
    tile_ = tile;
    const StageShape& s = w_.shape;
    const int chunk = int(threadIdx.x) % 4;
    out_channel_ = tile / w_.groups() * kSlice + chunk * kChunk, upper_ = 0;
#pragma unroll
    for (int u = 0; u < kWarps; ++u) {
      const Unit unit(w_, tile, u);
      const int channel = unit.channel + chunk * (16 / kValueBytes);
      y_[u] = unit.exists && channel < s.src_cs ? unit.ky : kNowhere, x_[u] = unit.kx;
      offset_[u] = ((unit.ky * s.in_w + unit.kx) * s.src_cs + channel) * kValueBytes;
      upper_ |= unsigned(channel + kSlice / 2 < s.src_cs) << u;
    }
  }

  __device__ __forceinline__ void advance() {
    --left_;
    first_step_ += w_.stage_steps;
    if (first_step_ < w_.timesteps) return;
    first_step_ = 0, first_cell_ += kStageCells;
    if (first_cell_ < w_.cells()) return;
    first_cell_ = 0;
    if (left_ > 0) start(tile_ + 1);
  }

  __device__ __forceinline__ void copy(unsigned char* stage) const {
    const StageShape& s = w_.shape;
    const int row = int(threadIdx.x) / 4, chunk = int(threadIdx.x) % 4;
    const int left = w_.timesteps - first_step_, steps = left < w_.stage_steps ? left : w_.stage_steps;
    const int index = first_cell_ + row, image = w_.by_out_cells.quotient(index);
    const int cell = index - image * int(s.out_cells()), y = w_.by_out_w.quotient(cell), x = cell - y * s.out_w;
    const bool exists = index < w_.cells();

    const int64_t step = s.out_size();
    const uint16_t* g = w_.g + image * w_.image_stride + first_step_ * step + cell * s.out_cs + out_channel_;
    const bool low = exists && out_channel_ < s.out_cs, high = exists && out_channel_ + kSlice / 2 < s.out_cs;
    const int to_low = halves_offset(row, chunk), to_high = halves_offset(row, chunk + 4);
#pragma unroll
    for (int t = 0; t < Tile::kSteps; ++t, g += step) {
      copy_async(stage + t * Tile::kGradientBytes + to_low, g, low && t < steps ? 16 : 0);
      copy_async(stage + t * Tile::kGradientBytes + to_high, g + kSlice / 2, high && t < steps ? 16 : 0);
    }

    const int top = y * s.stride - s.pad, left_x = x * s.stride - s.pad;
    const int64_t map = int64_t(s.in_h) * s.in_w * s.src_cs * kValueBytes;
    const int64_t maps = kFormat == SourceFormat::kTimes ? image : int64_t(image) * w_.timesteps + first_step_;
    const unsigned char* source = static_cast<const unsigned char*>(w_.source) + maps * map +
                                  int64_t(top * s.in_w + left_x) * s.src_cs * kValueBytes;
    const int row_top = exists ? top : kNowhere;
    unsigned char* to = stage + Tile::kSources;
#pragma unroll
    for (int u = 0; u < kWarps; ++u, to += Tile::kSourceBytes) {
      const bool inside = unsigned(row_top + y_[u]) < unsigned(s.in_h) && unsigned(left_x + x_[u]) < unsigned(s.in_w);
      const unsigned char* from = source + offset_[u];
      if constexpr (kFormat == SourceFormat::kHalves) {
        copy_async(to + to_low, from, inside ? 16 : 0);
        copy_async(to + to_high, from + kRowBytes / 2, inside && (upper_ & 1 << u) ? 16 : 0);
      } else {
#pragma unroll
        for (int t = 0; t < Tile::kSourceSteps; ++t, from += map)
          copy_async(to + t * kWarps * Tile::kSourceBytes + half_chunk_offset(row, chunk), from,
                     inside && t < steps ? 16 : 0);
      }
    }
  }

  const WeightTask& w_;
  int left_;  // stages
  int tile_, first_cell_, first_step_;
  int out_channel_;                             // of the first chunk of g
  int y_[kWarps], x_[kWarps], offset_[kWarps];  // of the units
  unsigned upper_;                              // of which the chunk four beyond exists
};

}  // namespace onespike::cuda
