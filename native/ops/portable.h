// Marks a function that kernels of every backend call: nvcc compiles it for the device as well.
#pragma once

#ifdef __CUDACC__
#define ONESPIKE_HD __host__ __device__
#else
#define ONESPIKE_HD
#endif
