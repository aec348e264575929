// The table of kernels that core calls. A backend (native/cpu, native/cuda) fills it and knows nothing of networks;
// core knows nothing of SIMD or devices. All pointers are the backend's own memory, from allocate(): whatever a kernel
// writes lies there, and whatever varies from step to step is read there, so that a device can run a whole step, or
// replay a recorded one, before the host reads a number. Nothing answers the host but allocate, upload, download and
// finish.
//
// An operation is one task: a plain value that names everything that it reads and writes. No operation remembers
// another one for its result; what it keeps in scratch is overwritten by the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/backend/activity_tasks.h"
#include "core/backend/binary_tasks.h"
#include "core/backend/code_tasks.h"
#include "core/backend/dense_tasks.h"
#include "core/backend/input_tasks.h"
#include "core/backend/norm_tasks.h"
#include "core/backend/profile.h"
#include "core/backend/recorded.h"
#include "core/backend/spiking_tasks.h"
#include "core/backend/step_tasks.h"
#include "core/backend/weight_tasks.h"
#include "core/dataset.h"
#include "core/status.h"

namespace onespike {

// How many images pass together: as many as keep their buffers within these bytes, by the backend alone, never by what
// memory is free, because the order of summation follows.
struct ChunkLimits {
  int64_t training = 0, inference = 0, ann = 0;  // bytes of potentials and gradients, of byte maps, of activations
  int64_t block = 0;                             // bytes of what waits for the weight gradients of linear layers
  int images = 1, block_images = 1;
};

// The operations on n images of a stage that want memory beside the buffers; dense ones with one step.
struct WorkspaceUse {
  int64_t n = 0;
  int timesteps = 1;
  bool backward = false;
  StageShape shape;
  bool schedules = false;
};

class SideQueue;  // core/comm/device_link.h

class Backend {
 public:
  virtual ~Backend() = default;
  virtual ChunkLimits limits() const = 0;

