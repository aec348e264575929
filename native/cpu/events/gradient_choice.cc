#include "cpu/events/gradient_choice.h"

namespace onespike::cpu {
namespace {

// A dense product costs 1 for every pair (neuron, step). An event costs the loading of its weights and something for
// every pair that it covers. Fitted to gradient_bench on a Zen 5 for T = 1 to 6 (docs/design/input-gradient.md); what
// counts is whether the weights that a cell meets in one row of taps, 256 bytes each in 32 bits, pass from the L1
// cache.
struct EventCost {
  double load, pair;
};
constexpr EventCost kNear{1.5, 0.72}, kFar{2.8, 0.35}, kFarHalves{2.7, 0.5};
constexpr int kNearWeights = 192;

// A layer goes over where the other way is so much cheaper.
constexpr double kMargin = 1.05;

}  // namespace

bool prefers_dense(const GradientWork& work, double pairs, bool halves, bool was_dense, const StageShape& s) {
  const EventCost cost = s.kernel_w * s.out_cs <= kNearWeights ? kNear : halves ? kFarHalves : kFar;
  const double events = cost.load * double(work.events) + cost.pair * double(work.covered);
  return was_dense ? events * kMargin > pairs : events > pairs * kMargin;
}

}  // namespace onespike::cpu
