// The GPUs of this machine, as far as this binary can use them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/status.h"

namespace onespike {

struct DeviceInfo {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int64_t memory_bytes = 0;
  int64_t free_bytes = -1;      // when the device was probed; -1 if it was not
  int driver = 0, runtime = 0;  // CUDA versions of the driver and of this binary: 1000 * major + 10 * minor
  bool usable = false;          // probed, and a kernel of this binary ran on it
  std::string reason;           // why it is not usable; empty if it is, or was not probed
  bool graphs = false;          // usable, and a CUDA graph of that kernel ran as well: steps can be recorded
  std::string graphs_reason;    // why it did not; empty if it did, or was not tried
};

// ---- native/cuda
bool cuda_built();  // this binary holds CUDA kernels
// All devices that the driver shows, in its order: the position is the number of the device. Probes device `wanted`, or
// if that is negative one after the other until one is usable: a probe makes a CUDA context, which costs time and some
// hundred megabytes of the device. `why_none`: why the wanted device, or every one, is not usable; else empty.
std::vector<DeviceInfo> cuda_devices(int wanted, std::string* why_none);
// Runs a kernel on one device, the first time it is asked for in this process. ERR_NO_BACKEND with the reason if it
// does not run.
Status probe_cuda_device(int device);
// Makes it the current device of this thread, for libraries that ask for that. Errors: as above.
Status use_cuda_device(int device);
// From here on, or no longer, a profiler records what runs on the GPUs (`ncu --profile-from-start off`).
void show_cuda_profiler(bool shown);

}  // namespace onespike
