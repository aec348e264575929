#include "cuda/device/launch.h"

#include <mutex>
#include <set>
#include <utility>

namespace onespike::cuda {

// Process-wide, as the driver's attribute is: a network that lowered it would take the memory from another one's
// launch. Once, because some drivers wait for running copies before they change an attribute.
cudaError_t allow_shared_memory(const void* kernel) {
  static std::mutex mutex;
  static std::set<std::pair<const void*, int>> allowed;  // kernels on devices
  int device = 0;
  if (const cudaError_t error = cudaGetDevice(&device)) return error;
  const std::lock_guard<std::mutex> lock(mutex);
  if (allowed.count({kernel, device})) return cudaSuccess;
  const cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, kMaxShared);
  if (error == cudaSuccess) allowed.insert({kernel, device});
  return error;
}

}  // namespace onespike::cuda
