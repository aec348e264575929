// A network's own compute threads. parallel_for runs numbered tasks on them and on the caller; tasks are handed out in
// any order, so a task must own what it writes: that is what makes results independent of the number of threads.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace onespike {

class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  int threads() const { return int(workers_.size()) + 1; }

  // Runs task(0) .. task(count - 1) and returns when all have ended. If a task throws, those that have not begun are
  // left out, and the first exception leaves from here once all others have ended. Allocates nothing itself, so that
  // what must happen in full, such as an update of parameters, cannot run out of memory half-way.
  template <class Task>
  void parallel_for(int64_t count, const Task& task) {
    run(count, [](const void* each, int64_t i) { (*static_cast<const Task*>(each))(i); }, &task);
  }

 private:
  using Call = void (*)(const void* task, int64_t i);

  void run(int64_t count, Call call, const void* task);
  void work();
  void drain() noexcept;

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> round_{0};
  std::atomic<int64_t> next_{0};
  std::atomic<int> busy_{0};
  int64_t count_ = 0;
  Call call_ = nullptr;
  const void* task_ = nullptr;
  std::exception_ptr error_;  // of the first task that threw, guarded by mutex_
  std::atomic<bool> quit_{false};
};

}  // namespace onespike
