#include "test/emulator/block.h"

#include <cstring>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace onespike::emulator {

constinit thread_local Block* running = nullptr;

namespace {

constexpr size_t kGuard = 4096;  // bytes after the shared memory that must keep their pattern
constexpr size_t kAlign = 1024;
constexpr unsigned char kGarbage = 0xff;  // not a number as float and as bf16, and no spike time of a test

std::string place(const Location& where) {
  std::string file = where.file_name();
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

// The name of a file is one object for all lanes of a kernel, so that its text is seldom read.
bool same(const Location& a, const Location& b) {
  return a.line() == b.line() && (a.file_name() == b.file_name() || !std::strcmp(a.file_name(), b.file_name()));
}

std::string name_of(const uint3& i) {
  return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}

int lowest(uint32_t mask) { return __builtin_ctz(mask); }

}  // namespace

void Block::run_grid(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& kernel) {
  grid_dim = grid, block_dim = block;
  count_ = int(block.x * block.y * block.z);
  shared_bytes_ = shared_bytes;
  memory_.resize(shared_bytes + kAlign + kGuard);
  shared_ = memory_.data() + (kAlign - reinterpret_cast<uintptr_t>(memory_.data()) % kAlign) % kAlign;
  while (int(threads_.size()) < count_) threads_.push_back(std::make_unique<EmulatedThread>());
  Block* const outer = running;
  running = this;
  std::unique_ptr<Fault> fault;
  for (unsigned z = 0; z < grid.z && !fault; ++z)
    for (unsigned y = 0; y < grid.y && !fault; ++y)
      for (unsigned x = 0; x < grid.x && !fault; ++x) {
        block_index = {x, y, z};
        run_block(kernel);
        fault = std::move(fault_);
      }
  running = outer;
  if (fault) throw Fault(fault->kind, "block " + name_of(block_index) + ", " + fault->what());
}

void Block::run_block(const std::function<void()>& kernel) {
  kernel_ = &kernel;
  std::memset(shared_, kGarbage, shared_bytes_ + kGuard);
#ifdef __SANITIZE_ADDRESS__
  ASAN_POISON_MEMORY_REGION(shared_ + shared_bytes_, kGuard);
#endif
  warps_.assign(size_t(count_ + kWarp - 1) / kWarp, {});
  for (int i = 0; i < count_; ++i) {
    EmulatedThread& t = *threads_[i];
    t.state = ThreadState::kReady, t.number = i;
    t.index = {i % block_dim.x, i / block_dim.x % block_dim.y, i / (block_dim.x * block_dim.y)};
    t.copies.clear(), t.group = 0;
    t.fiber.prepare(&Block::thread_main);
    warps_[t.warp()].ready |= 1u << t.lane();
  }
  for (bool backward = false; run_phase(backward); backward = !backward) release_barrier();
#ifdef __SANITIZE_ADDRESS__
  ASAN_UNPOISON_MEMORY_REGION(shared_ + shared_bytes_, kGuard);
#endif
  for (size_t i = 0; i < kGuard && !fault_; ++i)
    if (shared_[shared_bytes_ + i] != kGarbage)
      fault_ = std::make_unique<Fault>(FaultKind::kOutOfRange,
                                       "wrote " + std::to_string(i) + " bytes past its shared memory");
}

// Runs every thread to its next barrier. False when the block is over.
bool Block::run_phase(bool backward) {
  const int warps = int(warps_.size());
  for (int i = 0; i < warps; ++i) {
    EmulatedWarp& w = warps_[backward ? warps - 1 - i : i];
    const int first = int(&w - warps_.data()) * kWarp;
    while (w.ready && !fault_) {
      current = threads_[first + lowest(w.ready)].get();
      Fiber::change(scheduler_, current->fiber);
    }
    if (fault_) return false;
    if (w.in_warp) {
      const EmulatedThread& t = *threads_[first + lowest(w.in_warp)];
      fault_ = std::make_unique<Fault>(FaultKind::kDiverged, "thread " + name_of(t.index) + " waits at " +
                                                                 place(t.where) + " for lanes that never come");
      return false;
    }
  }
  const EmulatedThread *waiting = nullptr, *done = nullptr;
  for (int i = 0; i < count_; ++i) {
    const EmulatedThread& t = *threads_[i];
    if (t.state == ThreadState::kDone) {
      done = &t;
    } else if (waiting && !same(waiting->where, t.where)) {
      fault_ =
          std::make_unique<Fault>(FaultKind::kDiverged, "threads wait at different barriers: " + place(waiting->where) +
                                                            " and " + place(t.where));
      return false;
    } else {
      waiting = &t;
    }
  }
  if (waiting && done)
    fault_ = std::make_unique<Fault>(
        FaultKind::kDiverged,
        "thread " + name_of(done->index) + " ended, others wait at the barrier of " + place(waiting->where));
  return waiting && !fault_;
}

void Block::release_barrier() {
  int non_zero = 0;
  for (int i = 0; i < count_; ++i) {
    EmulatedThread& t = *threads_[i];
    non_zero += t.predicate != 0;
    t.state = ThreadState::kReady;
    warps_[t.warp()].ready |= 1u << t.lane();
  }
  result_ = vote_ == Vote::kOr ? non_zero > 0 : vote_ == Vote::kAnd ? non_zero == count_ : non_zero;
}

void Block::thread_main() {
  running->current->fiber.entered();
  try {
    (*running->kernel_)();
  } catch (const Fault& fault) {
    running->fault_ =
        std::make_unique<Fault>(fault.kind, "thread " + name_of(running->current->index) + ": " + fault.what());
  } catch (const std::exception& e) {
    running->fault_ =
        std::make_unique<Fault>(FaultKind::kOther, "thread " + name_of(running->current->index) + ": " + e.what());
  }
  EmulatedThread& self = *running->current;
  self.state = ThreadState::kDone;
  if (!self.copies.empty() && !running->fault_)
    running->fault_ = std::make_unique<Fault>(
        FaultKind::kOther, "thread " + name_of(self.index) + " ended before its asynchronous copies");
  running->warps_[self.warp()].ready &= ~(1u << self.lane());
  running->switch_from_current();
}

// To the next lane of the warp that can go on, or back to the scheduler.
void Block::switch_from_current() {
  EmulatedThread& self = *current;
  const uint32_t ready = warps_[self.warp()].ready;
  if (!ready || fault_) {
    Fiber::change(self.fiber, scheduler_);
    return;
  }
  const uint32_t after = self.lane() == kWarp - 1 ? 0 : ready >> (self.lane() + 1) << (self.lane() + 1);
  current = threads_[self.warp() * kWarp + lowest(after ? after : ready)].get();
  Fiber::change(self.fiber, current->fiber);
}

void Block::meet(Resolve resolve, uint32_t mask, const void* in, void* out, Location where) {
  EmulatedThread& self = *current;
  EmulatedWarp& w = warps_[self.warp()];
  const uint32_t bit = 1u << self.lane();
  if (!(mask & bit)) throw Fault(FaultKind::kDiverged, "a lane outside the mask of its operation, " + place(where));
  w.operands.in[self.lane()] = in, w.operands.out[self.lane()] = out;
  self.resolve = resolve, self.mask = mask, self.where = where;
  w.ready &= ~bit, w.in_warp |= bit;
  if ((w.in_warp & mask) == mask) {
    for (uint32_t rest = mask; rest; rest &= rest - 1) {
      const EmulatedThread& t = *threads_[self.warp() * kWarp + lowest(rest)];
      if (t.resolve != resolve || t.mask != mask || !same(t.where, where))
        throw Fault(FaultKind::kDiverged,
                    "lanes meet at different operations: " + place(where) + " and " + place(t.where));
    }
    resolve(w.operands, mask);
    w.in_warp &= ~mask, w.ready |= mask;
    return;
  }
  self.state = ThreadState::kInWarp;
  switch_from_current();
  self.state = ThreadState::kReady;
}

int Block::barrier(Vote vote, int predicate, Location where) {
  EmulatedThread& self = *current;
  self.state = ThreadState::kAtBarrier, self.where = where, self.predicate = predicate;
  vote_ = vote;
  warps_[self.warp()].ready &= ~(1u << self.lane());
  switch_from_current();
  return result_;
}

void Block::check_shared(const void* at, int bytes, Location where) const {
  const auto* byte = static_cast<const unsigned char*>(at);
  if (reinterpret_cast<uintptr_t>(at) % unsigned(bytes))
    throw Fault(FaultKind::kMisaligned, "misaligned shared address at " + place(where));
  if (byte < shared_ || byte + bytes > shared_ + shared_bytes_)
    throw Fault(FaultKind::kOutOfRange, "address outside the dynamic shared memory at " + place(where));
}

}  // namespace onespike::emulator
