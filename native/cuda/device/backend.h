// The CUDA backend's table of kernels: one device, one stream, on which everything takes effect in order; what travels
// between ranks has another (cuda/ranks/side_queue.h). Nothing waits for the device but download() and finish().
#pragma once

#include <limits>
#include <map>
#include <memory>

#include "core/backend/backend.h"
#include "cuda/choice/choice.h"
#include "cuda/choice/crossing.h"
#include "cuda/device/launch.h"
#include "cuda/ranks/side_queue.h"
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

// Workspaces of sums over rows, of read_out, and of the gradients of schedules.
size_t columns_bytes(int stride);
size_t readout_bytes(int64_t n);
size_t schedule_bytes(int timesteps);

// Rows whose columns are added up: floats, or bf16 with so many rows to an image.
struct ColumnValues {
  const float* floats = nullptr;
  const uint16_t* halves = nullptr;
  int64_t image_rows = 0, image_stride = 0;
  // Weights that the rows of every step have and their sums do not want: so many steps of so many rows. Null: none.
  const float* kappa = nullptr;
  int64_t steps = 1, step_rows = 1;
};

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, Precision precision) : device_(device), precision_(precision) {}
  ~CudaBackend() override;
  Status create();

  ChunkLimits limits() const override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  size_t workspace_bytes(const WorkspaceUse& use) const override;
  bool reserve_workspace(size_t bytes) override;
  int64_t workspace_held() const override { return int64_t(workspace_.bytes()); }
  int64_t available_bytes() const override;
  bool host_memory() const override { return false; }
  int64_t resident_bytes() const override { return device_bytes_ / 4; }
  int steps_at_once() const override;
  void begin_batch() override;
  SideQueue* side_queue() override;
  KernelChoice resolve(const KernelChoice& choice) override;
  size_t forward_bytes(const StageShape& s) const override;
  size_t backward_bytes(bool dense, const StageShape& s) const override;
  size_t density_bytes() const override { return sizeof(Decision); }

 protected:
  KernelChoice execute(const ZeroTask& task) override;
  KernelChoice execute(const EncodeTask& task) override;
  KernelChoice execute(const DrawTask& task) override;
  KernelChoice execute(const DropoutMaskTask& task) override;
  KernelChoice execute(const MaskTimesTask& task) override;
  KernelChoice execute(const MaskValuesTask& task) override;
  KernelChoice execute(const CountEventsTask& task) override;
  KernelChoice execute(const SpikingForwardTask& task) override;
  KernelChoice execute(const SpikingBackwardTask& task) override;
  KernelChoice execute(const RelaxTask& task) override;
  KernelChoice execute(const RelaxGradientTask& task) override;
  KernelChoice execute(const ScheduleGradientTask& task) override;
  KernelChoice execute(const WeightGradientTask& task) override;
  KernelChoice execute(const BiasGradientTask& task) override;
  KernelChoice execute(const AnalogGradientTask& task) override;
  KernelChoice execute(const PackInputTask& task) override;
  KernelChoice execute(const DenseForwardTask& task) override;
  KernelChoice execute(const DenseWeightGradientTask& task) override;
  KernelChoice execute(const DenseBiasGradientTask& task) override;
  KernelChoice execute(const DenseInputGradientTask& task) override;
  KernelChoice execute(const NormStatisticsTask& task) override;
  KernelChoice execute(const NormForwardTask& task) override;
  KernelChoice execute(const NormBackwardTask& task) override;
  KernelChoice execute(const BinaryForwardTask& task) override;
  KernelChoice execute(const BinaryBackwardTask& task) override;
  KernelChoice execute(const CodeTablesTask& task) override;
  KernelChoice execute(const PixelLevelsTask& task) override;
  KernelChoice execute(const MaxPoolTask& task) override;
  KernelChoice execute(const MaxPoolBackwardTask& task) override;
  KernelChoice execute(const CodedForwardTask& task) override;
  KernelChoice execute(const QuantiseTask& task) override;
  KernelChoice execute(const CodeGradientTask& task) override;
  KernelChoice execute(const PullPairTask& task) override;
  KernelChoice execute(const SendingPenaltyTask& task) override;
  KernelChoice execute(const RoundWeightsTask& task) override;
  KernelChoice execute(const ScaleTask& task) override;
  KernelChoice execute(const RunningStatisticsTask& task) override;
  KernelChoice execute(const FoldNormTask& task) override;
  KernelChoice execute(const FoldNormBackwardTask& task) override;
  KernelChoice execute(const ProductTask& task) override;
  KernelChoice execute(const DotTask& task) override;
  KernelChoice execute(const PoolWeightsTask& task) override;
  KernelChoice execute(const PoolWeightsBackwardTask& task) override;
  KernelChoice execute(const PackForwardTask& task) override;
  KernelChoice execute(const PackBackwardTask& task) override;
  KernelChoice execute(const ReadoutTask& task) override;
  KernelChoice execute(const SquaredNormTask& task) override;
  KernelChoice execute(const FinishGradientTask& task) override;
  KernelChoice execute(const UpdateTask& task) override;
  KernelChoice execute(const ClampNeuronsTask& task) override;
  KernelChoice execute(const AddTask& task) override;
  KernelChoice execute(const AddResultTask& task) override;
  KernelChoice execute(const AverageTask& task) override;
  KernelChoice execute(const SpikeCostTask& task) override;
  KernelChoice execute(const ActivityTask& task) override;
  Status record(uint64_t key, const std::function<Status()>& enqueue) override;
  Status wait() override;
  Recorded recording() const override { return recorded_; }

 private:
  // A step that was met before: run once as it is, then recorded.
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
  struct Recording {
    uint64_t epoch = kNever;  // in which it was run
    bool refused = false;     // the driver would not record it
    cudaGraphExec_t graph = nullptr;
  };

  double* columns_workspace(int stride);                                              // of sum_columns
  void add_columns(float* to, const ColumnValues& values, int64_t rows, int stride);  // += sums over rows
  // Whether the stage goes to the tensor cores; in dense operations with one step.
  bool takes_tensor_cores(const StageShape& s, int timesteps) const {
    return precision_ == Precision::kMixed && !s.coded && tensor_core::takes(s, timesteps);
  }
  KernelChoice choice_for(const StageShape& s, int timesteps) const {
    return {.kernel = takes_tensor_cores(s, timesteps) ? "bf16 tensor cores" : "fp32"};
  }
  // Whether density decides how it reads the spikes of `source`: what was counted goes to `density`.
  bool follows_density(const SpikeSource& source, const void* density, const StageShape& s, int timesteps) const {
    return density && source.times && timesteps <= kEventSteps && takes_tensor_cores(s, timesteps) &&
           events_may_win(timesteps, s);
  }
  void* tensor_workspace(int n, int timesteps, const StageShape& s);
  Status capture(Recording& recording, const std::function<Status()>& enqueue);
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
  std::unique_ptr<CudaSideQueue> side_queue_;  // where somebody asked for it
  std::map<uint64_t, Recording> recordings_;
  Recorded recorded_{false, "no step has been repeated yet"};
  bool refused_ = false;  // a recording, ever
  uint64_t epoch_ = 0;    // counts allocations: recordings hold addresses
};

}  // namespace onespike::cuda
