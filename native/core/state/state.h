// What a Network owns: plan, parameters, and the buffers of one chunk of images. What is done with them is in
// core/passes.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/backend/backend.h"
#include "core/state/buffers.h"
#include "core/state/loss_state.h"
#include "core/state/parameters.h"
#include "core/shards/partial_sums.h"
#include "core/plan.h"

namespace onespike {

// Buffers of one stage for one chunk of n images.
struct StageBuffers {
  explicit StageBuffers(Backend& b)
      : times(b),
        sent(b),
        mask(b),
        potential(b),
        received(b),
        gradient(b),
        forward(b),
        backward(b),
        packed(b),
        activation(b),
        weighted(b),
        pooled(b),
        maxima(b),
        decided(b),
        moments(b),
        norm_sums(b),
        pooled_weight(b),
        d_pooled_weight(b),
        folded_weight(b),
        folded_bias(b),
        rounded_weight(b),
        density(b) {}
  Buffer<uint8_t> times;    // (n, out map) spike times, or levels of a code; T + 1 = never in the output stage; below a
                            // linear stage, of a block in training
  Buffer<uint8_t> sent;     // the same after dropout
  Buffer<uint8_t> mask;     // (n, out map) dropout
  Buffer<float> potential;  // (n, T, out map): U, then a
  Buffer<float> received;   // (n, T, out map) a, where U is kept; in the ANN (n, out map) the gradient at the
                            // activation of a stage that is not in a chain
  Buffer<float> gradient;   // (block, T, out) g of a stage that waits
  Buffer<uint8_t> forward;  // copy of the weights for the forward kernels, the backend's own layout
  Buffer<uint8_t> backward;  // and for the input gradient
  Buffer<float> packed;      // (n, padded map) dense input
  Buffer<float> activation;  // (n, out map) dense output; after ReLU and before dropout; of a relaxed stage what it
                             // sends
  Buffer<float> weighted;    // (n, out map) dense output before normalisation by a group's statistics; current from a
                             // relaxed source, then its gradient
  Buffer<uint8_t> pooled;    // (n, src map) levels after the maximum pools before the stage
  Buffer<float> maxima;      // and in the ANN what they are of activations
  Buffer<float> decided;     // (n, out map) input of the binary activation
  Buffer<float> moments;     // (2, out_cs) of the group at work: mean, 1 / sqrt(variance + epsilon)
  Buffer<float> norm_sums;   // (2, out_cs) means and unbiased variances, over the groups of the step
  Buffer<float> pooled_weight;  // of a stage whose currents are averaged before the neuron
  Buffer<float> d_pooled_weight;
  Buffer<float> folded_weight;   // of a stage whose running statistics are folded
  Buffer<float> folded_bias;     // (out_cs)
  Buffer<float> rounded_weight;  // of a code with weights of so many bits; behind them their unit
  Buffer<uint8_t> density;       // what the forward pass counted of the stage's source, for the weight gradient
  KernelChoice backward_choice;  // of the chunk before in the batch
};

// A batch in the backend's memory.
struct StagedBatch {
  const uint8_t* pixels = nullptr;  // (count, C, H, W)
  const int32_t* labels = nullptr;  // (count) or null
  int64_t count = 0;
  const int32_t* others = nullptr;  // (count) of mixed images, else null
  const float* shares = nullptr;
  const float* teacher = nullptr;       // (count, K) or null
  const BatchShards* shards = nullptr;  // that these images are, or null

  // Of the whole batch, of which other ranks may have parts.
  int64_t images() const { return shards ? shards->images : count; }
  int64_t position(int64_t image) const { return shards ? shards->first + image : image; }
};

// A data set in the backend's memory.
struct ResidentDataset {
  explicit ResidentDataset(Backend& b) : pixels(b), labels(b) {}
  std::weak_ptr<const Dataset> source;
  Buffer<uint8_t> pixels;
  Buffer<int32_t> labels;
};

struct NetworkState {
  NetworkState(const Plan& plan_in, std::unique_ptr<Backend> backend_in);

