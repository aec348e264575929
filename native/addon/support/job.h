// Work that leaves the JS thread. The life of a task:
//
//   JS thread   constructor   takes copies of inputs, references to outputs; nothing of JavaScript is needed afterwards
//   runner      execute()     run() sees no Node-API, fills buffers of its own, polls the stop flag inside the core
//   JS thread   complete()    result() copies the buffers into the caller's arrays, if those are still what they were
//
// In every path complete() resolves or rejects the promise, except when the environment ends first: then nobody is left
// to tell, and the job is only destroyed (on the JS thread, after its thread has been joined).
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "addon/support/handles.h"
#include "addon/support/napi_setup.h"
#include "core/status.h"

namespace onespike::addon {

class Task {
 public:
  // `helper` is a second owner that the task computes with, or null: it is busy as long as the task's own.
  explicit Task(std::shared_ptr<TaskOwner> owner, std::shared_ptr<TaskOwner> helper = nullptr)
      : owner_(std::move(owner)), helper_(std::move(helper)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

  const std::shared_ptr<TaskOwner>& owner() { return owner_; }
  const std::shared_ptr<TaskOwner>& helper() { return helper_; }

  Napi::Promise open(Napi::Env env);      // on the JS thread, once it is certain that the task will run
  void execute() noexcept;                // on the runner's thread
  void complete(Napi::Env env) noexcept;  // on the JS thread

 protected:
  virtual Status run(const std::atomic<bool>& stop) = 0;
  virtual Napi::Value result(Napi::Env env) = 0;
  // True for tasks that change nothing: a stop counts for them until they complete. A task that has changed the
  // parameters by then resolves, so that the caller knows the step was made.
  virtual bool read_only() const { return true; }

 private:
  std::shared_ptr<TaskOwner> owner_, helper_;
  std::optional<Napi::Promise::Deferred> deferred_;
  Status status_;
};

// A task of a network.
class Job : public Task {
 public:
  explicit Job(std::shared_ptr<NetworkEntry> entry, std::shared_ptr<NetworkEntry> helper = nullptr)
      : Task(entry, std::move(helper)), entry_(std::move(entry)) {}

  const std::shared_ptr<NetworkEntry>& entry() { return entry_; }

 protected:
  Network& network() { return *entry_->network; }

 private:
  std::shared_ptr<NetworkEntry> entry_;
};

}  // namespace onespike::addon
