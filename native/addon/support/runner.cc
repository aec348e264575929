#include "addon/support/runner.h"

#include <utility>

namespace onespike::addon {

void Runner::start(std::function<void()> task) {
  if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
  {
    const std::lock_guard lock(mutex_);
    task_ = std::move(task);
  }
  wake_.notify_one();
}

void Runner::join() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    quit_ = true;
  }
  wake_.notify_one();
  thread_.join();
  quit_ = false;
}

void Runner::loop() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return quit_ || task_; });
      if (!task_) return;  // a task that was handed over before quitting still runs: someone waits for its end
      task = std::move(task_);
      task_ = nullptr;
    }
    task();
  }
}

}  // namespace onespike::addon
