// The CUDA backend's table of kernels: one device, one stream, on which everything takes effect in order. Nothing waits
// for the device but download() and finish().
#pragma once

#include <map>
#include <memory>

#include "core/backend/backend.h"
#include "cuda/choice/choice.h"
#include "cuda/device/launch.h"
#include "cuda/simt/simt.h"
#include "cuda/tensor/tensor_core.h"
#include "cuda/device/workspace.h"

namespace onespike::cuda {

// Pinned memory on the way to the device, in two halves: one fills while the copies from the other are under way.
class Staging {
 public:
  static constexpr size_t kHalf = 4 << 20;

  bool create(Stream& stream);
  void destroy();
  // Copies from memory that the caller may change at once.
  void upload(Stream& stream, void* to, const void* from, size_t bytes);

 private:
  char* memory_ = nullptr;
  cudaEvent_t sent_[2] = {};
  int half_ = 0;
  size_t used_ = 0;
};

// Workspaces of sums over rows, and of read_out.
size_t columns_bytes(int stride);
size_t readout_bytes(int64_t n);

// Rows whose columns are added up: floats, or bf16 with so many rows to an image.
struct ColumnValues {
  const float* floats = nullptr;
  const uint16_t* halves = nullptr;
  int64_t image_rows = 0, image_stride = 0;
};

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, Precision precision) : device_(device), precision_(precision) {}
  ~CudaBackend() override;
  Status create();

  const char* name() const override { return "cuda"; }
  ChunkLimits limits() const override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void zero(void* memory, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  size_t workspace_bytes(int64_t n, int timesteps, bool backward, const StageShape& s) const override;
  bool reserve_workspace(size_t bytes) override;
  int64_t workspace_held() const override { return int64_t(workspace_.bytes()); }
  int64_t available_bytes() const override;
  bool host_memory() const override { return false; }
  int64_t resident_bytes() const override { return device_bytes_ / 4; }
  int steps_at_once() const override;
  Status replay(uint64_t key, const std::function<Status()>& enqueue) override;
  Recorded recorded() const override { return recorded_; }
  Status finish() override;
  void begin_batch() override;
  KernelChoice last_choice() const override;

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
  size_t forward_bytes(const StageShape& s) const override;
  void pack_forward(void* to, const float* weight, const StageShape& s) override;
  size_t backward_bytes(bool dense, const StageShape& s) const override;
  void pack_backward(void* to, const float* weight, bool dense, const StageShape& s) override;
  void squared_norm(double* total, const float* values, int64_t count) override;
  void finish_gradient(StepResult* result, const StepInputs* inputs) override;
  void update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
              OptimizerKind kind, const UpdateParams* p, const StepResult* result) override;
  void clamp_neurons(float* neurons, int count, const StepResult* result) override;

 private:
  // A step that was met before: run once as it is, then recorded.
  struct Recording {
    uint64_t epoch = 0;
    bool refused = false;  // the driver would not record it
    cudaGraphExec_t graph = nullptr;
  };

  void add_columns(float* to, const ColumnValues& values, int64_t rows, int stride);  // += sums over rows
  // Whether the stage goes to the tensor cores; in dense operations with one step.
  bool takes_tensor_cores(const StageShape& s, int timesteps) const {
    return precision_ == Precision::kMixed && tensor_core::takes(s, timesteps);
  }
  bool on_tensor_cores(const StageShape& s, int timesteps);
  // Whether density decides how it reads the spikes of `source`.
  bool follows_density(const SpikeSource& source, const StageShape& s, int timesteps) const {
    return source.times && timesteps <= kEventSteps && takes_tensor_cores(s, timesteps);
  }
  void* tensor_workspace(int n, int timesteps, const StageShape& s);
  Status record(Recording& recording, const std::function<Status()>& enqueue);
  void refuse(Recording& recording, const char* call, cudaError_t error);
  void forget(Recording& recording);
  void forget_recordings();

  int device_;
  Precision precision_;
  int64_t device_bytes_ = 0;
  Stream stream_;
  Status failed_;  // of the device; it stays
  Staging staging_;
  Workspace workspace_;
  std::map<uint64_t, Recording> recordings_;
  Recorded recorded_{false, "no step has been repeated yet"};
  bool refused_ = false;             // a recording, ever
  uint64_t epoch_ = 0;               // counts allocations: recordings hold addresses
  SpikeSource source_;               // of sort_events
  const float* gradient_ = nullptr;  // of accumulate_gradient
  Choices choices_;
  // Of the operation before. Where density decides only the device knows: the layer, and which of its operations.
  static constexpr const char* kByDensity = "by density";
  KernelChoice choice_;
  int decided_layer_ = 0;
  bool decided_weight_gradient_ = false;
};

}  // namespace onespike::cuda
