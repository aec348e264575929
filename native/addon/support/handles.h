// What the opaque handles of JavaScript stand for, and how they are told from any other object.
//
//   JS handle ──finalizer──> shared_ptr<NetworkEntry> <── Job (while it runs)
//   JS handle ──finalizer──> shared_ptr<DatasetEntry> ──> shared_ptr<const Dataset> <── Job, Prefetcher
//
// A handle may be disposed or collected at any time: the entry lives until its job has ended.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "addon/support/napi_setup.h"
#include "addon/support/runner.h"
#include "core/dataset.h"
#include "core/network.h"

namespace onespike::addon {

class Instance;

// Handles that are neither disposed nor collected; touched by the JS thread only.
struct LiveCounts {
  int networks = 0;
  int datasets = 0;
};

// Bytes told to V8, so that it collects handles in time.
class ExternalMemory {
 public:
  void report(Napi::Env env, int64_t bytes);

 private:
  int64_t reported_ = 0;
};

// Sizes that argument checks need; fixed at creation, so they may be read while a job runs.
struct NetworkShape {
  int channels = 0, height = 0, width = 0;
  int64_t image_size = 0;  // C * H * W
  int timesteps = 0;
  int64_t classes = 0;
  std::vector<int> layers;       // entry of the layer list, per spiking layer (output last)
  std::vector<int64_t> neurons;  // per spiking layer
  std::vector<TensorInfo> tensors;
  int steps_at_once = 1;
};

// What a task keeps busy while it runs, and the thread that it runs on. All members belong to the JS thread but `stop`.
// A derived class joins the runner before its members go, because the thread uses them.
class TaskOwner {
 public:
  TaskOwner() = default;
  TaskOwner(const TaskOwner&) = delete;
  TaskOwner& operator=(const TaskOwner&) = delete;
  virtual ~TaskOwner() = default;

  // Throws ERR_STATE when it was disposed or closed, ERR_BUSY while a task runs.
  virtual void require_idle() const = 0;
  // A task has ended.
  virtual void settle(Napi::Env env) = 0;
  // The environment ends, from its thread: what runs has to end.
  virtual void request_stop() { stop = true; }

  std::atomic<bool> stop{false};
  bool busy = false;
  Runner runner;
};

// All members belong to the JS thread but for `stop` and `progress`, and for `network` and `prefetcher` while `busy`.
class NetworkEntry : public TaskOwner {
 public:
  explicit NetworkEntry(std::shared_ptr<LiveCounts> live);
  ~NetworkEntry() override;

  // The network that a job of this entry has created. No handle leads to an entry without one.
  void adopt(std::unique_ptr<Network> created);

  // Throws ERR_STATE when disposed.
  void require_open() const;
  void require_idle() const override;
  // The network is gone at once, or when its job ends.
  void dispose(Napi::Env env);
  // The job has ended: measures the memory, or releases it when the network was disposed or collected meanwhile.
  void settle(Napi::Env env) override;
  // The handle was collected; a running job may go on, the memory is no longer V8's business.
  void collected(Napi::Env env);

  NetworkShape shape;
  std::unique_ptr<Network> network;
  std::unique_ptr<Prefetcher> prefetcher;
  std::atomic<int64_t> progress{0};  // of a simulation: steps of images; of a fit of genes: steps
  bool disposed = false;
  int64_t memory_bytes = 0;  // as of the end of the last job

 private:
  void close();

  bool collected_ = false;
  bool counted_ = true;
  ExternalMemory external_;
  std::shared_ptr<LiveCounts> live_;
};

class DatasetEntry {
 public:
  DatasetEntry(std::shared_ptr<const Dataset> data, std::shared_ptr<LiveCounts> live);
  ~DatasetEntry();

  const std::shared_ptr<const Dataset>& open() const;  // throws ERR_STATE when disposed
  void dispose(Napi::Env env);
  void report(Napi::Env env);

 private:
  std::shared_ptr<const Dataset> data_;
  ExternalMemory external_;
  std::shared_ptr<LiveCounts> live_;
};

Napi::Value make_handle(Instance& instance, std::shared_ptr<NetworkEntry> entry);
Napi::Value make_handle(Instance& instance, std::shared_ptr<DatasetEntry> entry);

// Throw ERR_ARG for anything but a handle that this copy of the addon made in this environment.
std::shared_ptr<NetworkEntry> network_entry(Instance& instance, Napi::Value value);
std::shared_ptr<DatasetEntry> dataset_entry(Instance& instance, Napi::Value value);

// The network of the first of `arity` arguments, open as it may be; and one that could start a job now, which
// Instance::submit decides again.
std::shared_ptr<NetworkEntry> first_argument(const Napi::CallbackInfo& info, size_t arity, const char* function);
std::shared_ptr<NetworkEntry> idle_network(const Napi::CallbackInfo& info, size_t arity, const char* function);

}  // namespace onespike::addon
