// The CPU's table of kernels: splits every operation into tasks for the pool. Scratch is kept between calls.
#pragma once

#include "core/backend.h"
#include "core/thread_pool.h"
#include "cpu/events.h"
#include "cpu/scratch.h"

namespace onespike::cpu {

class CpuBackend final : public Backend {
 public:
  CpuBackend(int threads, Precision precision) : pool_(threads), precision_(precision) {}
  const char* name() const override { return "cpu"; }

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void zero(void* memory, size_t bytes) override;

  void encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image, const EncodeParams& p) override;

  void sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) override;
  int64_t count_events(const uint8_t* times, int64_t count) override;
  void spiking_forward(uint8_t* times, float* potential, const float* weight, const float* bias, const float* current,
                       bool current_always, int n, const NeuronParams& p, const StageShape& s) override;
  void accumulate_gradient(float* gradient, const float* potential, int n, bool keep_events, const NeuronParams& p, const StageShape& s) override;
  void weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n, int timesteps, const StageShape& s) override;
  void bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) override;
  void input_gradient(float* potential_below, const float* weight, const void* weight_backward, const uint8_t* times_below,
                      const uint8_t* mask, float scale, int n, float leak, const NeuronParams& below, const StageShape& below_shape, const StageShape& s,
                      NeuronGradient* d) override;
  void analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps, const StageShape& s) override;

  void pack_input(float* padded, const float* src, int n, const StageShape& s) override;
  void dense_forward(float* out, const float* padded, const float* weight, const float* bias, bool relu, int n, const StageShape& s) override;
  void dense_weight_gradient(float* d_weight, const float* padded, const float* d_out, int n, const StageShape& s) override;
  void dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) override;
  void dense_input_gradient(float* d_src, const float* d_out, const float* weight, const void* weight_backward, const float* activation,
                            float scale, int n, const StageShape& s) override;

  void dropout_mask(uint8_t* mask, uint64_t seed, uint64_t step, int64_t first_image, int n, const StageShape& s) override;
  void apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) override;
  void apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) override;
  size_t backward_bytes(bool dense, const StageShape& s) const override;
  void pack_backward(void* to, const float* weight, bool dense, const StageShape& s) override;
  void update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count, OptimizerKind kind,
              const UpdateParams& p) override;
  double squared_norm(const float* values, int64_t count) override;

 private:
  ThreadPool pool_;
  Precision precision_;
  EventRows forward_events_, gradient_events_;
  EventBuckets buckets_;
  Scratch<float> padded_gradient_, pooled_gradient_;
  Scratch<NeuronGradient> partial_;
  Scratch<double> sums_;
  Scratch<int64_t> counts_;
  float source_scale_ = 1;
};

}  // namespace onespike::cpu
