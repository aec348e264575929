#include "cuda/choice/choice.h"

#include "cuda/choice/crossing.h"
#include "cuda/elementwise.cuh"
#include "cuda/spikes.cuh"

namespace onespike::cuda {
namespace {

struct Decide {
  Decision* decision;
  int64_t values, forward_below, weight_gradient_below;

  __device__ void operator()(const double (&sums)[1]) const {
    const int64_t fired = int64_t(sums[0]);
    *decision = {{fired, values, fired < forward_below ? Variant::kEvents : Variant::kDense},
                 {fired, values, fired < weight_gradient_below ? Variant::kEvents : Variant::kDense}};
  }
};

}  // namespace

void decide(Stream& stream, Workspace& workspace, Decision* decision, const uint8_t* times, int n, int timesteps,
            const StageShape& s) {
  const int64_t values = n * s.src_size();
  const Decide done{decision, values, crossing_count(kForwardCost, values, timesteps, s),
                    crossing_count(kWeightGradientCost, values, timesteps, s)};
  sum<1>(stream, "decide", values / 16, CountTimes{times}, done, workspace.reserve<double>(stream, kSumBlocks));
}

}  // namespace onespike::cuda
