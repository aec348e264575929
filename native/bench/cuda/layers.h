// Every product of a stage, timed on random maps, with the work that it has to do at least.
#pragma once

#include <string>
#include <vector>

#include "cuda/device/launch.h"
#include "ops/shape.h"

namespace onespike::bench {

struct Timing {
  std::string operation;
  double ms = 0;           // of the whole operation
  double operands_ms = 0;  // of making its bf16 operands, within that
  double flops = 0;        // as if every step were dense, borders included
  double bytes = 0;        // inputs and outputs, once each
};

// Throws std::runtime_error with the CUDA error if the device fails or has not enough memory.
std::vector<Timing> time_stage(cuda::Stream& stream, const StageShape& s, int n, int timesteps, double activity,
                               double least_ms);

// Dense products on tensor cores and events, each as if it had been chosen.
struct VariantTiming {
  std::string operation;
  double dense_ms = 0, events_ms = 0;
  double crossing = 0;  // the density below which events are chosen

  const char* chosen(double activity) const { return activity < crossing ? "events" : "dense"; }
};

// Of the operations that have both; none with more steps than events take. Throws as time_stage.
std::vector<VariantTiming> time_variants(cuda::Stream& stream, const StageShape& s, int n, int timesteps,
                                         double activity, double least_ms);

}  // namespace onespike::bench
