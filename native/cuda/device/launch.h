// The only place where kernels are launched, so that the same sources compile with nvcc and, as plain C++, with the
// emulator of native/test/emulator.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

#include "cuda/device/shared_memory.h"

namespace onespike::cuda {

// A stream and the first thing that went wrong on its host side. What goes wrong on the device comes back when somebody
// waits.
struct Stream {
  cudaStream_t handle = nullptr;
  cudaError_t error = cudaSuccess;
  const char* call = "";        // the kernel or CUDA call that met `error`
  const char* kernel = "none";  // the last that was launched

  void note(cudaError_t result, const char* what) {
    if (result != cudaSuccess && error == cudaSuccess) error = result, call = what;
  }
};

// Lets launches of the kernel on the thread's current device have up to kMaxShared bytes of dynamic shared memory. Any
// thread may call it.
cudaError_t allow_shared_memory(const void* kernel);

// Nothing is launched once something went wrong.
template <class... P>
void launch(Stream& stream, dim3 grid, dim3 block, size_t shared_bytes, const char* name, void (*kernel)(P...),
            std::type_identity_t<P>... args) {
  if (stream.error != cudaSuccess) return;
  if (shared_bytes > size_t(kMaxShared)) return stream.note(cudaErrorInvalidValue, name);
  if (shared_bytes > size_t(kSharedWithoutAsking)) {
    stream.note(allow_shared_memory(reinterpret_cast<const void*>(kernel)), name);
    if (stream.error != cudaSuccess) return;
  }
#ifdef __CUDACC__
  kernel<<<grid, block, shared_bytes, stream.handle>>>(args...);
#else
  emulator::launch(stream.handle, grid, block, shared_bytes, name, kernel, args...);
#endif
  stream.kernel = name;
  stream.note(cudaGetLastError(), name);
}

}  // namespace onespike::cuda
