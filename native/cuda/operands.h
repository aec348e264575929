// Makes the bf16 operands of the products: maps with one value per step, channels in slices of 64, and packed weights.
#pragma once

#include <cstdint>

#include "core/backend.h"
#include "cuda/launch.h"
#include "ops/shape.h"

namespace onespike::cuda {

// The order of channels inside a slice: as they come, or as gemm.cuh wants them.
enum class ChannelOrder { kPlain, kSlice };

// Channels of a bf16 map: slices of 64.
inline int sliced(int channels) { return round_up(channels, 64); }

// (cells, cs) floats -> (cells, sliced(cs)) bf16.
void make_halves(Stream& stream, uint16_t* to, const float* from, int64_t cells, int cs, ChannelOrder order);
// Spike times (n, src_h, src_w, src_cs) -> how many children of a pooled cell fire at every step: (n, T, in_h, in_w, sliced(src_cs)).
void make_counts(Stream& stream, uint16_t* to, const uint8_t* times, int n, int timesteps, const StageShape& s, ChannelOrder order);
// Zeroes the cells of `planes` maps (src_h, src_w, src_cs) that the pool drops.
void zero_dropped(Stream& stream, float* map, int64_t planes, const StageShape& s);

}  // namespace onespike::cuda