  // ---- memory: zeroed; null when there is none left
  virtual void* allocate(size_t bytes) = 0;
  virtual void release(void* memory) = 0;
  virtual void upload(void* to, const void* from_host, size_t bytes) = 0;
  virtual void download(void* to_host, const void* from, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  // What operations need beside the buffers, and making it ready beforehand.
  virtual size_t workspace_bytes(const WorkspaceUse&) const { return 0; }
  virtual bool reserve_workspace(size_t) { return true; }
  // Bytes of workspace and scratch held now, and giving scratch back.
  virtual int64_t workspace_held() const { return 0; }
  virtual void release_scratch() {}
  // Bytes of the copies that PackForwardTask and PackBackwardTask make; 0 = none is needed.
  virtual size_t forward_bytes(const StageShape&) const { return 0; }
  virtual size_t backward_bytes(bool dense, const StageShape& shape) const = 0;
  // Bytes of what SpikingForwardTask counts for WeightGradientTask; 0 = nothing.
  virtual size_t density_bytes() const { return 0; }
  // Bytes that could be allocated now, for messages; -1 = unknown.
  virtual int64_t available_bytes() const { return -1; }
  // Whether its memory is the host's, so that arrays of the host are read where they lie.
  virtual bool host_memory() const { return true; }
  // Bytes of the largest data set that is worth keeping in its memory; 0 = batches are drawn by the host.
  virtual int64_t resident_bytes() const { return 0; }
  // Training steps worth enqueueing before the host reads a number; 1 where every call is done when it returns.
  virtual int steps_at_once() const { return 1; }

  // ---- order: calls take effect one after the other
  // Called before every batch, on the thread that computes it.
  virtual void begin_batch() {}
  // Runs an operation: one of the overloads of execute() below. Measured if there is a profile.
  template <class Task>
  KernelChoice run(const Task& task) {
    return profile_ ? timed(task) : execute(task);
  }
  // Enqueues the calls of a step. A device may record them and replay the recording when it meets `key` again, which
  // stands for all that the calls depend on but contents of memory. The status is that of `enqueue`.
  Status replay(uint64_t key, const std::function<Status()>& enqueue) {
    return profile_ ? enqueue() : record(key, enqueue);  // a recording cannot be measured by operation
  }
  // Whether replay() has replayed a recording; false for ever once a device refused one.
  Recorded recorded() const {
    return profile_ ? Recorded{false, "every operation is measured for itself"} : recording();
  }
  // Waits for all calls so far. Errors: kCuda with the call and the kernel that failed, which stays; kOom, once.
  Status finish();
  // For what travels between ranks beside these calls; null where there is nothing but these.
  virtual SideQueue* side_queue() { return nullptr; }
  // The choice with what the device knows of it. Waits for the device.
  virtual KernelChoice resolve(const KernelChoice& choice) { return choice; }

  // From now on every operation is waited for and measured; `profile` outlives the backend's operations. An operation
  // that fails is the last to run until finish() has said so.
  void measure(Profile* profile) { profile_ = profile; }

 protected:
  // ---- the operations, what each returns is for profiles and its own next call: input
  virtual KernelChoice execute(const ZeroTask& task) = 0;
  virtual KernelChoice execute(const EncodeTask& task) = 0;
  virtual KernelChoice execute(const DrawTask& task) = 0;
  virtual KernelChoice execute(const DropoutMaskTask& task) = 0;
  virtual KernelChoice execute(const MaskTimesTask& task) = 0;
  virtual KernelChoice execute(const MaskValuesTask& task) = 0;
  virtual KernelChoice execute(const CountEventsTask& task) = 0;
  // ---- spiking mode
  virtual KernelChoice execute(const SpikingForwardTask& task) = 0;
  virtual KernelChoice execute(const SpikingBackwardTask& task) = 0;
  virtual KernelChoice execute(const RelaxTask& task) = 0;
  virtual KernelChoice execute(const RelaxGradientTask& task) = 0;
  virtual KernelChoice execute(const ScheduleGradientTask& task) = 0;
  virtual KernelChoice execute(const WeightGradientTask& task) = 0;
  virtual KernelChoice execute(const BiasGradientTask& task) = 0;
  virtual KernelChoice execute(const AnalogGradientTask& task) = 0;
  // ---- dense
  virtual KernelChoice execute(const PackInputTask& task) = 0;
  virtual KernelChoice execute(const DenseForwardTask& task) = 0;
  virtual KernelChoice execute(const DenseWeightGradientTask& task) = 0;
  virtual KernelChoice execute(const DenseBiasGradientTask& task) = 0;
  virtual KernelChoice execute(const DenseInputGradientTask& task) = 0;
  virtual KernelChoice execute(const NormStatisticsTask& task) = 0;
  virtual KernelChoice execute(const NormForwardTask& task) = 0;
  virtual KernelChoice execute(const NormBackwardTask& task) = 0;
  virtual KernelChoice execute(const BinaryForwardTask& task) = 0;
  virtual KernelChoice execute(const BinaryBackwardTask& task) = 0;
  virtual KernelChoice execute(const RunningStatisticsTask& task) = 0;
  virtual KernelChoice execute(const FoldNormTask& task) = 0;
  virtual KernelChoice execute(const FoldNormBackwardTask& task) = 0;
  virtual KernelChoice execute(const PoolWeightsTask& task) = 0;
  virtual KernelChoice execute(const PoolWeightsBackwardTask& task) = 0;
  // ---- coded networks
  virtual KernelChoice execute(const CodeTablesTask& task) = 0;
  virtual KernelChoice execute(const PixelLevelsTask& task) = 0;
  virtual KernelChoice execute(const MaxPoolTask& task) = 0;
  virtual KernelChoice execute(const MaxPoolBackwardTask& task) = 0;
  virtual KernelChoice execute(const CodedForwardTask& task) = 0;
  virtual KernelChoice execute(const QuantiseTask& task) = 0;
  virtual KernelChoice execute(const CodeGradientTask& task) = 0;
  virtual KernelChoice execute(const PullPairTask& task) = 0;
  virtual KernelChoice execute(const SendingPenaltyTask& task) = 0;
  virtual KernelChoice execute(const RoundWeightsTask& task) = 0;
  virtual KernelChoice execute(const ScaleTask& task) = 0;
  // ---- genes
  virtual KernelChoice execute(const ProductTask& task) = 0;
  virtual KernelChoice execute(const DotTask& task) = 0;
  // ---- the ends of a step
  virtual KernelChoice execute(const PackForwardTask& task) = 0;
  virtual KernelChoice execute(const PackBackwardTask& task) = 0;
  virtual KernelChoice execute(const ReadoutTask& task) = 0;
  virtual KernelChoice execute(const SquaredNormTask& task) = 0;
  virtual KernelChoice execute(const FinishGradientTask& task) = 0;
  virtual KernelChoice execute(const UpdateTask& task) = 0;
  virtual KernelChoice execute(const ClampNeuronsTask& task) = 0;
  virtual KernelChoice execute(const AddTask& task) = 0;
  virtual KernelChoice execute(const AddResultTask& task) = 0;
  virtual KernelChoice execute(const AverageTask& task) = 0;
  virtual KernelChoice execute(const SpikeCostTask& task) = 0;
  virtual KernelChoice execute(const ActivityTask& task) = 0;

  virtual Status record(uint64_t, const std::function<Status()>& enqueue) { return enqueue(); }
  virtual Status wait() { return Status::success(); }
  virtual Recorded recording() const { return {false, "this backend records nothing"}; }

  // For an operation of several parts: in a profile, what it did since it began or since the part before is an entry of
  // its own, and what it does after its last part is the operation's.
  void end_part(const char* part, const KernelChoice& choice = {}) {
    if (profile_) add_entry(part, choice);
  }

 private:
  template <class Task>
  KernelChoice timed(const Task& task) {
    if (profile_->failed()) return {};
    int layer = kWholeNetwork;
    if constexpr (requires { task.shape.layer; }) layer = task.shape.layer;
    profile_->start(Task::kOperation, layer);
    const KernelChoice choice = execute(task);
    add_entry(Task::kOperation, choice);
    return choice;
  }
  void add_entry(const char* operation, const KernelChoice& choice);

  Profile* profile_ = nullptr;
};

}  // namespace onespike
