// The products of the CUDA backend in 32-bit floats, without tensor cores: what precision fp32 runs on, what shapes
// fall back to that the tensor cores do not take, and what those are tested against. Tasks are those of
// core/backend.
#pragma once

#include "core/backend/backend.h"
#include "cuda/device/gate.h"
#include "cuda/device/launch.h"
#include "cuda/device/workspace.h"

namespace onespike::cuda {

void simt_spiking_forward(Stream& stream, const SpikingForwardTask& task);
// Wt of `gradient` (images, out map), without pool: sums (images, in_h, in_w, src_cs). Time steps count as images.
void simt_input_sums(Stream& stream, float* sums, const float* gradient, const float* weight, int64_t images,
                     const StageShape& s);
// Of the workspace of either weight gradient.
size_t simt_weight_gradient_bytes(int64_t n, int timesteps, const StageShape& s);
void simt_weight_gradient(Stream& stream, Workspace& workspace, const WeightGradientTask& task);

void simt_dense_forward(Stream& stream, const DenseForwardTask& task);
void simt_dense_weight_gradient(Stream& stream, Workspace& workspace, const DenseWeightGradientTask& task);

// The same for spike times, following the events: additions alone, one per event and channel, however many steps there
// are. The forward pass takes up to kEventSteps.
constexpr int kEventSteps = 20;
// The rows that are added in the place of the task's weights or gradient: floats as core has them, or the bf16 of
// tensor_core.h, weights of PackForwardTask and a GradientRecord.
struct EventRows {
  const float* floats = nullptr;
  const void* halves = nullptr;
  Gate gate = {};
};
void event_spiking_forward(Stream& stream, const SpikingForwardTask& task, const EventRows& weight);
size_t event_weight_gradient_bytes(int64_t n, const StageShape& s);
void event_weight_gradient(Stream& stream, Workspace& workspace, const WeightGradientTask& task,
                           const EventRows& gradient);

}  // namespace onespike::cuda
