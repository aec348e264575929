#include <cuda_profiler_api.h>

#include "cuda/device/devices.h"

namespace onespike {

void show_cuda_profiler(bool shown) { (void)(shown ? cudaProfilerStart() : cudaProfilerStop()); }

}  // namespace onespike
