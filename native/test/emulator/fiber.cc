#include "test/emulator/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <stdexcept>

#if !defined(__x86_64__)
#error "The emulator switches stacks in x86-64 assembly"
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

// void onespike_switch_stack(void** save, void* to): pushes what the System V ABI wants kept, leaves the stack pointer
// in *save and goes on where `to` was left. ucontext would make two system calls each time.
asm(R"(
.text
.globl onespike_switch_stack
.hidden onespike_switch_stack
.type onespike_switch_stack, @function
onespike_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size onespike_switch_stack, .-onespike_switch_stack
)");
extern "C" void onespike_switch_stack(void** save, void* to);

namespace onespike::emulator {
namespace {

constexpr size_t kPage = 4096;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr size_t kStack = 64 * kPage;
#else
constexpr size_t kStack = 16 * kPage;
#endif
// Stacks that all began at the same place of a page would share a few lines of the first cache, and the lanes of a warp
// would push each other out at every switch.
constexpr size_t kStep = 128;
thread_local size_t next_left_out = 0;

}  // namespace

Fiber::~Fiber() {
#ifdef __SANITIZE_THREAD__
  if (sanitizer_ && stack_) __tsan_destroy_fiber(sanitizer_);
#endif
  if (stack_) munmap(stack_ - kPage, kStack + kPage);
}

void Fiber::prepare(void (*entry)()) {
  if (!stack_) {
    void* memory =
        mmap(nullptr, kStack + kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory for the stack of an emulated thread");
    mprotect(memory, kPage, PROT_NONE);  // an overflow stops here, not in the neighbour's variables
    stack_ = static_cast<char*>(memory) + kPage;
    bottom_ = stack_, size_ = kStack;
    left_out_ = next_left_out, next_left_out = (next_left_out + kStep) % kPage;
#ifdef __SANITIZE_THREAD__
    sanitizer_ = __tsan_create_fiber(0);
#endif
  }
#ifdef __SANITIZE_ADDRESS__
  __asan_unpoison_memory_region(stack_, kStack);  // of frames that a failed block left behind
#endif
  // Six registers, where to go, and a return address of nobody: the ABI wants rsp + 8 divisible by 16 at an entry.
  auto* top = reinterpret_cast<void**>(stack_ + kStack - left_out_);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; ++i) *--top = nullptr;
  pointer_ = top;
}

namespace {
#ifdef __SANITIZE_ADDRESS__
thread_local const void** left_bottom = nullptr;  // where to note the stack that was left
thread_local size_t* left_size = nullptr;
#endif
}  // namespace

void Fiber::change(Fiber& from, Fiber& to) {
#ifdef __SANITIZE_ADDRESS__
  left_bottom = &from.bottom_, left_size = &from.size_;
  __sanitizer_start_switch_fiber(&from.sanitizer_, to.bottom_, to.size_);
#endif
#ifdef __SANITIZE_THREAD__
  if (!from.stack_) from.sanitizer_ = __tsan_get_current_fiber();
  // Races between threads of a block are not looked for here: the switch counts as synchronisation.
  __tsan_switch_to_fiber(to.sanitizer_, 0);
#endif
  onespike_switch_stack(&from.pointer_, to.pointer_);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.sanitizer_, left_bottom, left_size);
#endif
}

void Fiber::entered() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, left_bottom, left_size);
#endif
}

}  // namespace onespike::emulator
