// The thread that a network's jobs run on. One per network and kept between jobs: a step of a few milliseconds should
// not pay for a new thread, and the libuv pool (four threads, shared with fs and dns) stays free. Unlike libuv work,
// which an ending environment waits for before it calls any cleanup hook, a job here can be told to stop at once.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace onespike::addon {

class Runner {
 public:
  Runner() = default;
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { join(); }

  // Runs `task` on the thread, which the first call starts. The previous task must have ended.
  // Throws std::system_error when the operating system has no thread left.
  void start(std::function<void()> task);

  // Waits for the running task, if any, and ends the thread. Not from the thread itself.
  void join();

 private:
  void loop();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> task_;  // the next task; empty while there is none
  bool quit_ = false;
  std::thread thread_;
};

}  // namespace onespike::addon
