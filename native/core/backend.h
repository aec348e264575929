// The table of kernels that core calls. A backend (native/cpu, native/cuda) fills it and knows nothing of networks;
// core knows nothing of SIMD or devices. All pointers are the backend's own memory, from allocate().
//
// Letters: n images of the chunk, T steps, S the stage. Byte maps are (n, h, w, cs), NHWC, 0 = never fired. Potentials
// are (n, T, out_h, out_w, out_cs), gradients n * T * grad_step floats. Weights are packed: tile of output channels, tap, source
// channel, channel within the tile. Gradients of convolutions and the backward copy of weights are laid out as the backend
// likes. Every kernel overwrites its outputs unless it says `+=`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/status.h"
#include "ops/readout.h"
#include "ops/shape.h"
#include "ops/surrogate.h"
#include "ops/update.h"

namespace onespike {

// How image bytes become input.
struct EncodeParams {
  Encoder encoder = Encoder::kHybrid;
  int channels = 0, height = 0, width = 0, timesteps = 0;
  const float* mean = nullptr;  // (C), host
  const float* std = nullptr;
  double lo = 0, hi = 1;
  uint64_t seed = 0, step = 0;  // of the rate encoder
  int last = 0;                 // spikes after this step are left out; rate is (n, last, H, W, C)
};

// What a stage reads. Exactly one of `times` and `rate` is set, or neither when the input is analog alone.
struct SpikeSource {
  const uint8_t* times = nullptr;  // (n, src_h, src_w, src_cs)
  const int8_t* rate = nullptr;    // (n, T, src_h, src_w, src_cs): -1, 0, 1; the rate encoder fires more than once
  float scale = 1;                 // weight of one event: 1/pool^2, and 1/(1 - rate) of the dropout before
};

// Scalars of one spiking layer.
struct NeuronParams {
  int timesteps = 0;
  float threshold = 1, leak = 1;  // an infinite threshold never fires
  SurrogateParams surrogate;
};

// Which kernel an operation used, for people: its name, and the measured share of operands that it was chosen for or, of the
// filter of the forward pass, left in doubt (else 1).
struct KernelChoice {
  const char* kernel = "";
  double density = 1;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const char* name() const = 0;

  // ---- memory: zeroed; null when there is none left
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from_host, size_t bytes) = 0;
  virtual void download(void* to_host, const void* from, size_t bytes) = 0;
  virtual void zero(void* memory, size_t bytes) = 0;

  // Called before every batch: forgets what choices of kernels remember, so that a batch has the same result in a
  // resumed run as in one that was never interrupted.
  virtual void begin_batch() {}
  // Of the operation that ran last.
  virtual KernelChoice last_choice() const { return {}; }

  // ---- input: pixels (n, C, H, W) in host memory -> NHWC. Null outputs are not wanted.
  virtual void encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image,
                      const EncodeParams& p) = 0;

  // ---- spiking mode
  // Sorts the events of the stage's source by step, for spiking_forward.
  virtual void sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) = 0;
  // Number of non-zero bytes.
  virtual int64_t count_events(const uint8_t* times, int64_t count) = 0;
  // LIF over all steps, using the sorted events. `current` (n, out cells, out_cs) is an analog input current added at
  // step 1, or at every step if `current_always`. `potential` null = not kept.
  virtual void spiking_forward(uint8_t* times, float* potential, const float* weight, const float* bias, const float* current,
                               bool current_always, int n, const NeuronParams& p, const StageShape& s) = 0;
  // g(t) = a(t) + leak * g(t+1) with its border of zeros, from the a(t) that replaced the potentials; keeps the non-zero a(t)
  // as events for input_gradient if `keep_events`.
  virtual void accumulate_gradient(float* gradient, const float* potential, int n, bool keep_events, const NeuronParams& p, const StageShape& s) = 0;
  // d_weight += sum over events of g at the time and place of the event, times source.scale. Of a linear stage, n may be the
  // images of several chunks: it costs a pass over all weights.
  virtual void weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps,
                               const StageShape& s) = 0;
  virtual void bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) = 0;  // +=
  // Wt g through the events of accumulate_gradient(s), times the surrogate of the source neurons: replaces U(t) of the
  // stage below by its a(t). `mask` (n, src map) of the dropout or null. d += gradients of its threshold and leak.
  virtual void input_gradient(float* potential_below, const float* weight, const void* weight_backward, const uint8_t* times_below,
                              const uint8_t* mask, float scale, int n, float leak, const NeuronParams& below, const StageShape& below_shape,
                              const StageShape& s, NeuronGradient* d) = 0;
  // Analog current of the first stage's gradient: g(1), or the sum over all steps. -> (n, out cells, out_cs)
  virtual void analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps, const StageShape& s) = 0;

  // ---- dense (ANN mode and analog input)
  // Average-pools src (n, src_h, src_w, src_cs) into the map that dense_forward and dense_weight_gradient read: room for
  // (n, padded_h, padded_w, src_cs) floats, laid out as the backend likes.
  virtual void pack_input(float* padded, const float* src, int n, const StageShape& s) = 0;
  virtual void dense_forward(float* out, const float* padded, const float* weight, const float* bias, bool relu, int n,
                             const StageShape& s) = 0;
  virtual void dense_weight_gradient(float* d_weight, const float* padded, const float* d_out, int n, const StageShape& s) = 0;  // +=
  virtual void dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) = 0;                            // +=
  // d_src (n, src map): through convolution and pool, times scale, zero where `activation` (the source after ReLU and
  // dropout) is 0.
  virtual void dense_input_gradient(float* d_src, const float* d_out, const float* weight, const void* weight_backward,
                                    const float* activation, float scale, int n, const StageShape& s) = 0;

  // ---- both modes
  // mask (n, out map) of 0 and 1: one draw per neuron from (seed, step, layer, image).
  virtual void dropout_mask(uint8_t* mask, uint64_t seed, uint64_t step, int64_t first_image, int n, const StageShape& s) = 0;
  virtual void apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) = 0;
  virtual void apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) = 0;
  // The copy of the weights that input_gradient (dense = false) or dense_input_gradient (dense = true) reads beside the
  // weights themselves; 0 bytes if it needs none.
  virtual size_t backward_bytes(bool dense, const StageShape& s) const = 0;
  virtual void pack_backward(void* to, const float* weight, bool dense, const StageShape& s) = 0;
  virtual void update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
                      OptimizerKind kind, const UpdateParams& p) = 0;
  virtual double squared_norm(const float* values, int64_t count) = 0;
};

// ---- native/cpu
std::unique_ptr<Backend> make_cpu_backend(int threads, Precision precision);
std::vector<std::string> cpu_targets();  // instruction sets that this processor and binary share, best first
std::string cpu_target_name();           // the one chosen at run time
void limit_cpu_target(size_t first);     // for tests: leave out the `first` best of cpu_targets(), process-wide
void allow_native_bf16(bool allowed);    // for tests: leave out the bf16 instructions of AVX-512, process-wide

}  // namespace onespike
