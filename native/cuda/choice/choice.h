// Which variant the operations of a stage take, by the density of its source map: counted and decided on the device, in
// memory that the caller gives.
//
// Nothing is remembered from one chunk to the next, so a batch has the same result in a resumed run. Hysteresis would
// be for choices that are dear to change or made from a noisy number; here both kernels are enqueued every time and the
// count is exact.
#pragma once

#include <cstdint>

#include "cuda/device/gate.h"
#include "cuda/device/launch.h"
#include "cuda/device/workspace.h"
#include "ops/shape.h"

namespace onespike::cuda {

// What one operation takes, and from what.
struct Choice {
  int64_t fired, values;  // of the source map
  Variant chosen;
};

// Of the two operations that read the spikes of a stage's source, on the device.
struct Decision {
  Choice forward, weight_gradient;
};

// Decides for a stage that reads n images of spike times.
void decide(Stream& stream, Workspace& workspace, Decision* decision, const uint8_t* times, int n, int timesteps,
            const StageShape& s);

inline Gate gate_of(const Choice& choice, Variant variant) { return {&choice.chosen, variant}; }

}  // namespace onespike::cuda
