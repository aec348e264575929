// Stands where the backend will: devices are found, but there are no kernels to run on them.
#include "core/backend.h"
#include "core/devices.h"

namespace onespike {

Status make_cuda_backend(int device, Precision, std::unique_ptr<Backend>*) {
  if (Status status = probe_cuda_device(device); !status.ok()) return status;
  return Status::error(Code::kNoBackend, "this version has no CUDA kernels");
}

}  // namespace onespike
