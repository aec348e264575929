// Makes the bf16 operands of the products: maps with one value per step, channels in slices of 64, and packed weights.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "cuda/device/gate.h"
#include "cuda/device/launch.h"
#include "ops/shape.h"

namespace onespike::cuda {

// How channels lie in a bf16 map: as they come, or in slices of 64 in the order that gemm.cuh wants of forward
// operands.
enum class ChannelOrder { kPlain, kSlice };

// Channels of a bf16 map, from one cell to the next.
inline int channel_stride(int channels, ChannelOrder order) {
  return order == ChannelOrder::kPlain ? channels : round_up(channels, 64);
}

// (cells, cs) floats -> (cells, channel_stride) bf16.
void make_halves(Stream& stream, uint16_t* to, const float* from, int64_t cells, int cs, ChannelOrder order);
// Spike times (n, src_h, src_w, src_cs) -> how many children of a pooled cell fire at every step: (n, T, in_h, in_w,
// channel_stride).
void make_counts(Stream& stream, uint16_t* to, const uint8_t* times, int n, int timesteps, const StageShape& s,
                 ChannelOrder order, const Gate& gate = {});
// The same as bytes, channels as they come: (n, T, in_h, in_w, src_cs).
void make_byte_counts(Stream& stream, uint8_t* to, const uint8_t* times, int n, int timesteps, const StageShape& s,
                      const Gate& gate = {});
// Zeroes the cells of `planes` maps (src_h, src_w, src_cs) that the pool drops.
void zero_dropped(Stream& stream, float* map, int64_t planes, const StageShape& s);

}  // namespace onespike::cuda
