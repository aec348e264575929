#include "backends.h"

#include "core/backend/backend.h"
#include "core/guard.h"
#include "core/limits.h"
#include "cpu/backend/create.h"
#include "cuda/device/create.h"

namespace onespike {
Status make_backend(const BackendSpec& spec, std::unique_ptr<Backend>* backend) {
  return guarded([&] {
    if (spec.kind == BackendKind::kCuda) return make_cuda_backend(spec.device, spec.precision, backend);
    if (spec.threads < limits::kThreads.min || spec.threads > limits::kThreads.max)
      return Status::error(Code::kArg, "Expected threads between 1 and " + std::to_string(int(limits::kThreads.max)) +
                                           " but received " + std::to_string(spec.threads));
    *backend = make_cpu_backend({.threads = spec.threads, .precision = spec.precision});
    return Status::success();
  });
}

}  // namespace onespike
