// What the CUDA module answers in a build without CUDA.
#include "core/backend/backend.h"
#include "cuda/device/create.h"
#include "cuda/device/devices.h"

namespace onespike {
namespace {

const char kAbsent[] = "this binary was built without CUDA";

}  // namespace

bool cuda_built() { return false; }

std::vector<DeviceInfo> cuda_devices(int, std::string* why_none) {
  *why_none = kAbsent;
  return {};
}

Status probe_cuda_device(int) { return Status::error(Code::kNoBackend, kAbsent); }

Status use_cuda_device(int device) { return probe_cuda_device(device); }

void show_cuda_profiler(bool) {}

Status make_cuda_backend(int, Precision, std::unique_ptr<Backend>*) { return Status::error(Code::kNoBackend, kAbsent); }

}  // namespace onespike
