#include "cuda/device/current_device.h"

#include <cuda.h>

namespace onespike::cuda {
namespace {

using GetState = decltype(&cuDevicePrimaryCtxGetState);

// Through the runtime, because libcuda.so is not linked: the binary loads on machines without a driver.
GetState find_get_state() {
  constexpr const char* kName = "cuDevicePrimaryCtxGetState";
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error = cudaGetDriverEntryPointByVersion(kName, &function, 12000, cudaEnableDefault, &found);
#else
  const cudaError_t error = cudaGetDriverEntryPoint(kName, &function, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess) (void)cudaGetLastError();
  return error == cudaSuccess && found == cudaDriverEntryPointSuccess ? reinterpret_cast<GetState>(function) : nullptr;
}

// Whether the device's primary context exists. Every call of the runtime that would tell creates it.
bool has_context(int device) {
  static const GetState get_state = find_get_state();
  unsigned flags = 0;
  int active = 0;
  return get_state && get_state(device, &flags, &active) == CUDA_SUCCESS && active;  // a CUdevice is its number
}

}  // namespace

OnDevice::OnDevice(int device) : device_(device) {
  if (cudaGetDevice(&before_) != cudaSuccess) before_ = device;
  if (before_ != device_) error_ = cudaSetDevice(device_);
}

OnDevice::~OnDevice() {
  if (before_ != device_ && has_context(before_)) (void)cudaSetDevice(before_);
}

}  // namespace onespike::cuda
