// What the host's side of the emulator holds. One lock guards it all.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "test/emulator/block.h"
#include "test/emulator/cuda_runtime.h"

namespace onespike::emulator {

using Operation = std::function<cudaError_t()>;

struct Runtime {
  std::recursive_mutex mutex;
  std::deque<Operation> queue;       // of all streams, in the order of the calls
  cudaError_t sticky = cudaSuccess;  // a kernel failed: nothing works any more
  std::string failure;
  Block block;
  std::map<const char*, size_t> device, pinned;  // begin -> bytes
  size_t in_use = 0, memory = size_t(4) << 30;
  int devices = 1, major = 8, minor = 6, shared_limit = 101376;
  int64_t fail_after = -1, launches = 0, waits = 0;
  std::unordered_map<const void*, int> shared_limits;
  std::set<EmulatedStream*> capturing;

  static Runtime& get();
  // Every call that needs a device starts with it.
  cudaError_t ready() const { return devices == 0 ? cudaErrorNoDevice : sticky; }
  // Runs what waits; the error that is left.
  cudaError_t flush();
  void add(EmulatedStream* stream, Operation operation);
  static bool holds(const std::map<const char*, size_t>& blocks, const void* at);
};

// Notes an error for cudaGetLastError and hands it on.
cudaError_t note(cudaError_t error);

}  // namespace onespike::emulator

struct EmulatedGraph {
  std::vector<onespike::emulator::Operation> operations;
};
struct EmulatedStream {
  EmulatedGraph* graph = nullptr;  // that it records
};
struct EmulatedEvent {
  std::chrono::steady_clock::time_point time;
};
