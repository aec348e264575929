// A stream as libraries see it that are loaded at run time, such as the stand-in for NCCL: it begins with this.
#pragma once

namespace onespike::emulator {

struct ForeignStream {
  // Adds an operation: `step` is called until it answers true, and what comes behind it waits for that. Any thread may
  // call it, one at a time.
  void (*add)(ForeignStream* stream, bool (*step)(void* data), void* data) = nullptr;
};

}  // namespace onespike::emulator