  Plan plan;
  std::unique_ptr<Backend> backend;
  Parameters parameters;
  std::vector<StageBuffers> stages;
  WorkspaceBuffer workspace;
  Buffer<float> analog;           // (n, H, W, C) normalised input
  Buffer<uint8_t> coded;          // (n, H, W, C) spike times of the input
  Buffer<int8_t> values;          // (n, T, H, W, C) codes of pixels that send several events
  Buffer<float> current;          // (n, out cells, out_cs) of the first stage: analog current, then its gradient
  Buffer<float> gradient;         // (n, T, grad map) of the stage at work: g, unless it waits
  Buffer<float> d_activation[2];  // dense gradients, alternating
  Buffer<float> statistics;       // mean and standard deviation of the input channels
  Buffer<float> code_tables;      // (stages, 2, kTableSize) of the step at work
  Buffer<float> pixel_values;     // (C, kTableSize) numbers that pixel bytes count as, with a code
  Buffer<float> silent;           // a neuron without leak, for calibration
  Buffer<float> logits;           // (batch, K)
  Buffer<StepInputs> inputs;
  Buffer<StepResult> result;   // of the step at work
  Buffer<int64_t> spikes;      // per stage
  Buffer<StepResult> results;  // of the steps of a group
  Buffer<int64_t> counts;      // (step, stage) their spikes
  Buffer<uint8_t> pixels;      // of a batch, where the backend cannot read the host's
  Buffer<int32_t> labels, others;
  Buffer<float> shares;
  Buffer<uint32_t> indices;
  Buffer<DrawnImage> drawn;  // of a batch that the backend draws
  Buffer<uint8_t> tables;
  LossState loss;
  PartialSums sums;
  std::vector<std::unique_ptr<ResidentDataset>> datasets;
  std::vector<std::weak_ptr<const Dataset>> refused;  // data sets for which the backend's memory did not suffice
  int64_t optimizer_steps = 0;
  uint64_t random_step = 0;
  std::vector<char> relaxed;      // per stage: whether it sends numbers in the step at work, not its code or spikes
  bool relaxes = false;           // whether steps of the group at work may relax a stage
  bool keeps_potentials = false;  // of hidden neurons as well, where no gradient needs them: see potentials()
  bool binary = false;            // the ANN at work has binary activations, not ReLU
  int steps;                      // that a forward pass computes: T, or fewer where inference may end early
  std::vector<double>
      decisions;        // images that ended early, by the step of their decision; the last entry counts the others
  int64_t waiting = 0;  // images of the block that lie before the chunk at work
  // Told by a backward pass which stages, from the last on, have their gradients; empty where nobody wants to know.
  std::function<void(size_t stage)> stage_done;

  Status allocate();  // parameters, and the buffers that every step needs
  Status allocate_codes();
  NeuronParams neuron(size_t stage) const;
  // Whether a spiking pass keeps the potentials of hidden neurons.
  bool potentials(bool train) const { return train || keeps_potentials; }
  // a(t) of a stage, once its readers have written it.
  float* spike_gradient(size_t stage) const {
    return plan.keeps_potential(stage) ? stages[stage].received.data() : stages[stage].potential.data();
  }
  EncodeParams encoding(Encoder encoder) const;
  // The mask of n images, the first of them being image `first` of the batch.
  DropoutMaskTask dropout_mask(size_t stage, int n, int64_t first) const;
  // Whether the pass at work has folded the running statistics of the stage into weights and bias.
  bool folds(size_t stage) const { return stages[stage].folded_weight.data() != nullptr; }
  // (kTableSize) the numbers of a coded stage's levels, and the borders between them.
  const float* code_values(size_t stage) const { return code_tables.data() + int64_t(stage) * 2 * kTableSize; }
  const float* code_borders(size_t stage) const { return code_values(stage) + kTableSize; }
  // Weights for a kernel, and bias: null for a stage without one.
  const float* weight(size_t stage) const {
    if (const float* rounded = stages[stage].rounded_weight.data()) return rounded;
    return unrounded_weight(stage);
  }
  const float* unrounded_weight(size_t stage) const {
    return folds(stage) ? stages[stage].folded_weight.data() : unfolded_weight(stage);
  }
  const float* unfolded_weight(size_t stage) const {
    return pools_currents(stage) ? stages[stage].pooled_weight.data() : parameters[stage].weight;
  }
  // Where the gradient of these weights is added up.
  float* d_weight(size_t stage) const {
    return pools_currents(stage) ? stages[stage].d_pooled_weight.data() : parameters[stage].d_weight;
  }
  bool pools_currents(size_t stage) const { return plan.stages[stage].average > 1; }
  const float* bias(size_t stage) const {
    if (folds(stage)) return stages[stage].folded_bias.data();
    return plan.stages[stage].bias ? parameters[stage].bias : nullptr;
  }
  bool dropout(size_t stage) const { return plan.stages[stage].dropout > 0; }
  // Where the chunk at work has its spike times, and what dropout left of them.
  uint8_t* times(size_t stage) const { return stages[stage].times.data() + block_offset(stage); }
  uint8_t* sent(size_t stage) const { return stages[stage].sent.data() + block_offset(stage); }
  int64_t block_offset(size_t stage) const {
    return plan.keeps_block(stage) ? waiting * plan.stages[stage].out_size() : 0;
  }
  int64_t buffer_bytes() const;
  // Before the buffers of a pass are ensured: frees those of the pass before, if it was of another kind. Inference
  // takes more images at once than training, and the ANN has buffers of its own.
  void prepare(Mode mode, bool train);

 private:
  // Calls f(buffer) for all buffers of a pass over a chunk; `net` may be constant.
  template <class Net, class F>
  static void each_pass_buffer(Net& net, const F& f);
  int prepared_ = -1;  // kind of the last pass
};

}  // namespace onespike
