// What a Network owns: plan, parameters, and the buffers of one chunk of images. The pieces of a step (spiking, dense,
// calibration) are free functions over it, one file each.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/backend/backend.h"
#include "core/parameters.h"
#include "core/plan.h"

namespace onespike {

// A typed block of backend memory, zeroed when allocated.
template <class T>
class Buffer {
 public:
  explicit Buffer(Backend& backend) : backend_(&backend) {}
  Buffer(Buffer&& other) noexcept : backend_(other.backend_), data_(other.data_), count_(other.count_) {
    other.data_ = nullptr;
  }
  ~Buffer() { backend_->release(data_); }

  Status ensure(int64_t count) {
    if (count <= count_) return Status::success();
    clear();
    data_ = static_cast<T*>(backend_->allocate(size_t(count) * sizeof(T)));
    if (Status status = data_ ? Status::success() : backend_->finish(); !status.ok())
      return status;  // it may be worse than no memory
    if (!data_)
      return Status::error(
          Code::kOom, "Not enough memory for a buffer of " + std::to_string(count * int64_t(sizeof(T))) + " bytes");
    count_ = count;
    return Status::success();
  }
  void clear() {
    backend_->release(data_);
    data_ = nullptr, count_ = 0;
  }
  T* data() const { return data_; }
  int64_t bytes() const { return bytes_of(count_); }
  static int64_t bytes_of(int64_t count) { return count * int64_t(sizeof(T)); }

 private:
  Backend* backend_;
  T* data_ = nullptr;
  int64_t count_ = 0;
};

// The backend's own memory beside the buffers, as one of them.
class WorkspaceRoom {
 public:
  explicit WorkspaceRoom(Backend& backend) : backend_(&backend) {}
  Status ensure(int64_t bytes) {
    if (backend_->reserve_workspace(size_t(bytes))) return Status::success();
    if (Status status = backend_->finish(); !status.ok()) return status;
    return Status::error(Code::kOom, "Not enough memory for a workspace of " + std::to_string(bytes) + " bytes");
  }
  void clear() { (void)backend_->reserve_workspace(0); }
  static int64_t bytes_of(int64_t bytes) { return bytes; }

 private:
  Backend* backend_;
};

// Buffers of one stage for one chunk of n images.
struct StageBuffers {
  explicit StageBuffers(Backend& b)
      : times(b), sent(b), mask(b), potential(b), gradient(b), forward(b), backward(b), padded(b), activation(b) {}
  Buffer<uint8_t> times;     // (n, out map) spike times, T + 1 = never in the output stage; below a linear stage, of a
                             // block in training
  Buffer<uint8_t> sent;      // the same after dropout
  Buffer<uint8_t> mask;      // (n, out map) dropout
  Buffer<float> potential;   // (n, T, out map): U, then a
  Buffer<float> gradient;    // (block, T, out) g of a stage that waits
  Buffer<uint8_t> forward;   // copy of the weights for the forward kernels, the backend's own layout
  Buffer<uint8_t> backward;  // and for the input gradient
  Buffer<float> padded;      // (n, padded map) dense input
  Buffer<float> activation;  // (n, out map) dense output; after ReLU and before dropout
};

// A batch in the backend's memory.
struct StagedBatch {
  const uint8_t* pixels = nullptr;  // (count, C, H, W)
  const int32_t* labels = nullptr;  // (count) or null
  int64_t count = 0;
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
  WorkspaceRoom workspace;
  Buffer<float> analog;           // (n, H, W, C) normalised input
  Buffer<uint8_t> coded;          // (n, H, W, C) spike times of the input
  Buffer<int8_t> rate;            // (n, T, H, W, C)
  Buffer<float> current;          // (n, out cells, out_cs) of the first stage: analog current, then its gradient
  Buffer<float> gradient;         // (n, T, grad map) of the stage at work: g, unless it waits
  Buffer<float> d_activation[2];  // dense gradients, alternating
  Buffer<float> statistics;       // mean and standard deviation of the input channels
  Buffer<float> silent;           // a neuron without leak, for calibration
  Buffer<float> logits;           // (batch, K)
  Buffer<StepInputs> inputs;
  Buffer<StepResult> result;   // of the step at work
  Buffer<int64_t> spikes;      // per stage
  Buffer<StepResult> results;  // of the steps of a group
  Buffer<int64_t> counts;      // (step, stage) their spikes
  Buffer<uint8_t> pixels;      // of a batch, where the backend cannot read the host's
  Buffer<int32_t> labels;
  Buffer<uint32_t> indices;
  std::vector<std::unique_ptr<ResidentDataset>> datasets;
  int64_t optimizer_steps = 0;
  uint64_t random_step = 0;
  int steps;  // that a forward pass computes: T, or fewer where inference may end early
  std::vector<double>
      decisions;        // images that ended early, by the step of their decision; the last entry counts the others
  int64_t waiting = 0;  // images of the block that lie before the chunk at work

