// The table of kernels that core calls. A backend (native/cpu, native/cuda) fills it and knows nothing of networks;
// core knows nothing of SIMD or devices. All pointers are the backend's own memory, from allocate(): whatever a kernel
// writes lies there, and whatever varies from step to step is read there, so that a device can run a whole step, or
// replay a recorded one, before the host looks at a number. Nothing answers the host but allocate, upload, download and
// finish.
//
// Letters: n images of the chunk, T steps, S the stage. Byte maps are (n, h, w, cs), NHWC, 0 = never fired. Potentials
// are (n, T, out_h, out_w, out_cs), gradients n * T * grad_step floats. Weights are packed: tile of output channels,
// tap, source channel, channel within the tile. Gradients of convolutions and the forward and backward copies of
// weights are laid out as the backend likes. Every kernel overwrites its outputs unless it says `+=`.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/dataset.h"
#include "core/spec.h"
#include "core/status.h"
#include "ops/readout.h"
#include "ops/shape.h"
#include "ops/surrogate.h"
#include "ops/update.h"

namespace onespike {

// What varies from step to step, uploaded once per step.
struct StepInputs {
  uint64_t random_step = 0;  // counter behind dropout and the rate encoder
  UpdateParams weights, biases, neurons;
  float clip_norm = 0;  // global L2 norm of the gradient; 0 = no clipping
};

// What a step answers: zeroed at its start but for `finite`, and kept until the host looks at it.
struct StepResult {
  double loss = 0;           // mean over the images of the batch
  int64_t correct = 0;       // argmax logit == label
  double squared_norm = 0;   // of the gradient, before clipping
  float gradient_scale = 1;  // of the update
  int32_t finite =
      1;  // whether loss and norm are, of this step and of those before it in its group: else nothing is updated
};

// How image bytes become input.
struct EncodeParams {
  Encoder encoder = Encoder::kHybrid;
  int channels = 0, height = 0, width = 0, timesteps = 0;
  const float* mean = nullptr;  // (C)
  const float* std = nullptr;
  double lo = 0, hi = 1;
  uint64_t seed = 0;  // of the rate encoder
  const StepInputs* inputs = nullptr;
  int last = 0;  // spikes after this step are left out; rate is (n, last, H, W, C)
};

// What a stage reads. Exactly one of `times` and `rate` is set, or neither when the input is analog alone.
struct SpikeSource {
  const uint8_t* times = nullptr;  // (n, src_h, src_w, src_cs)
  const int8_t* rate = nullptr;    // (n, T, src_h, src_w, src_cs): -1, 0, 1; the rate encoder fires more than once
  float scale = 1;                 // weight of one event: 1/pool^2, and 1/(1 - rate) of the dropout before
};

// The neurons of one spiking layer.
struct NeuronParams {
  int timesteps = 0;
  const float* neuron = nullptr;  // threshold, leak
  bool fires = true;              // false: integrates and never resets, whatever the threshold
  SurrogateParams surrogate;

  // For code that can read backend memory.
  ONESPIKE_HD float threshold() const { return fires ? neuron[0] : HUGE_VALF; }
  ONESPIKE_HD float leak() const { return neuron[1]; }
};

// Logits, prediction and loss of n images from the output stage.
struct ReadoutTask {
  ReadoutParams params;  // its threshold and leak are those of `neuron`
  const float* neuron = nullptr;
  bool spiking = true;
  float* values =
      nullptr;  // spiking: (n, T, out_cs) potentials, replaced by a(t) if `backward`; else (n, out_cs) logits
  const int32_t* labels = nullptr;  // (n); null = no loss, no prediction
  double share = 1;                 // of one image in the loss
  bool backward = false;            // gradients of the loss
  float* d_values = nullptr;        // dense: (n, out_cs) dL/d(logit) if `backward`
  float* d_neuron = nullptr;        // spiking: += gradients of threshold and leak if `backward`
  float* logits = nullptr;          // (n, out_c)
  uint8_t* times = nullptr;         // spiking: (n, out_cs) spike times, T + 1 = never
  StepResult* result = nullptr;     // += loss and correct
};

// How many images pass together: as many as keep their buffers within these bytes, by the backend alone, never by what
// memory is free, because the order of summation follows.
struct ChunkLimits {
  int64_t training = 0, inference = 0, ann = 0;  // bytes of potentials and gradients, of byte maps, of activations
  int64_t block = 0;                             // bytes of what waits for the weight gradients of linear layers
  int images = 1, block_images = 1;
};

// Which kernel an operation used, for people: its name, and the measured share of operands that it was chosen for or,
// of the filter of the forward pass, left in doubt (else 1).
struct KernelChoice {
  const char* kernel = "";
  double density = 1;
};

// Whether steps that come again are replayed from a recording, for people.
struct Recorded {
  bool recorded = false;
  std::string reason;  // why they are not; empty if they are
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;
  virtual ChunkLimits limits() const = 0;

