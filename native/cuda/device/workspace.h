// Device memory for what kernels hand on to the next kernel of the same operation. It only ever grows.
#pragma once

#include <cstddef>

#include "cuda/device/launch.h"

namespace onespike::cuda {

class Workspace {
 public:
  ~Workspace() { release(); }

  // Contents are those of the operation before. Null if there is no memory left: then the stream holds that error, and
  // nothing that is launched on it runs.
  template <class T>
  T* reserve(Stream& stream, size_t count) {
    return static_cast<T*>(reserve_bytes(stream, count * sizeof(T)));
  }
  void release() {
    if (memory_) (void)cudaFree(memory_);
    memory_ = nullptr, bytes_ = 0;
  }
  size_t growths() const { return growths_; }
  size_t bytes() const { return bytes_; }

 private:
  void* reserve_bytes(Stream& stream, size_t bytes) {
    if (bytes <= bytes_) return memory_;
    if (stream.error != cudaSuccess) return nullptr;
    release();  // waits for the kernels that use it
    ++growths_;
    const cudaError_t error = cudaMalloc(&memory_, bytes);
    stream.note(error, "cudaMalloc of a workspace");
    if (error == cudaSuccess) return bytes_ = bytes, memory_;
    (void)cudaGetLastError();
    return memory_ = nullptr;
  }

  void* memory_ = nullptr;
  size_t bytes_ = 0, growths_ = 0;
};

}  // namespace onespike::cuda
