// A network: parameters, buffers and the steps of training on one backend. Every method blocks the calling thread
// and may use the backend's own threads; one call at a time (the addon answers ERR_BUSY to a second).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/dataset.h"
#include "core/backend/profile.h"
#include "core/backend/recorded.h"
#include "core/spec.h"
#include "core/status.h"
#include "ops/shape.h"
#include "ops/loss/distillation.h"
#include "ops/update.h"

namespace onespike {

class Backend;
class Communicator;
class DeviceLink;

enum class TensorKind { kParameter, kGradient, kSlot0, kSlot1, kSlot2, kAverage };  // slots: momentum | m, v, max v

// PyTorch layout: conv weight (O, I, kh, kw), linear weight (O, I) with I = C*H*W flattened, bias and norm.* (O),
// threshold and leak (), time_constant, delay and step (), kappa and theta (T), genes (O, G), gene_scale (), and
// genes.KxK (K * K, G, G). The weight of a layer with a gene_scale follows from genes: what is written to it is
// ignored.
struct TensorInfo {
  std::string name;  // layers.I.weight | bias | norm.weight | .. | threshold | leak | kappa | theta, or
                     // with a code time_constant | delay or step
  std::vector<int64_t> shape;
  int64_t size = 0;  // number of floats
};

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::kSgd;
  float learning_rate = 0.01f;
  float neuron_learning_rate = 0.01f;  // of thresholds and leaks, and of the logarithms of schedules
  float momentum = 0.9f;
  bool nesterov = false;      // SGD alone
  float weight_decay = 0.0f;  // weights only: never biases, norm, thresholds, leaks, schedules
  float beta1 = 0.9f, beta2 = 0.999f, epsilon = 1e-8f;
  bool amsgrad = false;
  float clip_norm = 0.0f;  // global L2 norm of the gradient; 0 = no clipping
  float average = 0.0f;    // decay of the exponential moving average of the parameters; 0 = no average is taken
};

// A regulariser on the spikes of hidden layers (docs/MATHEMATICS.md, "Activity target").
struct ActivityOptions {
  float target = 0.0f;    // in [0, 1]: of the activity, from 0 to 1
  float strength = 0.0f;  // >= 0; 0 = none
};

// What the loss of a training step compares the logits with, and what it asks for besides (docs/MATHEMATICS.md,
// "Readout and loss").
struct LossOptions {
  float label_smoothing = 0.0f;    // in [0, 1): the share of a label that all classes have alike
  Distillation distillation = {};  // weight in [0, 1]: above 0 every batch has the logits of a teacher
  ActivityOptions activity = {};   // SNN mode alone
  std::vector<float> time_weights =
      {};  // SNN mode alone: (T) of the loss after each step, sum 1; empty: the last alone
  // The probability with which a hidden layer sends its spikes or its code in a step, and else numbers
  // (docs/MATHEMATICS.md, "Relaxation of spikes" and "Coded networks"); 1 in the modes of an ANN.
  float quantised = 1.0f;
  // With a code.
  float kernel_penalty = 0.0f;  // of the distance of time constants and delays from their initial values
  float spike_penalty = 0.0f;   // of the expected share of neurons that send anything, in normalised layers
};

// What a step reports. Sums over the batch, so that the caller can add batches up.
struct StepStats {
  double loss = 0.0;           // mean over the images of the batch; NaN when there are no labels
  int64_t correct = 0;         // argmax logit == label
  std::vector<double> spikes;  // per hidden spiking layer (in layer order): number of neurons that fired in the steps
                               // that were computed (0 in ANN mode)
  double gradient_norm = 0.0;  // before clipping; 0 when no gradient was computed
  int bad_layer = -1;          // entry of the layer list where the first non-finite number arose, else -1
};

// Where a forward pass leaves what the caller asked for; null = not wanted. N images, K classes.
struct ForwardOutputs {
  float* logits = nullptr;      // (N, K)
  float* potentials = nullptr;  // (N, T, K) potential of the output layer after every step (SNN mode)
  float* margins = nullptr;     // (N) the smallest |U(t)/V - 1| that a hidden neuron decided by (SNN mode)
  uint8_t* decision_steps =
      nullptr;            // (N); wanted: an image ends at the first step at which an output neuron fires (SNN mode,
                          // without potentials and spike times), or T; logits are those of that step
  bool averaged = false;  // computed with the average of the parameters in their place
  std::vector<uint8_t*>
      spike_times;  // of a network with a code what its layers send, and nothing of the output layer. Empty, or one per
                    // spiking layer incl. output: (N, C, H, W) or (N, O); null entries are skipped
};

