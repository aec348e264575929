// The density up to which the CUDA backend follows events, which the host reckons.
#include "cuda/choice/crossing.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

using cuda::crossing_count;
using cuda::crossing_density;
using cuda::kForwardCost;
using cuda::kWeightGradientCost;

StageShape shape(int channels, int pool) {
  StageShape s;
  s.src_cs = channels, s.pool = pool;
  return s;
}

// By hand, from the three costs.
void by_hand() {
  const auto forward = [](double dense) { return (dense - 0.6) / 8.8; };
  const StageShape whole = shape(128, 1);
  expect_near(crossing_density(kForwardCost, 20, whole), forward(1.64), 0, 1e-12, "forward");
  expect_near(crossing_density(kWeightGradientCost, 20, whole), (1.64 - 1.1) / 17, 0, 1e-12, "weight gradient");
  expect_near(crossing_density(kForwardCost, 10, whole), forward(0.82), 0, 1e-12, "fewer steps");
  expect_near(crossing_density(kForwardCost, 30, shape(128, 2)), forward(2.46 / 4), 0, 1e-12, "a pool");
  expect_near(crossing_density(kForwardCost, 20, shape(48, 1)), forward(1.64 * 64 / 48), 0, 1e-12,
              "a slice that is not full");
  expect_near(crossing_density(kForwardCost, 20, shape(80, 1)), forward(1.64 * 128 / 80), 0, 1e-12, "two slices");
  expect(crossing_count(kForwardCost, 1000, 20, whole) == 118,
         "of 1000: " + std::to_string(crossing_count(kForwardCost, 1000, 20, whole)));
  expect(crossing_density(kForwardCost, 5, whole) == 0 && !cuda::events_may_win(5, whole), "five steps: always dense");
  expect(cuda::events_may_win(10, whole), "ten steps: where few fire");
}

void stays_a_share() {
  for (int T = 1; T <= 63; ++T)
    for (int pool : {1, 2, 3, 16})
      for (int channels : {16, 64, 96, 4096})
        for (const cuda::EventCost& cost : {kForwardCost, kWeightGradientCost}) {
          const double density = crossing_density(cost, T, shape(channels, pool));
          expect(density >= 0 && density <= 1, "a share");
          expect(T == 1 || density >= crossing_density(cost, T - 1, shape(channels, pool)),
                 "more steps never favour dense products");
          expect(pool == 1 || density <= crossing_density(cost, T, shape(channels, 1)), "a pool never favours events");
        }
  expect(crossing_density(kForwardCost, 1, shape(64, 1)) == 0 &&
             crossing_count(kForwardCost, 1 << 20, 1, shape(64, 1)) == 0,
         "one step: dense, whatever fires");
}

}  // namespace

void add_crossing_tests(Tests& tests) {
  tests.push_back({"crossing of events and dense products: by hand", by_hand});
  tests.push_back({"crossing of events and dense products: stays a share", stays_a_share});
}

}  // namespace onespike::test
