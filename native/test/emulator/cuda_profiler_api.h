// The emulator in the place of CUDA's header: nobody profiles it.
#pragma once

#include "test/emulator/cuda_runtime.h"

inline cudaError_t cudaProfilerStart() { return cudaSuccess; }
inline cudaError_t cudaProfilerStop() { return cudaSuccess; }
