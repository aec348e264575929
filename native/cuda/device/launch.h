// The only place where kernels are launched, so that the same sources compile with nvcc and, as plain C++, with the
// emulator of native/test/emulator.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

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

constexpr size_t kSharedWithoutAsking = 48 << 10;  // dynamic shared memory of a block; more must be asked for

// Nothing is launched once something went wrong.
template <class... P>
void launch(Stream& stream, dim3 grid, dim3 block, size_t shared_bytes, const char* name, void (*kernel)(P...),
            std::type_identity_t<P>... args) {
  if (stream.error != cudaSuccess) return;
  if (shared_bytes > kSharedWithoutAsking)
    stream.note(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared_bytes)), name);
#ifdef __CUDACC__
  kernel<<<grid, block, shared_bytes, stream.handle>>>(args...);
#else
  emulator::launch(stream.handle, grid, block, shared_bytes, name, kernel, args...);
#endif
  stream.kernel = name;
  stream.note(cudaGetLastError(), name);
}

}  // namespace onespike::cuda
