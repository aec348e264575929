// The density of spikes up to which it is expected to be faster to follow the events than to multiply every step on
// tensor cores. Host arithmetic: only the density itself is a matter of the device.
//
// Costs are clocks of one SM of compute capability 8.0 or 9.0 for 64 output channels, worked out from data sheets, NOT
// MEASURED on any GPU. `cuda_bench --crossing` times both kernels; where its times cross, these numbers should.
//
//   dense   One step of one value at one tap: 64 multiply-adds. mma.sync performs 1024 of bf16 a clock on 8.0, a
//           fifth more on 9.0, and the kernels are assumed to reach two thirds of that.
//   value   What a source value costs even if it does not fire: its share of a load, a vote and the address of its
//           cell. The forward pass reads 32 neighbouring channels at once, a weight gradient 32 cells, 8 channels
//           each, which are as many lines of the first-level cache.
//   event   Forward: 128 bytes of weights, 512 of sums in shared memory read and written at 128 a clock, and some 20
//           instructions, four a clock: 5 clocks of either, which overlap, and 6 where half the rows come from the L2
//           cache at 24 bytes a clock. Weight gradient: 128 bytes of g, which many rows of weights share, and 15
//           instructions; sums are in registers.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/tensor/gemm_task.h"
#include "ops/shape.h"

namespace onespike::cuda {

struct EventCost {
  double value, event;
};
constexpr double kDenseStep = 64 / (1024 * 2.0 / 3);
constexpr EventCost kForwardCost{0.1, 6}, kWeightGradientCost{0.15, 4};

// Share of the source map that fires, 0 if dense products always win. Behind a pool they multiply counts, pool^2
// neurons at once. The last slice of channels may hold zeros, which dense products multiply as well.
inline double crossing_density(const EventCost& cost, int timesteps, const StageShape& s) {
  const double padded = double(round_up(s.src_cs, kSlice)) / s.src_cs;
  const double dense = timesteps * kDenseStep * padded / (s.pool * s.pool);  // per neuron
  return std::clamp((dense - cost.value) / cost.event, 0.0, 1.0);
}

// Fewer spikes than this among `values` source neurons: follow them.
inline int64_t crossing_count(const EventCost& cost, int64_t values, int timesteps, const StageShape& s) {
  return int64_t(crossing_density(cost, timesteps, s) * double(values));
}

}  // namespace onespike::cuda