  // ---- memory: zeroed; null when there is none left
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from_host, size_t bytes) = 0;
  virtual void download(void* to_host, const void* from, size_t bytes) = 0;
  virtual void zero(void* memory, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  // Gives back what operations keep for their next call.
  virtual void release_scratch() {}
  // What the operations on n images of a stage need beside the buffers, and making room for it beforehand; dense ones
  // with T = 1.
  virtual size_t workspace_bytes(int64_t n, int timesteps, bool backward, const StageShape& s) const {
    (void)n, (void)timesteps, (void)backward, (void)s;
    return 0;
  }
  virtual bool reserve_workspace(size_t bytes) {
    (void)bytes;
    return true;
  }
  virtual int64_t workspace_held() const { return 0; }
  // Bytes that could be allocated now, for messages; -1 = unknown.
  virtual int64_t available_bytes() const { return -1; }
  // Whether its memory is the host's, so that arrays of the host are read where they lie.
  virtual bool host_memory() const { return true; }
  // Bytes of the largest data set that is worth keeping in its memory; 0 = batches are drawn by the host.
  virtual int64_t resident_bytes() const { return 0; }
  // Training steps worth enqueueing before the host looks at a number; 1 where every call is done when it returns.
  virtual int steps_at_once() const { return 1; }

  // ---- order: calls take effect one after the other
  // Enqueues the calls of a step. A device may record them and replay the recording when it meets `key` again, which
  // stands for all that the calls depend on but contents of memory. The status is that of `enqueue`.
  virtual Status replay(uint64_t key, const std::function<Status()>& enqueue) {
    (void)key;
    return enqueue();
  }
  // Whether replay() has replayed a recording; false for ever once a device refused one.
  virtual Recorded recorded() const { return {false, "this backend records nothing"}; }
  // Waits for all calls so far. Errors: kCuda with the call and the kernel that failed; it stays.
  virtual Status finish() { return Status::success(); }

  // Called before every batch: forgets what choices of kernels remember, so that a batch has the same result in a
  // resumed run as in one that was never interrupted.
  virtual void begin_batch() {}
  // Of the operation that ran last.
  virtual KernelChoice last_choice() const { return {}; }

  // ---- input: pixels (n, C, H, W) -> NHWC. Null outputs are not wanted.
  virtual void encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image,
                      const EncodeParams& p) = 0;
  virtual void draw_batch(const DrawTask& task) = 0;

