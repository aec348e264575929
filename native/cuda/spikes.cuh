// Spike times as operands: a pooled cell's number of spikes at a step, and the number of all.
#pragma once

#include "core/backend/backend.h"
#include "cuda/simt/tiles.cuh"

namespace onespike::cuda {

// Maps of bytes go 16 at a time: channel strides are multiples of it.
static_assert(kLane % 16 == 0);

__device__ __forceinline__ uint4 bytes16(const uint8_t* at, int64_t i) { return reinterpret_cast<const uint4*>(at)[i]; }

// Sums of how many fire; of 16 times each.
struct CountTimes {
  const uint8_t* times;

  __device__ static int fired(uint32_t bytes) { return __popc(__vcmpne4(bytes, 0) & 0x01010101); }
  __device__ void operator()(int64_t i, double (&sums)[1]) const {
    const uint4 t = bytes16(times, i);
    sums[0] += fired(t.x) + fired(t.y) + fired(t.z) + fired(t.w);
  }
};

// The same of one bits.
struct CountBits {
  const uint8_t* levels;

  __device__ void operator()(int64_t i, double (&sums)[1]) const {
    const uint4 t = bytes16(levels, i);
    sums[0] += __popc(t.x) + __popc(t.y) + __popc(t.z) + __popc(t.w);
  }
};

// Adds the spikes of one cell after pooling, of steps first + 1 .. first + steps, to values[0 .. steps), `stride`
// floats apart. Answers whether there were any.
__device__ __forceinline__ bool add_spikes(float* values, int stride, const SpikeSource& source, int64_t image, int y,
                                           int x, int channel, int first, int steps, int timesteps,
                                           const StageShape& s) {
  bool any = false;
  for (int i = 0; i < s.pool; ++i)
    for (int j = 0; j < s.pool; ++j) {
      const int64_t at = (int64_t(y * s.pool + i) * s.src_w + x * s.pool + j) * s.src_cs + channel;
      if (source.values) {
        for (int step = 0; step < steps; ++step) {
          const int8_t code = source.values[(image * timesteps + first + step) * s.src_size() + at];
          if (code != 0) values[step * stride] += event_value(code), any = true;
        }
        continue;
      }
      const int step = int(source.times[image * s.src_size() + at]) - 1 - first;
      if (step >= 0 && step < steps) values[step * stride] += 1, any = true;
    }
  return any;
}

// Depth k .. k + kDepth of rows (cell, step): cells output cells from `first_cell` on, every step of one after the
// other.
template <int kThreads, int kStride>
__device__ __forceinline__ bool load_spikes(float (&to)[kDepth][kStride], const SpikeSource& source, int64_t k,
                                            int64_t first_cell, int cells, int first, int steps, int timesteps,
                                            const StageShape& s) {
  const int lane = int(threadIdx.x) % kDepth;
  const bool inside = k + lane < int64_t(s.taps()) * s.src_cs;
  const Tap tap = tap_at(k + lane, s.src_cs, s.kernel_w);
  bool any = false;
  // The rows that no cell fills are zero as well.
  for (int local = int(threadIdx.x) / kDepth; local * steps < kTileRows; local += kThreads / kDepth) {
    const int rows = min(steps, kTileRows - local * steps);
    for (int step = 0; step < rows; ++step) to[lane][local * steps + step] = 0;
    if (local >= cells || !inside || (!source.times && !source.values)) continue;
    const Cell cell = cell_at(first_cell + local, s.out_h, s.out_w);
    const int y = input_at(cell.y, tap.y, s.in_h, s), x = input_at(cell.x, tap.x, s.in_w, s);
    if (y >= 0 && x >= 0)
      any |= add_spikes(&to[lane][local * steps], 1, source, cell.image, y, x, tap.channel, first, steps, timesteps, s);
  }
  return any;
}

}  // namespace onespike::cuda
