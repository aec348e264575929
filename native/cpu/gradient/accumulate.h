// a(t) -> g(t) of a stage, weighed by its schedule if it has one, and its gradient events.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/events/gradient_events.h"
#include "ops/shape.h"

namespace onespike::cpu {

struct AccumulateTask {
  float* gradient;
  const float* potential;
  GradientEvents* events;  // null = none wanted
  const std::vector<Tile>* tiles;
  const StageShape* shape;
  float leak;
  const float* kappa;  // (T), or null
  int n, timesteps;
};
// One row and its share of the border.
void accumulate_row(const AccumulateTask& task, int64_t image, int y);

}  // namespace onespike::cpu
