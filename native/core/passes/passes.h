// What a network does with a batch: free functions over its state, one file each.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/network.h"
#include "core/state/state.h"

namespace onespike {

using Stop = std::atomic<bool>;
Status aborted();

Status check_batch(const Batch& batch, bool labels);
// Buffers for the largest batch of the group, so that none of its steps allocates while those before it are at work.
Status prepare_group(NetworkState& net, const StepGroup& group, Mode mode, bool backward, bool keeps_potentials);
// Makes a batch readable for kernels. Of a backend that reads the host's memory its arrays must live until it has
// finished; others have copied them when this returns, into buffers for `capacity` images. Errors: kArg for a
// label out of range.
Status stage_batch(NetworkState& net, const Batch& batch, int64_t capacity, StagedBatch* staged);
// Whether batches of the data set should come as rows: the backend keeps its images, or has not been asked to yet.
bool keeps_dataset(const NetworkState& net, const Dataset& data);
// Gives up the data sets in the backend's memory, for good: their batches are drawn by the host from now on. False if
// there were none.
bool give_up_datasets(NetworkState& net);
// Spike times of the chunk, or codes, and potentials of the output layer, for who asked.
void fetch_trace(NetworkState& net, int64_t first, int n, const ForwardOutputs& out);
// The steps of `group`, each a pass over its batch in chunks: leaves logits (of the last) in the buffer for them, with
// `backward` the gradients of the mean loss in the parameters, and updates these and the counters if the group says
// how. `stats` as of Network::train.
Status run_steps(NetworkState& net, const StepGroup& group, Mode mode, bool backward, const ForwardOutputs* out,
                 const Stop& stop, std::vector<StepStats>* stats);

// ---- stages that a training step relaxes: they send numbers in place of spikes or codes (docs/MATHEMATICS.md,
// "Relaxation of spikes" and "Coded networks")
// Draws those of the step of this random counter, each with the probability 1 - quantised; whether there are any.
bool draw_relaxed(NetworkState& net, float quantised, uint64_t random_step);
inline bool any_relaxed(const NetworkState& net) {
  return std::any_of(net.relaxed.begin(), net.relaxed.end(), [](char relaxed) { return relaxed != 0; });
}
// Whether a stage reads the numbers of a relaxed source, which drops nothing then.
inline bool reads_relaxed(const NetworkState& net, size_t stage, bool train) {
  return train && !net.plan.reads_pixels(stage) && net.relaxed[size_t(net.plan.sources[stage])];
}

// ---- one chunk of n images, the first of them being image `first` of the batch. `train` keeps what backward needs.
// Buffers for a batch of `images`.
Status prepare_snn(NetworkState& net, int64_t images, bool train, bool keeps_potentials = false);
Status snn_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, size_t stages,
                   const Stop& stop);
// From a(t) in the output stage's potential; += gradients, and if a block ends those of the weights that waited.
Status snn_backward(NetworkState& net, int n, bool ends_block, const Stop& stop);
SpikingForwardTask snn_forward_task(NetworkState& net, size_t stage, int n, bool train);

// Inference that ends for an image at the first step at which an output neuron fires (docs/MATHEMATICS.md, "Anytime
// decision and early exit"): logits and
// prediction are those of that step. Adds loss and correct predictions to `sums`, in the host's memory. Results do not
// depend on which images share a call.
Status snn_early_exit(NetworkState& net, const StagedBatch& batch, int64_t first, int n, const ForwardOutputs& out,
                      const Stop& stop, StepResult* sums);

// `mode` is one of the ANN, and holds until the next pass is prepared.
Status prepare_ann(NetworkState& net, Mode mode, int64_t images, bool train);
Status ann_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, const Stop& stop);
Status ann_backward(NetworkState& net, int n, const Stop& stop);  // from d_logits in d_activation[0]

// ---- the same with a code
Status prepare_coded(NetworkState& net, int64_t images, bool train);
void fill_code_tables(NetworkState& net);  // at the beginning of a step
Status coded_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, const Stop& stop);
void add_code_penalties(NetworkState& net, const LossOptions& loss);  // += gradients
// What an optimiser sees of the gradients of steps, which grow with the neurons that share them.
void scale_code_gradients(NetworkState& net);
Status coded_backward(NetworkState& net, int n, const Stop& stop);  // from d_logits in d_activation[0]

// The entry of the layer list where the first non-finite number of the step before arose: a parameter, else a value on
// the way forward, else one on the way back.
int find_bad_layer(NetworkState& net, Mode mode, bool backward);

Status activation_percentiles(NetworkState& net, const Batch& batch, double percentile, const Stop& stop,
                              std::vector<double>* values);
Status calibrate_thresholds(NetworkState& net, const Batch& batch, double percentile, double scale, const Stop& stop);

}  // namespace onespike
