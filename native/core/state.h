// What a Network owns: plan, parameters, and the buffers of one chunk of images. The pieces of a step (spiking, dense,
// calibration) are free functions over it, one file each.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "core/backend.h"
#include "core/parameters.h"
#include "core/plan.h"

namespace onespike {

// A typed block of backend memory, zeroed when allocated.
template <class T>
class Buffer {
 public:
  explicit Buffer(Backend& backend) : backend_(&backend) {}
  Buffer(Buffer&& other) noexcept : backend_(other.backend_), data_(other.data_), count_(other.count_) { other.data_ = nullptr; }
  ~Buffer() { backend_->release(data_); }

  Status ensure(int64_t count) {
    if (count <= count_) return Status::success();
    backend_->release(data_);
    count_ = 0;
    data_ = static_cast<T*>(backend_->allocate(size_t(count) * sizeof(T)));
    if (!data_) return Status::error(Code::kOom, "Not enough memory for a buffer of " + std::to_string(count * int64_t(sizeof(T))) + " bytes");
    count_ = count;
    return Status::success();
  }
  T* data() const { return data_; }
  int64_t bytes() const { return count_ * int64_t(sizeof(T)); }

 private:
  Backend* backend_;
  T* data_ = nullptr;
  int64_t count_ = 0;
};

// Buffers of one stage for one chunk of n images.
struct StageBuffers {
  explicit StageBuffers(Backend& b) : times(b), sent(b), mask(b), potential(b), gradient(b), backward(b), padded(b), activation(b) {}
  Buffer<uint8_t> times;      // (n, out map) spike times; below a linear stage, of a block in training
  Buffer<uint8_t> sent;       // the same after dropout
  Buffer<uint8_t> mask;       // (n, out map) dropout
  Buffer<float> potential;    // (n, T, out map): U, then a
  Buffer<float> gradient;     // (block, T, out) g of a stage that waits
  Buffer<uint8_t> backward;   // copy of the weights for the input gradient, the backend's own layout
  Buffer<float> padded;       // (n, padded map) dense input
  Buffer<float> activation;   // (n, out map) dense output; after ReLU and before dropout
};

struct NetworkState {
  NetworkState(const Plan& plan_in, std::unique_ptr<Backend> backend_in);

  Plan plan;
  std::unique_ptr<Backend> backend;
  Parameters parameters;
  std::vector<StageBuffers> stages;
  Buffer<float> analog;                  // (n, H, W, C) normalised input
  Buffer<uint8_t> coded;                 // (n, H, W, C) spike times of the input
  Buffer<int8_t> rate;                   // (n, T, H, W, C)
  Buffer<float> current;                 // (n, out cells, out_cs) of the first stage: analog current, then its gradient
  Buffer<float> gradient;                // (n, T, grad map) of the stage at work: g, unless it waits
  Buffer<float> d_activation[2];         // dense gradients, alternating
  int64_t optimizer_steps = 0;
  uint64_t random_step = 0;
  int steps;                             // that a forward pass computes: T, or fewer where inference may end early
  std::vector<double> decisions;         // images that ended early, by the step of their decision; the last entry counts the others
  int64_t waiting = 0;                   // images of the block that lie before the chunk at work

  ReadoutParams readout() const;
  NeuronParams neuron(size_t stage) const;
  EncodeParams encoding(Encoder encoder) const;
  // Bias for a kernel: null for a stage without one.
  const float* bias(size_t stage) const { return plan.stages[stage].bias ? parameters[stage].bias : nullptr; }
  bool dropout(size_t stage) const { return plan.stages[stage].dropout > 0; }
  // Where the chunk at work has its spike times, and what dropout left of them.
  uint8_t* times(size_t stage) const { return stages[stage].times.data() + block_offset(stage); }
  uint8_t* sent(size_t stage) const { return stages[stage].sent.data() + block_offset(stage); }
  int64_t block_offset(size_t stage) const { return plan.keeps_block(stage) ? waiting * plan.stages[stage].out_size() : 0; }
  int64_t buffer_bytes() const;
};

using Stop = std::atomic<bool>;
Status aborted();

// ---- one chunk of n images, the first of them being image `first` of the batch. `train` keeps what backward needs.
// Buffers for a batch of `images`.
Status prepare_snn(NetworkState& net, int64_t images, bool train);
Status snn_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, size_t stages, const Stop& stop);
Status snn_backward(NetworkState& net, int n, const Stop& stop);       // from a(t) in the output stage's potential; += gradients
void snn_end_block(NetworkState& net);                                 // += the weight gradients that waited
SpikeSource snn_source(NetworkState& net, size_t stage, bool train);

// Inference that ends for an image at the first step at which an output neuron fires, SPEC section 4: logits and prediction are
// those of that step. Results do not depend on which images share a call.
Status snn_early_exit(NetworkState& net, const Batch& batch, int64_t first, int n, const ForwardOutputs& out, const Stop& stop, StepStats* stats);

Status prepare_ann(NetworkState& net, int64_t images, bool train);
Status ann_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, const Stop& stop);
Status ann_backward(NetworkState& net, int n, const Stop& stop);       // from d_logits in d_activation[0]

Status calibrate_thresholds(NetworkState& net, const Batch& batch, double percentile, double scale, const Stop& stop);

}  // namespace onespike
