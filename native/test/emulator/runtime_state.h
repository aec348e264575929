// What the host's side of the emulator holds. One lock guards it all.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/emulator/block.h"
#include "test/emulator/cuda_runtime.h"
#include "test/emulator/foreign.h"

namespace onespike::emulator {

// cudaErrorNotReady: not yet, and what comes behind it in its queue waits as well.
using Operation = std::function<cudaError_t()>;
using Queue = std::deque<Operation>;

constexpr int kDevices = 4;

struct Capture {
  cudaStreamCaptureMode mode;
  std::thread::id thread;  // that began it
};

struct Runtime {
  std::recursive_mutex mutex;
  Queue common;                             // of the default stream and of those that wait for it
  std::map<EmulatedStream*, Queue> queues;  // of the others
  cudaError_t sticky = cudaSuccess;         // a kernel failed: nothing works any more
  std::string failure;
  Block block;
  std::map<const char*, size_t> device, pinned;  // begin -> bytes
  size_t in_use = 0, memory = size_t(4) << 30;
  int devices = kDevices, major = 8, minor = 6, shared_limit = 101376;
  int64_t fail_after = -1, launches = 0, waits = 0;
  std::set<int> contexts;                                    // devices whose primary context exists
  std::map<std::pair<const void*, int>, int> shared_limits;  // of a kernel on a device
  std::map<std::pair<const void*, int>, int> limits_set;     // how often
  int lowered_limits = 0;
  bool lose_turns = false, refuse_graphs = false;
  std::map<EmulatedStream*, Capture> capturing;

  static Runtime& get();
  // Every call that needs a device starts with it: makes the primary context of the thread's current device.
  cudaError_t ready();
  // Whether a capture forbids this thread a call that is potentially unsafe: its own, or anybody's of the global mode.
  bool capture_forbids() const;
  // Runs operations until done(), no more than that takes: those of `first`, and of other queues where it waits for
  // them. False if that comes to an end before.
  bool advance(Queue& first, const std::function<bool()>& done);
  // The same until it is done; the error that is left. The caller does not hold the lock: what a queue waits for may
  // come from another thread.
  cudaError_t wait(Queue& first, const std::function<bool()>& done);
  cudaError_t flush(EmulatedStream* stream);  // until the stream is empty
  cudaError_t flush();                        // until those of the thread's device are
  Queue& queue_of(EmulatedStream* stream);
  void add(EmulatedStream* stream, Operation operation);
  bool run_one(Queue& queue);
  static bool holds(const std::map<const char*, size_t>& blocks, const void* at);
};

int& current_device();  // of this thread

// Notes an error for cudaGetLastError and hands it on.
cudaError_t note(cudaError_t error);

}  // namespace onespike::emulator

struct EmulatedGraph {
  std::vector<onespike::emulator::Operation> operations;
};
struct EmulatedStream : onespike::emulator::ForeignStream {
  int device = 0;
  EmulatedGraph* graph = nullptr;  // that it records
};
// An event may be recorded again while streams wait for it, and destroyed before they have.
struct EmulatedEvent {
  struct State {
    std::chrono::steady_clock::time_point time;
    EmulatedStream* stream = nullptr;   // of the last record
    int64_t recorded = 0, reached = 0;  // times
  };
  std::shared_ptr<State> state = std::make_shared<State>();
};
