// a(t) -> g(t) of a stage, and its gradient events.
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
  int n, timesteps;
};
// One row and its share of the border.
void accumulate_row(const AccumulateTask& task, int64_t image, int y);

}  // namespace onespike::cpu
