#include "backends.h"

#include "core/backend/backend.h"
#include "core/guard.h"
#include "cpu/backend/create.h"
#include "cuda/device/create.h"

namespace onespike {
namespace {

constexpr int kMaxThreads = 1024;

}  // namespace

Status make_backend(const BackendSpec& spec, std::unique_ptr<Backend>* backend) {
  return guarded([&] {
    if (spec.kind == BackendKind::kCuda) return make_cuda_backend(spec.device, spec.precision, backend);
    if (spec.threads < 1 || spec.threads > kMaxThreads)
      return Status::error(Code::kArg, "Expected threads between 1 and " + std::to_string(kMaxThreads) +
                                           " but received " + std::to_string(spec.threads));
    *backend = make_cpu_backend({.threads = spec.threads, .precision = spec.precision});
    return Status::success();
  });
}

}  // namespace onespike