  // ---- spiking mode
  // Sorts the events of the stage's source by step, for spiking_forward.
  virtual void sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) = 0;
  // total += number of non-zero bytes; `count` is that of whole maps.
  virtual void count_events(int64_t* total, const uint8_t* times, int64_t count) = 0;
  // LIF over all steps, using the sorted events. `current` (n, out cells, out_cs) is an analog input current added at
  // step 1, or at every step if `current_always`. `potential` null = not kept.
  virtual void spiking_forward(uint8_t* times, float* potential, const float* weight, const void* weight_forward,
                               const float* bias, const float* current, bool current_always, int n,
                               const NeuronParams& p, const StageShape& s) = 0;
  // g(t) = a(t) + leak * g(t+1) with its border of zeros, from the a(t) that replaced the potentials; keeps the
  // non-zero a(t) as events for input_gradient if `keep_events`.
  virtual void accumulate_gradient(float* gradient, const float* potential, int n, bool keep_events,
                                   const NeuronParams& p, const StageShape& s) = 0;
  // d_weight += sum over events of g at the time and place of the event, times source.scale. Of a linear stage, n may
  // be the images of several chunks: it costs a pass over all weights.
  virtual void weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps,
                               const StageShape& s) = 0;
  virtual void bias_gradient(float* d_bias, const float* gradient, int n, int timesteps,
                             const StageShape& s) = 0;  // +=
  // Wt g through the a(t) that accumulate_gradient(s) read, times the surrogate of the source neurons: replaces U(t) of
  // the stage below by its a(t). `mask` (n, src map) of the dropout or null. `p` are the stage's own neurons, `below`
  // those that receive. d_neuron_below += gradients of their threshold and leak.
  virtual void input_gradient(float* potential_below, const float* potential, const float* weight,
                              const void* weight_backward, const uint8_t* times_below, const uint8_t* mask, float scale,
                              int n, const NeuronParams& p, const NeuronParams& below, const StageShape& below_shape,
                              const StageShape& s, float* d_neuron_below) = 0;
  // Analog current of the first stage's gradient: g(1), or the sum over all steps. -> (n, out cells, out_cs)
  virtual void analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps,
                               const StageShape& s) = 0;

  // ---- dense (ANN mode and analog input)
  // Average-pools src (n, src_h, src_w, src_cs) into the map that dense_forward and dense_weight_gradient read: room
  // for (n, padded_h, padded_w, src_cs) floats, laid out as the backend likes.
  virtual void pack_input(float* padded, const float* src, int n, const StageShape& s) = 0;
  virtual void dense_forward(float* out, const float* padded, const float* weight, const void* weight_forward,
                             const float* bias, bool relu, int n, const StageShape& s) = 0;
  virtual void dense_weight_gradient(float* d_weight, const float* padded, const float* d_out, int n,
                                     const StageShape& s) = 0;                                          // +=
  virtual void dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) = 0;  // +=
  // d_src (n, src map): through convolution and pool, times scale, zero where `activation` (the source after ReLU and
  // dropout) is 0.
  virtual void dense_input_gradient(float* d_src, const float* d_out, const float* weight, const void* weight_backward,
                                    const float* activation, float scale, int n, const StageShape& s) = 0;

  // ---- both modes
  virtual void read_out(const ReadoutTask& task, int n, const StageShape& s) = 0;
  // mask (n, out map) of 0 and 1: one draw per neuron from (seed, step, layer, image).
  virtual void dropout_mask(uint8_t* mask, uint64_t seed, const StepInputs* inputs, int64_t first_image, int n,
                            const StageShape& s) = 0;
  virtual void apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) = 0;
  virtual void apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) = 0;
  // The copy of the weights that spiking_forward and dense_forward read beside the weights themselves; 0 bytes if they
  // need none.
  virtual size_t forward_bytes(const StageShape& s) const {
    (void)s;
    return 0;
  }
  virtual void pack_forward(void* to, const float* weight, const StageShape& s) { (void)to, (void)weight, (void)s; }
  // The same for input_gradient (dense = false) or dense_input_gradient (dense = true).
  virtual size_t backward_bytes(bool dense, const StageShape& s) const = 0;
  virtual void pack_backward(void* to, const float* weight, bool dense, const StageShape& s) = 0;

  // ---- update
  // total += sum of squares.
  virtual void squared_norm(double* total, const float* values, int64_t count) = 0;
  // gradient_scale, and finite &= whether the loss and norm that are there are.
  virtual void finish_gradient(StepResult* result, const StepInputs* inputs) = 0;
  // Does nothing unless result->finite. Gradients are taken times result->gradient_scale. `count` is a multiple of
  // kLane.
  virtual void update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
                      OptimizerKind kind, const UpdateParams* p, const StepResult* result) = 0;
  // Brings `count` pairs of threshold and leak back into their ranges, unless nothing was updated.
  virtual void clamp_neurons(float* neurons, int count, const StepResult* result) = 0;
};

// ---- native/cuda: ERR_NO_BACKEND with the reason if the device cannot run the kernels
Status make_cuda_backend(int device, Precision precision, std::unique_ptr<Backend>* backend);

// ---- native/cpu
std::unique_ptr<Backend> make_cpu_backend(int threads, Precision precision);
std::vector<std::string> cpu_targets();  // instruction sets that this processor and binary share, best first
std::string cpu_target_name();           // the one chosen at run time
void limit_cpu_target(size_t first);     // for tests: leave out the `first` best of cpu_targets(), process-wide
void allow_native_bf16(bool allowed);    // for tests: leave out the bf16 instructions of AVX-512, process-wide
// For tests and timings: how the input gradient of convolutions is summed, process-wide.
enum class GradientKernel { kMeasured, kEvents, kDense };
void force_gradient_kernel(GradientKernel kernel);

}  // namespace onespike
