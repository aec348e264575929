// State of one environment (the main thread or a worker): the tags of its handles, its running tasks, and the way
// back from their threads. There is no other state: nothing is shared between environments or lives at namespace scope.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "addon/support/handles.h"
#include "addon/support/job.h"
#include "addon/support/napi_setup.h"

namespace onespike::addon {

class Instance {
 public:
  explicit Instance(Napi::Env env);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }

  Napi::Env env() const { return env_; }
  const napi_type_tag& network_tag() const { return network_tag_; }
  const napi_type_tag& dataset_tag() const { return dataset_tag_; }
  const napi_type_tag& communicator_tag() const { return communicator_tag_; }
  const std::shared_ptr<LiveCounts>& live() const { return live_; }

  // The communicator of this environment, which is interrupted when the environment ends: a network may wait in it.
  void watch_communicator(const std::shared_ptr<TaskOwner>& communicator) { communicator_ = communicator; }

  // Starts the task on its owner's thread and answers its promise. Throws ERR_STATE or ERR_BUSY when the owner is not
  // idle, which is decided here and not earlier: reading arguments may have run JavaScript.
  Napi::Value submit(std::unique_ptr<Task> task);

 private:
  static void wake(napi_env env, napi_value callback, void* context, void* data);
  static void clean_up(void* instance);

  void finished(Task* task);  // from any thread
  void drain();               // completes what has finished

  Napi::Env env_;
  napi_type_tag network_tag_, dataset_tag_, communicator_tag_;
  std::shared_ptr<LiveCounts> live_ = std::make_shared<LiveCounts>();
  std::weak_ptr<TaskOwner> communicator_;
  napi_threadsafe_function wake_ = nullptr;  // carries no data: a call says "drain"
  std::vector<std::unique_ptr<Task>> running_;
  std::mutex mutex_;
  std::vector<Task*> finished_;  // guarded by mutex_
};

}  // namespace onespike::addon
