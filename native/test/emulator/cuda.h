// The emulator in the place of the driver's header: what the backend asks of it.
#pragma once

enum CUresult { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_DEVICE = 101 };
using CUdevice = int;

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active);
