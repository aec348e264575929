// The arrays of floats that the images of a step add to, in one order.
#pragma once

#include "core/state/state.h"

namespace onespike {

// A part of them: those of one stage, by its number, or those of all stages together, by the number of stages.
constexpr size_t kEveryPart = size_t(-1);

// Calls f(array, count, at) for every array of the part: `at` is its place where the arrays of all parts stand one
// after the other. Returns the number of floats of all parts.
template <class F>
int64_t each_sum(const NetworkState& net, const F& f, size_t part = kEveryPart) {
  const size_t stages = net.plan.stages.size();
  int64_t at = 0;
  size_t now = 0;
  const auto visit = [&](float* values, int64_t count) {
    if (part == kEveryPart || part == now) f(values, count, at);
    at += count;
  };
  for (; now < stages; ++now) {
    const StageShape& s = net.plan.stages[now];
    visit(net.d_weight(now), net.pools_currents(now) ? s.weights() : s.parameters());
    visit(net.parameters[now].d_bias, s.out_cs);
    const Buffer<float>& sums = net.stages[now].norm_sums;
    if (sums.data()) visit(sums.data(), 2 * s.out_cs);
  }
  net.parameters.each_shared_gradient(visit);
  return at;
}

inline int64_t count_sums(const NetworkState& net) {
  return each_sum(net, [](float*, int64_t, int64_t) {});
}

}  // namespace onespike
