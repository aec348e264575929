#include "bench/cuda/device.h"

#include <algorithm>
#include <vector>

#include "cuda/tensor/ptx.cuh"

namespace onespike::bench {
namespace {

constexpr int kChains = 8;  // independent sums of a warp, more than the latency of a product asks for
constexpr int kPeakThreads = 256, kPeakWarps = kPeakThreads / 32;

__global__ void __launch_bounds__(kPeakThreads) peak_kernel(float* to, int rounds) {
  float sums[kChains][4] = {};
  // Numbers that the compiler cannot know, so that nothing is left out.
  const uint32_t seed = threadIdx.x * 0x00010001u;
  const uint32_t a[4] = {seed, seed + 1, seed + 2, seed + 3}, b[2] = {seed + 4, seed + 5};
  for (int i = 0; i < rounds; ++i)
#pragma unroll
    for (int chain = 0; chain < kChains; ++chain) cuda::mma_bf16(sums[chain], a, b);
  float sum = 0;
#pragma unroll
  for (int chain = 0; chain < kChains; ++chain)
    for (int k = 0; k < 4; ++k) sum += sums[chain][k];
  to[int64_t(blockIdx.x) * kPeakThreads + threadIdx.x] = sum;
}

__global__ void copy_kernel(float4* to, const float4* from, int64_t count) {
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += int64_t(gridDim.x) * blockDim.x)
    to[i] = from[i];
}

}  // namespace

double milliseconds(cuda::Stream& stream, double least_ms, const std::function<void()>& run) {
  cudaEvent_t from = nullptr, to = nullptr;
  stream.note(cudaEventCreate(&from), "cudaEventCreate"), stream.note(cudaEventCreate(&to), "cudaEventCreate");
  const auto measure = [&](int runs) {
    float ms = 0;
    stream.note(cudaEventRecord(from, stream.handle), "cudaEventRecord");
    for (int i = 0; i < runs; ++i) run();
    stream.note(cudaEventRecord(to, stream.handle), "cudaEventRecord");
    stream.note(cudaEventSynchronize(to), "cudaEventSynchronize");
    if (stream.error == cudaSuccess) stream.note(cudaEventElapsedTime(&ms, from, to), "cudaEventElapsedTime");
    return double(ms) / runs;
  };
  double result = measure(1);
  if (least_ms > 0) {
    const int runs = int(std::clamp(least_ms / std::max(measure(1), 1e-3), 1.0, 1e4));
    std::vector<double> times;
    for (int i = 0; i < 5; ++i) times.push_back(measure(runs));
    std::nth_element(times.begin(), times.begin() + 2, times.end());
    result = times[2];
  }
  (void)cudaEventDestroy(from), (void)cudaEventDestroy(to);
  return result;
}

Peaks measure_peaks(cuda::Stream& stream, bool small) {
  Peaks peaks;
  int processors = 1;
  stream.note(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0), "cudaDeviceGetAttribute");
  const int blocks = processors * 4, rounds = small ? 1 : 20000;
  const int64_t bytes = small ? 1 << 16 : int64_t(1) << 30;
  float *sums = nullptr, *memory = nullptr;
  stream.note(cudaMalloc(&sums, size_t(blocks) * kPeakThreads * sizeof(float)), "cudaMalloc");
  stream.note(cudaMalloc(&memory, size_t(2 * bytes)), "cudaMalloc");
  stream.note(cudaMemset(memory, 0, size_t(2 * bytes)), "cudaMemset");
  const double least = small ? 0 : 200;
  const double product = milliseconds(stream, least, [&] {
    cuda::launch(stream, dim3(unsigned(blocks)), dim3(kPeakThreads), 0, "peak", peak_kernel, sums, rounds);
  });
  const double copy = milliseconds(stream, least, [&] {
    cuda::launch(stream, dim3(unsigned(processors * 16)), dim3(small ? 32u : 512u), 0, "copy", copy_kernel,
                 reinterpret_cast<float4*>(memory), reinterpret_cast<const float4*>(memory) + bytes / 16, bytes / 16);
  });
  peaks.flops = double(blocks) * kPeakWarps * rounds * kChains * (2.0 * 16 * 8 * 16) / (product * 1e-3);
  peaks.bandwidth = 2.0 * double(bytes) / (copy * 1e-3);
  (void)cudaFree(sums), (void)cudaFree(memory);
  return peaks;
}

}  // namespace onespike::bench