  Status allocate();  // parameters, and the buffers that every step needs
  NeuronParams neuron(size_t stage) const;
  EncodeParams encoding(Encoder encoder) const;
  // Bias for a kernel: null for a stage without one.
  const float* bias(size_t stage) const { return plan.stages[stage].bias ? parameters[stage].bias : nullptr; }
  bool dropout(size_t stage) const { return plan.stages[stage].dropout > 0; }
  // Where the chunk at work has its spike times, and what dropout left of them.
  uint8_t* times(size_t stage) const { return stages[stage].times.data() + block_offset(stage); }
  uint8_t* sent(size_t stage) const { return stages[stage].sent.data() + block_offset(stage); }
  int64_t block_offset(size_t stage) const {
    return plan.keeps_block(stage) ? waiting * plan.stages[stage].out_size() : 0;
  }
  int64_t buffer_bytes() const;
  // Before the buffers of a pass are ensured: gives back those of the pass before, if it was of another kind. Inference
  // takes more images at once than training, and the ANN has buffers of its own.
  void prepare(Mode mode, bool train);

 private:
  // Calls f(buffer) for all buffers of a pass over a chunk; `net` may be constant.
  template <class Net, class F>
  static void each_pass_buffer(Net& net, const F& f);
  int prepared_ = -1;  // kind of the last pass
};

// kOom for a batch of `images` whose buffers take bytes(images), of the `room` that there is for them; -1 = unknown.
Status no_room(int64_t images, const std::function<int64_t(int64_t images)>& bytes, int64_t room);

// Makes the buffers of a step ready: each(images, visit) calls visit(buffer, count) for every one of them. Those that
// were there before are given up if they cannot all be had, so that a smaller batch finds the room.
template <class Each>
Status make_room(const Backend& backend, int64_t images, const Each& each) {
  Status status;
  each(images, [&](auto& buffer, int64_t count) {
    if (status.ok()) status = buffer.ensure(count);
  });
  if (status.code != Code::kOom) return status;
  each(images, [](auto& buffer, int64_t) { buffer.clear(); });
  const auto bytes = [&](int64_t n) {
    int64_t sum = 0;
    each(n, [&](auto& buffer, int64_t count) { sum += buffer.bytes_of(count); });
    return sum;
  };
  return no_room(images, bytes, backend.available_bytes());
}

using Stop = std::atomic<bool>;
Status aborted();

Status check_batch(const Batch& batch, bool labels);
// Makes a batch readable for kernels. Of a backend that reads the host's memory its arrays must live until it has
// finished; others have copied them when this returns, into buffers with room for `room` images. Errors: kArg for a
// label out of range.
Status stage_batch(NetworkState& net, const Batch& batch, int64_t room, StagedBatch* staged);
// The steps of `group`, each a pass over its batch in chunks: leaves logits (of the last) in the buffer for them, with
// `backward` the gradients of the mean loss in the parameters, and updates these and the counters if the group says
// how. `stats` as of Network::train.
Status run_steps(NetworkState& net, const StepGroup& group, Mode mode, bool backward, const ForwardOutputs* out,
                 const Stop& stop, std::vector<StepStats>* stats);

// ---- one chunk of n images, the first of them being image `first` of the batch. `train` keeps what backward needs.
// Buffers for a batch of `images`.
Status prepare_snn(NetworkState& net, int64_t images, bool train);
Status snn_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, size_t stages,
                   const Stop& stop);
Status snn_backward(NetworkState& net, int n,
                    const Stop& stop);  // from a(t) in the output stage's potential; += gradients
void snn_end_block(NetworkState& net);  // += the weight gradients that waited
SpikeSource snn_source(NetworkState& net, size_t stage, bool train);

// Inference that ends for an image at the first step at which an output neuron fires, docs/MATHEMATICS.md, "Anytime
// decision and early exit": logits and prediction are those of that step. Adds loss and correct predictions to `sums`,
// in the host's memory. Results do not depend on which images share a call.
Status snn_early_exit(NetworkState& net, const StagedBatch& batch, int64_t first, int n, const ForwardOutputs& out,
                      const Stop& stop, StepResult* sums);

Status prepare_ann(NetworkState& net, int64_t images, bool train);
Status ann_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, const Stop& stop);
Status ann_backward(NetworkState& net, int n, const Stop& stop);  // from d_logits in d_activation[0]

Status calibrate_thresholds(NetworkState& net, const Batch& batch, double percentile, double scale, const Stop& stop);

}  // namespace onespike