// Steps that run one after the other before the host reads a number. Each asks for its batch when its turn
// comes, so that a host that draws batches holds no more than two.
struct StepGroup {
  size_t count = 1;
  int64_t largest = 0;  // images of the largest batch
  // Images that buffers hold: a rank whose shards have none in any of the steps has buffers all the same.
  int64_t capacity() const { return largest > 0 ? largest : 1; }
  // The batch of step i, valid until the next call. Called in order, and for a step that was not finite perhaps once
  // more.
  std::function<Status(size_t i, Batch* batch)> batch;
  std::vector<OptimizerOptions> updates;  // one per step; empty = no update
  LossOptions loss = {};
  // The ranks that share the steps, or null: each has the batches of its own shards, and all make the same calls.
  Communicator* ranks = nullptr;
  // Between the devices of the ranks, if it is there: sums of backends with a second queue go this way.
  DeviceLink* link = nullptr;
};

// How genes are fitted to weights (docs/MATHEMATICS.md, "Genes fitted to weights").
struct GeneFitOptions {
  int64_t steps = 1;            // of Adam
  float learning_rate = 0.01f;  // of the first step; falls to 0 along half a cosine
};

class Network {
 public:
  static Status create(const NetworkSpec& spec, std::unique_ptr<Backend> backend, std::unique_ptr<Network>* out);
  ~Network();

  const NetworkSpec& spec() const;
  const std::vector<TensorInfo>& tensors() const;
  int spiking_layers() const;                // hidden + output
  int64_t neurons(int spiking_layer) const;  // per image
  int layer_index(int spiking_layer) const;  // its entry in spec().layers
  const StageShape& shape(int spiking_layer) const;
  Recorded recorded() const;                 // whether its steps run as CUDA graphs
  std::vector<ProfileEntry> take_profile();  // since the last call; empty unless spec().profile
  int64_t memory_bytes() const;              // parameters, optimiser state and buffers held now
  bool draws(
      const Dataset& data) const;  // whether batches of it should come as rows: the backend keeps it in its memory

  Status read(TensorKind kind, int tensor, float* into) const;
  Status write(TensorKind kind, int tensor, const float* from);
  // A part of a tensor: `count` numbers from `offset` on, in PyTorch's order. ERR_ARG unless 0 <= offset < offset +
  // count
  // <= size.
  Status read(TensorKind kind, int tensor, int64_t offset, int64_t count, float* into) const;
  Status write(TensorKind kind, int tensor, int64_t offset, int64_t count, const float* from);
  int optimizer_slots() const;      // slots that an optimiser has used, 0 to 3: the others read as zeros
  int64_t optimizer_steps() const;  // Adam's step count; part of a checkpoint
  void set_optimizer_steps(int64_t steps);
  bool averaged() const;         // whether there is an average of the parameters, which reads as zeros otherwise
  void reset_optimizer();        // all slots zero, no average, count and activity zero
  uint64_t random_step() const;  // counter behind dropout and the rate encoder; part of a checkpoint
  void set_random_step(uint64_t step);
  double activity() const;  // the running mean that the activity target compares with; part of a checkpoint
  void set_activity(double mean);

  // `stop` is polled between layers; an aborted call answers kAborted and leaves the parameters as they were.
  Status forward(const Batch& batch, Mode mode, const ForwardOutputs& out, const std::atomic<bool>& stop,
                 StepStats* stats);
  Status gradients(const Batch& batch, Mode mode, const std::atomic<bool>& stop, StepStats* stats,
                   const LossOptions& loss = {});
  Status train(const Batch& batch, Mode mode, const OptimizerOptions& options, const std::atomic<bool>& stop,
               StepStats* stats, const LossOptions& loss = {});
  // Several steps, bit-identical to single ones; all that remains is to wait once instead of after every step.
  // `stats` are those of the steps that were made. They are fewer than `group` has if `stop` was raised, if a step was
  // not finite (the last; its bad_layer says where) or if the next one cannot be made: then a call that begins with it
  // says why, as this one does if it made none.
  Status train(const StepGroup& group, Mode mode, const std::atomic<bool>& stop, std::vector<StepStats>* stats);
  int steps_at_once() const;  // so many make the wait too short to matter: 1 where calls wait anyway
  // The percentile (0..100) of the activations of every hidden layer of the ANN, in layer order.
  Status activations(const Batch& batch, double percentile, const std::atomic<bool>& stop, std::vector<double>* values);
  // docs/MATHEMATICS.md, "Conversion": thresholds layer by layer from the percentile (0..100) of the weighted input;
  // leaks become 1.
  Status calibrate(const Batch& batch, double percentile, double scale, const std::atomic<bool>& stop);
  // Fits genes, interactions and their scales to the weights that were written as gradients of the layers which have
  // genes. `progress` counts the steps, `residual` is what is left of the squares of those weights, as a share. The
  // state of the optimiser is lost, whatever the answer.
  Status fit_genes(const GeneFitOptions& options, const std::atomic<bool>& stop, std::atomic<int64_t>* progress,
                   double* residual);

 private:
  Network();
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace onespike
