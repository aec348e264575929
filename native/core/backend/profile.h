// Where the time goes: a backend that passes every call on to another one and adds up its wall time per layer and
// operation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend/backend.h"

namespace onespike {

struct ProfileEntry {
  int layer = -1;           // entry of the layer list, -1 for work on the whole network
  std::string operation;    // name of the table's function
  KernelChoice choice;      // of the last call
  double milliseconds = 0;  // sum over the calls
  int64_t calls = 0;
};

// Calls that belong to no operation of a step (memory, transfers) pass untimed.
class ProfiledBackend final : public Backend {
 public:
  explicit ProfiledBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  // What was measured since the last call, in order of first appearance.
  std::vector<ProfileEntry> take();

  const char* name() const override { return inner_->name(); }
  void* allocate(size_t bytes) override { return inner_->allocate(bytes); }
  void release(void* memory) override { inner_->release(memory); }
  void release_scratch() override { inner_->release_scratch(); }
  void upload(void* to, const void* from_host, size_t bytes) override { inner_->upload(to, from_host, bytes); }
  void download(void* to_host, const void* from, size_t bytes) override { inner_->download(to_host, from, bytes); }
  void zero(void* memory, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override { inner_->copy(to, from, bytes); }
  ChunkLimits limits() const override { return inner_->limits(); }
  size_t workspace_bytes(int64_t n, int timesteps, bool backward, const StageShape& s) const override {
    return inner_->workspace_bytes(n, timesteps, backward, s);
  }
  bool reserve_workspace(size_t bytes) override { return inner_->reserve_workspace(bytes); }
  int64_t workspace_held() const override { return inner_->workspace_held(); }
  int64_t available_bytes() const override { return inner_->available_bytes(); }
  bool host_memory() const override { return inner_->host_memory(); }
  int64_t resident_bytes() const override { return inner_->resident_bytes(); }
  int steps_at_once() const override { return inner_->steps_at_once(); }
  // Never recorded: every operation is measured for itself.
  Status replay(uint64_t, const std::function<Status()>& enqueue) override { return enqueue(); }
  Recorded recorded() const override { return {false, "every operation is measured for itself"}; }
  Status finish() override;
  void begin_batch() override { inner_->begin_batch(); }
  KernelChoice last_choice() const override { return inner_->last_choice(); }

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
  size_t forward_bytes(const StageShape& s) const override { return inner_->forward_bytes(s); }
  void pack_forward(void* to, const float* weight, const StageShape& s) override;
  size_t backward_bytes(bool dense, const StageShape& s) const override { return inner_->backward_bytes(dense, s); }
  void pack_backward(void* to, const float* weight, bool dense, const StageShape& s) override;
  void squared_norm(double* total, const float* values, int64_t count) override;
  void finish_gradient(StepResult* result, const StepInputs* inputs) override;
  void update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
              OptimizerKind kind, const UpdateParams* p, const StepResult* result) override;
  void clamp_neurons(float* neurons, int count, const StepResult* result) override;

 private:
  template <class F>
  void timed(const char* operation, int layer, const F& call);

  std::unique_ptr<Backend> inner_;
  std::vector<ProfileEntry> entries_;
  Status failed_;  // what an operation met since the last finish()
};

}  // namespace onespike
