// Which way the input gradient of a convolution is summed: along its gradient events, or as a dense product of all
// steps.
#pragma once

#include "cpu/events/gradient_events.h"

namespace onespike::cpu {

// Whether a chunk of a stage takes the dense product: by the events counted in that very chunk, so that neither threads
// nor timings have a say. `pairs` are its neurons times steps, `halves` says whether bf16 are multiplied. `was_dense`
// says what the chunk before in the batch took: there is a hysteresis, and a batch begins without one.
bool prefers_dense(const GradientWork& work, double pairs, bool halves, bool was_dense, const StageShape& s);

}  // namespace onespike::cpu
