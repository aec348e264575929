// The CPU's table of kernels: splits every operation into tasks for the pool. Scratch is kept between calls.
#pragma once

#include <functional>
#include <vector>

#include "core/backend/backend.h"
#include "core/thread_pool.h"
#include "cpu/events/event_buckets.h"
#include "cpu/dense/dense.h"
#include "cpu/events/event_lists.h"
#include "cpu/events/gradient_choice.h"
#include "cpu/events/gradient_events.h"
#include "cpu/events/row_events.h"
#include "cpu/gradient/receiver.h"
#include "cpu/simd/scratch.h"
#include "cpu/forward/spike_filter.h"
#include "cpu/forward/spike_tables.h"

namespace onespike::cpu {

// A tile of destination channels of a dense product.
struct DenseTile {
  const float* weight;  // forward: packed weights of the tile; gradient: of the stage
  int64_t row;          // gradient: first row of every tap
  int width;
  int64_t shift;  // of its first channel in a destination cell
  const float* bias;
};

// What one thread of an operation has for itself.
struct Worker {
  explicit Worker(ScratchSet& set) : memory(set) {}
  float* floats() const { return static_cast<float*>(static_cast<void*>(memory.data())); }

  Scratch<uint32_t> memory;
  const DenseTile* packed = nullptr;  // whose panel it holds, in a dense product
};

// Distances in a destination map.
struct DenseStrides {
  int64_t image, row, column;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, Precision precision);
  const char* name() const override { return "cpu"; }
  ChunkLimits limits() const override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void zero(void* memory, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void release_scratch() override;
  int64_t workspace_held() const override { return scratch_.bytes(); }

  void encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image,
              const EncodeParams& p) override;
  void draw_batch(const DrawTask& task) override;

  void sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) override;
  void count_events(int64_t* total, const uint8_t* times, int64_t count) override;
  void spiking_forward(uint8_t* times, float* potential, const float* weight, const void* weight_forward,
                       const float* bias, const float* current, bool current_always, int n, const NeuronParams& p,
                       const StageShape& s) override;
  void accumulate_gradient(float* gradient, const float* potential, int n, bool keep_events, const NeuronParams& p,
                           const StageShape& s) override;
  void weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps,
                       const StageShape& s) override;
  void bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) override;
  void input_gradient(float* potential_below, const float* potential, const float* weight, const void* weight_backward,
                      const uint8_t* times_below, const uint8_t* mask, float scale, int n, const NeuronParams& p,
                      const NeuronParams& below, const StageShape& below_shape, const StageShape& s,
                      float* d_neuron_below) override;
  void analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps,
                       const StageShape& s) override;

  void pack_input(float* padded, const float* src, int n, const StageShape& s) override;
  void dense_forward(float* out, const float* padded, const float* weight, const void* weight_forward,
                     const float* bias, bool relu, int n, const StageShape& s) override;
  void dense_weight_gradient(float* d_weight, const float* padded, const float* d_out, int n,
                             const StageShape& s) override;
  void dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) override;
  void dense_input_gradient(float* d_src, const float* d_out, const float* weight, const void* weight_backward,
                            const float* activation, float scale, int n, const StageShape& s) override;

  void read_out(const ReadoutTask& task, int n, const StageShape& s) override;
  void dropout_mask(uint8_t* mask, uint64_t seed, const StepInputs* inputs, int64_t first_image, int n,
                    const StageShape& s) override;
  void apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) override;
  void apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) override;
  void begin_batch() override { gradient_choice_.forget(); }
  KernelChoice last_choice() const override { return choice_; }
  size_t backward_bytes(bool dense, const StageShape& s) const override;
  void pack_backward(void* to, const float* weight, bool dense, const StageShape& s) override;
  void squared_norm(double* total, const float* values, int64_t count) override;
  void finish_gradient(StepResult* result, const StepInputs* inputs) override;
  void update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
              OptimizerKind kind, const UpdateParams* p, const StepResult* result) override;
  void clamp_neurons(float* neurons, int count, const StepResult* result) override;

 private:
  void table_forward(const ForwardTask& forward, int n);
  void filter_forward(const ForwardTask& exact, const FilterWeights& rounded, int n);
  void linear_weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps,
                              const StageShape& s);
  // Both return the number of tasks, each with its part of the neuron gradients in partial_.
  int64_t linear_input_gradient(const Receiver& neurons, const float* weight, int n);
  int64_t conv_input_gradient(const Receiver& neurons, const float* a, const void* weight, bool dense, int n);
  // Whether the stage's gradient events go in pairs of bf16.
  bool gradient_pairs(const StageShape& s) const;
  using PackPanel = std::function<void(uint32_t* panel, const DenseTile& tile)>;
  // The first stage reads images: its products are few and stay in 32 bits.
  Precision precision_of(const StageShape& s) const;
  // Runs every task(worker, i), a worker on one thread at a time and with as many words of memory as asked for.
  void each_worker(int64_t tasks, int64_t words, const std::function<void(Worker& worker, int64_t i)>& task);
  void dense_product(const DenseTask& common, const DenseWalk& walk, const std::vector<DenseTile>& tiles, int n,
                     int64_t source_image, const DenseStrides& to, int64_t panel_words, const PackPanel& pack);

  ThreadPool pool_;
  Precision precision_;
  ScratchSet scratch_;  // of all members below
  EventLists forward_events_{scratch_};
  bool by_tables_ = false;  // how spiking_forward goes through the events that were sorted last
  WindowBits window_bits_{scratch_};
  Scratch<float> tables_{scratch_};
  FilterStore filter_{scratch_};
  Scratch<float> filter_scalars_{scratch_};
  Scratch<Doubt> doubts_{scratch_};
  GradientEvents gradient_events_{scratch_};
  GradientChoice gradient_choice_;
  EventBuckets buckets_{scratch_};
  RowEvents row_events_{scratch_};
  std::vector<Worker> workers_;  // one per thread
  Scratch<uint16_t> gradient_halves_{scratch_};
  Scratch<NeuronGradient> partial_{scratch_};
  Scratch<double> sums_{scratch_};
  Scratch<int64_t> counts_{scratch_};
  Scratch<float> d_logits_{scratch_};  // of one image
  KernelChoice choice_;
  float source_scale_ = 1;
};

}  // namespace onespike::cpu
