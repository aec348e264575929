// Simulation of a converted ANN in another code (core/simulation/simulation.h) on the CPU: images in parallel, each on
// one thread, so that results do not depend on the number of threads.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/simulation/simulation.h"
#include "core/status.h"

namespace onespike {

// `done` (may be null) counts the steps that images have made, for progress. Errors: kArg, kAborted, kOom.
Status simulate(const SimulatedNetwork& network, const SimulationOptions& options, const SimulationImages& images,
                const std::atomic<bool>& stop, std::atomic<int64_t>* done, SimulationOutputs* outputs);

}  // namespace onespike
