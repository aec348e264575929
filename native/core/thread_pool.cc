#include "core/thread_pool.h"

#include <utility>

namespace onespike {
namespace {

// A step has about a hundred parallel regions a few hundred microseconds apart; sleeping between them costs a wake-up
// of some 50 us each. So a worker polls this often (about 30 us) before it sleeps.
constexpr int kSpins = 1000;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  try {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  } catch (...) {
    // The system gave fewer threads than asked for: results are the same with those there are.
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::drain() noexcept {
  try {
    for (int64_t i = next_.fetch_add(1); i < count_; i = next_.fetch_add(1)) call_(task_, i);
  } catch (...) {
    next_ = count_;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
}

void ThreadPool::run(int64_t count, Call call, const void* task) {
  if (count <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < count; ++i) call(task, i);
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    call_ = call, task_ = task;
    count_ = count;
    next_ = 0;
    busy_ = int(workers_.size());
    ++round_;
  }
  wake_.notify_all();
  drain();
  for (int spin = 0; busy_.load(std::memory_order_acquire) != 0; ++spin) {
    if (spin < kSpins) relax();
    else std::this_thread::yield();
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadPool::work() {
  uint64_t seen = 0;
  for (;;) {
    for (int spin = 0; spin < kSpins && round_.load(std::memory_order_acquire) == seen && !quit_; ++spin) relax();
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return quit_ || round_ != seen; });
      if (quit_) return;
      seen = round_;
    }
    drain();
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace onespike
