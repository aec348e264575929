// The density of spikes up to which it is expected to be faster to follow the events than to multiply every step on
// tensor cores. Host arithmetic: only the density itself is a matter of the device.
//
// Costs are clocks of one SM of an H200 (sm_90, 1.9 GHz) for 64 output channels, fitted to what `cuda_bench --crossing`
// measured there for the layers of VGG-16 at activities of 0.02 to 0.25, T = 5 and batch 256:
//
//   dense   One step of one value at one tap, 64 multiply-adds.
//   value   What a source value costs even if it does not fire: its share of a load, a vote and the address of its
//           cell.
//   event   What following it costs if it does: a row of weights or gradients, and sums that are read and written.
//
// So up to T = 7 dense products always win, at T = 20 events where less than 12 % fire (weight gradients: 3 %).
#pragma once

#include <algorithm>
#include <cstdint>

#include "cuda/tensor/gemm_task.h"
#include "ops/shape.h"

namespace onespike::cuda {

struct EventCost {
  double value, event;
};
constexpr double kDenseStep = 0.082;
constexpr EventCost kForwardCost{0.6, 8.8}, kWeightGradientCost{1.1, 17};

// Share of the source map that fires, 0 if dense products always win. Behind a pool they multiply counts, pool^2
// neurons at once. The last slice of channels may hold zeros, which dense products multiply as well.
inline double crossing_density(const EventCost& cost, int timesteps, const StageShape& s) {
  const double padded = double(round_up(s.src_cs, kSlice)) / s.src_cs;
  const double dense = timesteps * kDenseStep * padded / (s.pool * s.pool);  // per neuron
  return std::clamp((dense - cost.value) / cost.event, 0.0, 1.0);
}

// Whether some map is so sparse that events win: else nobody needs to count.
inline bool events_may_win(int timesteps, const StageShape& s) {
  return crossing_density(kForwardCost, timesteps, s) > 0 || crossing_density(kWeightGradientCost, timesteps, s) > 0;
}

// Fewer spikes than this among `values` source neurons: follow them.
inline int64_t crossing_count(const EventCost& cost, int64_t values, int timesteps, const StageShape& s) {
  return int64_t(crossing_density(cost, timesteps, s) * double(values));
}

}  // namespace onespike::cuda
