// Products of a stage that reads an image, in 32-bit floats. An image has so few channels that one output channel has
// few weights: the 27 of a 3 x 3 kernel over three colours are less than the tiles and votes of the general kernels
// are meant for. So these keep all weights, or all their gradients, at hand and pass once over the maps.
#pragma once

#include "core/backend/backend.h"
#include "cuda/device/launch.h"
#include "cuda/device/workspace.h"

namespace onespike::cuda {

// Whether the stage is one of them, and its source spike times or floats (then `timesteps` is 1): up to 84 weights
// (taps times source channels) an output channel, source channels that are not padded to vectors (fewer than 16), no
// average pool before it, up to kEventSteps steps (18 with more than 56 weights). Everything else goes the general way.
bool first_stage_takes(const StageShape& s, int timesteps);

void first_stage_spiking_forward(Stream& stream, const SpikingForwardTask& task);
void first_stage_dense_forward(Stream& stream, const DenseForwardTask& task);

// Of the workspace of either weight gradient.
size_t first_stage_gradient_bytes(int64_t n, const StageShape& s);
void first_stage_weight_gradient(Stream& stream, Workspace& workspace, const WeightGradientTask& task);
void first_stage_dense_weight_gradient(Stream& stream, Workspace& workspace, const DenseWeightGradientTask& task);

}  // namespace onespike::cuda
