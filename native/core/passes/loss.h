// The loss of a step and its options, for passes over batches.
#pragma once

#include <cstdint>

#include "core/passes/passes.h"

namespace onespike {

// Errors: kArg for numbers out of range, and for options that the mode does not have.
Status check_loss(const NetworkState& net, Mode mode, const LossOptions& loss);
// Errors: kArg if the loss wants the logits of a teacher and the batch has none.
Status check_teacher(const Batch& batch, const LossOptions& loss);

// Buffers for the steps of a group, with what does not change between them.
Status prepare_loss(NetworkState& net, const LossOptions& loss);
// What the kernels of a step are told.
void loss_inputs(const LossOptions& loss, StepInputs* inputs);
// Which kernels a step runs, as a number below 8.
uint64_t loss_key(const LossOptions& loss);

// Logits and, of a labelled batch, the loss of n images from `first` on, with its gradient if `backward`.
void read_out(NetworkState& net, Mode mode, const LossOptions& loss, bool backward, const StagedBatch& batch,
              int64_t first, int n);

// Before the step of a batch of `images`: what a spike costs. After its update: the running mean takes its spikes in,
// unless a stage was relaxed.
void begin_activity(NetworkState& net, int64_t images);
void end_activity(NetworkState& net, int64_t images);

}  // namespace onespike
