// The CUDA backend as others see it.
#pragma once

#include <memory>

#include "core/backend/values.h"
#include "core/status.h"

namespace onespike {

class Backend;

// Errors: ERR_NO_BACKEND with the reason if the device cannot run the kernels.
Status make_cuda_backend(int device, Precision precision, std::unique_ptr<Backend>* backend);

}  // namespace onespike
