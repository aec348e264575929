// The thread pool when tasks throw: on a worker, on the caller, on all of them at once.
#include <atomic>
#include <chrono>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/thread_pool.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr int64_t kTasks = 64;

void every_task_runs_once(ThreadPool& pool, const std::string& what) {
  std::vector<std::atomic<int>> runs(kTasks);
  pool.parallel_for(kTasks, [&](int64_t i) { ++runs[size_t(i)]; });
  for (const std::atomic<int>& count : runs) expect(count == 1, what + ": every task runs once");
}

// Whichever thread the task meets: its exception leaves parallel_for, not before the others have ended.
void one_throws(int threads) {
  ThreadPool pool(threads);
  for (int64_t bad = 0; bad < kTasks; ++bad) {
    std::atomic<int> at_work{0};
    std::string caught;
    try {
      const std::string name = "task " + std::to_string(bad);  // gone when parallel_for is left too early
      pool.parallel_for(kTasks, [&](int64_t i) {
        ++at_work;
        std::this_thread::sleep_for(std::chrono::microseconds(i % 3));
        --at_work;
        if (i == bad) throw std::runtime_error(name);
      });
    } catch (const std::runtime_error& e) {
      expect(at_work == 0, "a task still ran when parallel_for was left");
      caught = e.what();
    }
    expect(caught == "task " + std::to_string(bad), "expected the exception of the task but received '" + caught + "'");
    every_task_runs_once(pool, "after task " + std::to_string(bad));
  }
}

// On the caller's thread alone, and on a worker's alone: each waits until the other is at work.
void thrown_by(bool caller) {
  ThreadPool pool(2);
  if (pool.threads() < 2) return;
  for (int round = 0; round < 50; ++round) {
    const std::thread::id here = std::this_thread::get_id();
    std::atomic<int> begun{0};
    bool caught = false;
    try {
      pool.parallel_for(2, [&](int64_t) {
        for (++begun; begun < 2;) std::this_thread::yield();
        if ((std::this_thread::get_id() == here) == caller) throw std::bad_alloc();
      });
    } catch (const std::bad_alloc&) {
      caught = true;
    }
    expect(caught, "the exception leaves parallel_for");
  }
  every_task_runs_once(pool, "afterwards");
}

void all_throw() {
  ThreadPool pool(3);
  for (int round = 0; round < 50; ++round) {
    int caught = 0;
    try {
      pool.parallel_for(kTasks, [](int64_t i) { throw int(i); });
    } catch (int) {
      ++caught;
    }
    expect(caught == 1, "one exception leaves parallel_for");
  }
  every_task_runs_once(pool, "afterwards");
}

}  // namespace

void add_thread_pool_tests(Tests& tests) {
  for (int threads : {1, 2, 4})
    tests.push_back(
        {"thread pool: a task that throws, threads " + std::to_string(threads), [threads] { one_throws(threads); }});
  tests.push_back({"thread pool: the caller throws", [] { thrown_by(true); }});
  tests.push_back({"thread pool: a worker throws", [] { thrown_by(false); }});
  tests.push_back({"thread pool: all tasks throw", all_throw});
}

}  // namespace onespike::test
