// Stacks that one thread switches between: every thread of an emulated block has one.
#pragma once

#include <cstddef>

namespace onespike::emulator {

class Fiber {
 public:
  Fiber() = default;
  Fiber(const Fiber&) = delete;
  ~Fiber();

  // Makes the next switch to this fiber call `entry`, which must not return. Maps the stack the first time.
  void prepare(void (*entry)());
  // Leaves the running fiber, `from`, for `to`. Comes back when somebody switches to `from`. A default-made fiber
  // stands for the stack of the thread itself.
  static void change(Fiber& from, Fiber& to);
  // What an entry calls before anything else.
  void entered();

 private:
  void* pointer_ = nullptr;  // its stack pointer while it does not run
  char* stack_ = nullptr;    // lowest byte that may be used
  size_t left_out_ = 0;      // bytes above its first frame
  void* sanitizer_ = nullptr;
  // The stack that AddressSanitizer knows: of the thread itself it tells when a fiber starts.
  const void* bottom_ = nullptr;
  size_t size_ = 0;
};

}  // namespace onespike::emulator
