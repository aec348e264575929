// A network's own compute threads. parallel_for runs numbered tasks on them and on the caller; tasks are handed out in
// any order, so a task must own what it writes: that is what makes results independent of the number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace onespike {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int threads() const { return int(workers_.size()) + 1; }

  // Runs task(0) .. task(count - 1) and returns when all have ended. Tasks must not throw.
  void parallel_for(int64_t count, const std::function<void(int64_t)>& task);

 private:
  void work();
  void drain();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<int> busy_{0};
  int64_t count_ = 0;
  const std::function<void(int64_t)>* task_ = nullptr;
  std::atomic<bool> quit_{false};
};

}  // namespace onespike
