// One block of an emulated grid. Its threads are fibers of the calling thread: each runs until it must wait for others,
// so a block computes the same every time. Warps take turns forward in one phase between barriers and backward in the
// next, so that a missing barrier shows up as a wrong result whichever way it errs.
//
// What a device would answer with a fault, a hang or garbage is a Fault here: lanes that do not meet at the same
// operation, threads at different barriers or gone before one, addresses that are not aligned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <vector>

#include "test/emulator/fiber.h"
#include "test/emulator/vectors.h"

namespace onespike::emulator {

constexpr int kWarp = 32;
constexpr uint32_t kAllLanes = 0xffffffffu;
using Location = std::source_location;

enum class FaultKind { kMisaligned, kOutOfRange, kDiverged, kOther };
struct Fault : std::runtime_error {
  FaultKind kind;
  Fault(FaultKind kind, const std::string& what) : std::runtime_error(what), kind(kind) {}
};

// What lanes meet for: `resolve` computes every lane's output from the inputs of all.
struct Operands {
  const void* in[kWarp];
  void* out[kWarp];
};
using Resolve = void (*)(const Operands& lanes, uint32_t mask);

// A copy from global to shared memory that has not arrived.
constexpr int kCopyBytes = 16;
struct PendingCopy {
  void* to;
  const void* from;
  int valid;  // the bytes from here on become zero
  int group;
};

enum class ThreadState : uint8_t { kReady, kInWarp, kAtBarrier, kDone };

struct EmulatedThread {
  Fiber fiber;
  ThreadState state = ThreadState::kReady;
  uint3 index{};
  int number = 0;
  Resolve resolve = nullptr;  // what it waits for
  uint32_t mask = 0;
  Location where;
  int predicate = 0;
  std::vector<PendingCopy> copies;
  int group = 0;  // of the copies it issues now

  int lane() const { return number % kWarp; }
  int warp() const { return number / kWarp; }
};

struct EmulatedWarp {
  uint32_t ready = 0, in_warp = 0;  // lanes
  Operands operands{};
};

enum class Vote { kNone, kOr, kAnd, kCount };

class Block {
 public:
  // Runs all blocks of a grid. Throws the Fault of the first thread that met one.
  void run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel);

  // ---- called by threads
  void meet(Resolve resolve, uint32_t mask, const void* in, void* out, Location where);
  int barrier(Vote vote, int predicate, Location where);
  void* shared() const { return shared_; }
  // Throws unless [at, at + bytes) is aligned and within the dynamic shared memory.
  void check_shared(const void* at, int bytes, Location where) const;

  dim3 block_dim, grid_dim;
  uint3 block_index{};
  EmulatedThread* current = nullptr;

 private:
  void run_block(const std::function<void()>& kernel);
  bool run_phase(bool backward);
  void release_barrier();
  static void thread_main();
  void switch_from_current();

  int count_ = 0;
  size_t shared_bytes_ = 0;
  unsigned char* shared_ = nullptr;
  std::vector<unsigned char> memory_;
  std::vector<std::unique_ptr<EmulatedThread>> threads_;
  std::vector<EmulatedWarp> warps_;
  Fiber scheduler_;
  const std::function<void()>* kernel_ = nullptr;
  std::unique_ptr<Fault> fault_;
  Vote vote_ = Vote::kNone;
  int result_ = 0;
};

// The block that runs on this thread. constinit: otherwise every reading of threadIdx calls a function that could
// initialise it.
extern constinit thread_local Block* running;

// All lanes of `mask` give an In and receive an Out.
template <class In, class Out>
Out meet(Resolve resolve, uint32_t mask, const In& in, Location where) {
  Out out{};
  running->meet(resolve, mask, &in, &out, where);
  return out;
}

}  // namespace onespike::emulator
