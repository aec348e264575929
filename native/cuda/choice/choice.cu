#include "cuda/choice/choice.h"

#include <algorithm>
#include <iterator>

#include "cuda/choice/crossing.h"
#include "cuda/elementwise.cuh"
#include "cuda/spikes.cuh"

namespace onespike::cuda {
namespace {

struct Decide {
  Decision* decision;
  int64_t forward_below, weight_gradient_below;

  __device__ void operator()(const double (&sums)[1]) const {
    const int64_t fired = int64_t(sums[0]);
    *decision = {fired, fired < forward_below ? Variant::kEvents : Variant::kDense,
                 fired < weight_gradient_below ? Variant::kEvents : Variant::kDense};
  }
};

}  // namespace

void Choices::create(Stream& stream) {
  stream.note(cudaMalloc(&decisions_, kSlots * sizeof(Decision)), "cudaMalloc");
  if (decisions_) stream.note(cudaMemsetAsync(decisions_, 0, kSlots * sizeof(Decision), stream.handle), "cudaMemset");
}

void Choices::destroy() {
  if (decisions_) (void)cudaFree(decisions_);
  decisions_ = nullptr;
}

void Choices::forget() { std::fill(std::begin(counted_), std::end(counted_), Counted()); }

void Choices::decide(Stream& stream, Workspace& workspace, const uint8_t* times, int n, int timesteps,
                     const StageShape& s) {
  const int64_t values = n * s.src_size();
  counted_[slot(s.layer)] = {times, values};
  const Decide decide{decisions_ + slot(s.layer), crossing_count(kForwardCost, values, timesteps, s),
                      crossing_count(kWeightGradientCost, values, timesteps, s)};
  sum<1>(stream, "decide", values / 16, CountTimes{times}, decide, workspace.reserve<double>(stream, kSumBlocks));
}

bool Choices::knows(const uint8_t* times, int n, const StageShape& s) const {
  const Counted& counted = counted_[slot(s.layer)];
  return counted.times == times && counted.values == n * s.src_size();
}

KernelChoice Choices::read(const Stream& stream, int layer, bool weight_gradient) const {
  Decision decision{};
  if (stream.error != cudaSuccess ||
      cudaMemcpyAsync(&decision, decisions_ + slot(layer), sizeof decision, cudaMemcpyDeviceToHost, stream.handle) !=
          cudaSuccess ||
      cudaStreamSynchronize(stream.handle) != cudaSuccess)
    return {};
  const Variant chosen = weight_gradient ? decision.weight_gradient : decision.forward;
  return {chosen == Variant::kEvents ? "bf16 events" : "bf16 tensor cores",
          double(decision.fired) / double(std::max<int64_t>(1, counted_[slot(layer)].values))};
}

}  // namespace onespike::cuda
