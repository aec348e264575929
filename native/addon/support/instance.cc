#include "addon/support/instance.h"

#include <sys/random.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "addon/support/errors.h"
#include "ops/rng.h"

namespace onespike::addon {
namespace {

// Random per load: a handle of another copy of the addon has another layout behind it. Not std::random_device, which
// ties the binary to glibc 2.36.
napi_type_tag random_tag() {
  napi_type_tag tag{};
  if (getrandom(&tag, sizeof tag, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof tag)) return tag;
  // Early at boot there may be no randomness yet: an address and the time still differ between two copies.
  const uint64_t place = reinterpret_cast<uintptr_t>(&random_tag);
  const auto now = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
  return {mix64(place), mix64(now)};
}

}  // namespace

Instance::Instance(Napi::Env env)
    : env_(env), network_tag_(random_tag()), dataset_tag_(random_tag()), communicator_tag_(random_tag()) {
  const Napi::String name = Napi::String::New(env, "onespike");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, wake, &wake_) !=
      napi_ok) {
    throw Napi::Error::New(env);
  }
  napi_unref_threadsafe_function(env, wake_);  // referenced only while tasks run, so that an idle process can exit
  // Registered after the function above, hence called before its own cleanup: threads are joined while it still exists.
  napi_add_env_cleanup_hook(env, clean_up, this);
}

Napi::Value Instance::submit(std::unique_ptr<Task> task) {
  TaskOwner& owner = *task->owner();
  TaskOwner* const helper = task->helper().get();
  owner.require_idle();
  if (helper) helper->require_idle();
  Task* const raw = task.get();
  {
    const std::lock_guard lock(mutex_);
    finished_.reserve(running_.size() + 1);  // so that finished() cannot fail on the runner's thread
  }
  running_.reserve(running_.size() + 1);
  const Napi::Promise promise = task->open(env_);  // from here on nothing fails but the start of a thread
  running_.push_back(std::move(task));
  owner.stop = false;
  owner.busy = true;
  if (helper) helper->busy = true;
  try {
    owner.runner.start([this, raw] {
      raw->execute();
      finished(raw);
    });
  } catch (...) {
    owner.busy = false;
    if (helper) helper->busy = false;
    running_.pop_back();
    fail(Code::kOom, "Expected a thread for the job but the system has none left");
  }
  if (running_.size() == 1) napi_ref_threadsafe_function(env_, wake_);
  return promise;
}

void Instance::finished(Task* task) {
  const std::lock_guard lock(mutex_);
  finished_.push_back(task);
  napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Instance::wake(napi_env env, napi_value, void* context, void*) {
  if (env != nullptr) static_cast<Instance*>(context)->drain();  // null: the environment ended, the context is gone
}

void Instance::drain() {
  for (;;) {
    std::unique_ptr<Task> task;
    {
      const std::lock_guard lock(mutex_);
      if (finished_.empty()) break;
      const auto place = std::find_if(running_.begin(), running_.end(),
                                      [this](const auto& each) { return each.get() == finished_.front(); });
      task = std::move(*place);
      running_.erase(place);
      finished_.erase(finished_.begin());
    }
    const Napi::HandleScope scope(env_);
    task->complete(env_);
  }
  if (running_.empty()) napi_unref_threadsafe_function(env_, wake_);
}

void Instance::clean_up(void* data) {
  Instance& self = *static_cast<Instance*>(data);
  if (const auto communicator = self.communicator_.lock()) communicator->request_stop();
  for (const auto& task : self.running_) task->owner()->request_stop();
  for (const auto& task : self.running_) task->owner()->runner.join();
  self.running_.clear();
  self.finished_.clear();
  napi_release_threadsafe_function(self.wake_, napi_tsfn_abort);
}

}  // namespace onespike::addon
