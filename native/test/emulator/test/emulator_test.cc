// The emulator itself: what kernels of every kind compute on it, and that it finds what a device would not forgive.
#include <vector>

#include "cuda/device/launch.h"
#include "cuda/tensor/ptx.cuh"
#include "test/cuda/device_array.h"
#include "test/emulator/control.h"
#include "test/emulator/test/tests.h"

namespace onespike::test {
namespace {

using cuda::launch;
using cuda::Stream;

// ---- kernels

__global__ void sum_kernel(int* to, const int* from, int count) {
  __shared__ int sums[8];
  int sum = 0;
  for (int i = int(blockIdx.x * blockDim.x + threadIdx.x); i < count; i += int(gridDim.x * blockDim.x)) sum += from[i];
  for (int other = 16; other > 0; other /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, other);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (unsigned w = 1; w < blockDim.x / 32; ++w) sum += sums[w];
    atomicAdd(to, sum);
  }
}

__global__ void votes_kernel(unsigned* to) {
  const int lane = int(threadIdx.x % 32);
  const unsigned odd = __ballot_sync(0xffffffffu, lane & 1), low = lane < 16 ? __ballot_sync(0xffffu, lane < 3) : 0;
  const int up = __shfl_up_sync(0xffffffffu, lane, 2), down = __shfl_down_sync(0xffffffffu, lane, 3, 8),
            first = __shfl_sync(0xffffffffu, lane, 0, 4);
  const int count = __syncthreads_count(lane < 5), some = __syncthreads_or(lane == 31),
            all = __syncthreads_and(lane != 31);
  unsigned* mine = to + threadIdx.x * 8;
  mine[0] = odd, mine[1] = low, mine[2] = unsigned(up), mine[3] = unsigned(down), mine[4] = unsigned(first);
  mine[5] = unsigned(count), mine[6] = unsigned(some), mine[7] = unsigned(all);
}

// d (16 x 8) = a (16 x 16) * b, which lies as (16 x 8) or, transposed, as (8 x 16); bf16. Loads as every GEMM of
// native/cuda does.
__global__ void product_kernel(float* d, const uint16_t* a, const uint16_t* b, bool transposed) {
  auto* tile = reinterpret_cast<uint16_t*>(cuda::dynamic_shared());
  uint16_t* b_tile = tile + 256;
  const int lane = int(threadIdx.x);
  cuda::copy_async(tile + lane * 8, a + lane * 8);
  if (lane < 16) cuda::copy_async(b_tile + lane * 8, b + lane * 8);
  cuda::copy_async_commit();
  cuda::copy_async_wait<0>();
  __syncthreads();
  uint32_t fa[4], fb[4];
  cuda::ldmatrix(fa, tile + lane % 16 * 16 + lane / 16 * 8);
  const int half = lane / 8 % 2, row = lane % 8;
  if (transposed) cuda::ldmatrix(fb, b_tile + row * 16 + half * 8);
  else cuda::ldmatrix_transposed(fb, b_tile + (half * 8 + row) * 8);
  const uint32_t fragment[2] = {fb[0], fb[1]};
  float c[4] = {1, 1, 1, 1};
  cuda::mma_bf16(c, fa, fragment);
  for (int i = 0; i < 4; ++i) d[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

__global__ void fault_kernel(int which, const unsigned char* from) {
  unsigned char* shared = cuda::dynamic_shared();
  const unsigned i = threadIdx.x;
  switch (which) {
    case 0:
      // The two halves of a block wait at different barriers.
      if (i < 32) __syncthreads();  // NOLINT(bugprone-branch-clone)
      else __syncthreads();
      break;
    case 1:
      if (i < 32) return;
      __syncthreads();
      break;
    case 2:
      if (i % 2) __syncwarp();
      break;
    case 3: cuda::copy_async(shared + 8, from); break;
    case 4: cuda::copy_async(shared, from + 4); break;
    case 5: cuda::copy_async(shared + 256, from); break;
    case 6: shared[256 + i] = 1; break;
    case 7:
      if (i < 16) cuda::copy_async(shared + 16 * i, from);  // nobody waits
      break;
  }
}

// 1: no barrier after the write, 2: none between reading and the next write, 3: the copy is read before it came.
__global__ void race_kernel(unsigned char* to, const unsigned char* from, int which) {
  unsigned char* shared = cuda::dynamic_shared();
  const unsigned i = threadIdx.x, other = (i + 32) % 64;
  if (which == 3) {
    if (i < 4) cuda::copy_async(shared + 16 * i, from + 16 * i);
    cuda::copy_async_commit();
    __syncthreads();
    to[i] = shared[other];
    cuda::copy_async_wait<0>();
    return;
  }
  shared[i] = from[i];
  if (which != 1) __syncthreads();
  const unsigned char read = shared[other];
  if (which != 2) __syncthreads();
  shared[i] = 77;
  __syncthreads();
  to[i] = read;
}

// ---- tests

void sums() {
  std::vector<int> values(1000);
  int expected = 0;
  for (int i = 0; i < 1000; ++i) expected += values[i] = i * i % 101;
  const DeviceArray<int> from(values), to(std::vector<int>{0});
  Stream stream;
  launch(stream, dim3(3), dim3(256), 0, "sum", sum_kernel, to.data, from.data, 1000);
  expect(to.read()[0] == expected, "sum");
  expect(emulator::launches() == 1, "launches");
}

void votes() {
  const DeviceArray<unsigned> to(64 * 8);
  Stream stream;
  launch(stream, dim3(1), dim3(64), 0, "votes", votes_kernel, to.data);
  const std::vector<unsigned> results = to.read();
  for (unsigned i = 0; i < 64; ++i) {
    const unsigned lane = i % 32;
    const unsigned expected[8] = {0xaaaaaaaau,
                                  lane < 16 ? 7u : 0u,
                                  lane < 2 ? lane : lane - 2,
                                  lane % 8 < 5 ? lane + 3 : lane,
                                  lane / 4 * 4,
                                  10,
                                  1,
                                  0};
    for (int j = 0; j < 8; ++j)
      expect(results[i * 8 + j] == expected[j], "thread " + std::to_string(i) + ", value " + std::to_string(j));
  }
}

void products() {
  for (bool transposed : {false, true}) {
    std::vector<uint16_t> a(256), b(128);
    for (int i = 0; i < 256; ++i) a[i] = emulator::bf16_bits(float(i * 7 % 23 - 11));
    for (int i = 0; i < 128; ++i) b[i] = emulator::bf16_bits(float(i * 5 % 17) / 8);
    const DeviceArray<uint16_t> from_a(a), from_b(b);
    const DeviceArray<float> to(128);
    Stream stream;
    launch(stream, dim3(1), dim3(32), 768, "product", product_kernel, to.data, from_a.data, from_b.data, transposed);
    const std::vector<float> d = to.read();
    for (int row = 0; row < 16; ++row)
      for (int column = 0; column < 8; ++column) {
        float sum = 1;
        for (int k = 0; k < 16; ++k)
          sum += emulator::bf16_value(a[row * 16 + k]) *
                 emulator::bf16_value(b[transposed ? column * 16 + k : k * 8 + column]);
        expect_near(d[row * 8 + column], sum, 0, 0, "row " + std::to_string(row) + " column " + std::to_string(column));
      }
  }
}

void faults() {
  const struct {
    int which;
    cudaError_t error;
    const char* words;
  } cases[] = {
      {0, cudaErrorLaunchFailure, "different barriers"},
      {1, cudaErrorLaunchFailure, "ended, others wait"},
      {2, cudaErrorLaunchFailure, "lanes that never come"},
      {3, cudaErrorMisalignedAddress, "misaligned shared address"},
      {4, cudaErrorMisalignedAddress, "misaligned source"},
      {5, cudaErrorIllegalAddress, "outside the dynamic"},
      {7, cudaErrorLaunchFailure, "before its asynchronous copies"},
#ifndef __SANITIZE_ADDRESS__  // which stops at the write itself
      {6, cudaErrorIllegalAddress, "past its shared memory"},
#endif
  };
  for (const auto& c : cases) {
    emulator::reset();
    const DeviceArray<unsigned char> from(64);
    Stream stream;
    launch(stream, dim3(1), dim3(64), 256, "fault", fault_kernel, c.which, from.data);
    expect(stream.error == cudaSuccess, "the launch itself");
    const cudaError_t error = cudaDeviceSynchronize();
    const std::string what = emulator::last_failure();
    expect(error == c.error, "case " + std::to_string(c.which) + ": " + cudaGetErrorName(error) + ", " + what);
    expect(what.find("fault: block (0, 0, 0)") == 0 && what.find(c.words) != std::string::npos, what);
    void* memory = nullptr;
    expect(cudaMalloc(&memory, 1) == c.error, "the error stays");
    launch(stream, dim3(1), dim3(64), 256, "after", fault_kernel, 9, from.data);
    expect(stream.error == c.error && std::string(stream.call) == "after", "a launch after it");
    cudaGetLastError();
  }
}

void races() {
  std::vector<unsigned char> bytes(256);
  for (int i = 0; i < 256; ++i) bytes[i] = (unsigned char)i;
  const DeviceArray<unsigned char> from(bytes);
  for (int which = 0; which < 4; ++which) {
    const DeviceArray<unsigned char> to(64);
    Stream stream;
    launch(stream, dim3(1), dim3(64), 256, "race", race_kernel, to.data, from.data, which);
    const std::vector<unsigned char> results = to.read();
    bool right = true;
    for (int i = 0; i < 64; ++i) right = right && results[i] == (i + 32) % 64;
    expect(right == (which == 0), "case " + std::to_string(which));
  }
}

void host() {
  Stream stream;
  launch(stream, dim3(1), dim3(2048), 0, "large", fault_kernel, 9, nullptr);
  expect(stream.error == cudaErrorInvalidConfiguration && std::string(stream.call) == "large", "too many threads");
  const auto with_shared = [](size_t bytes) {
    emulator::launch(nullptr, dim3(1), dim3(32), bytes, "shared", fault_kernel, 9, nullptr);
    return cudaGetLastError();
  };
  const auto limit = [](int bytes) {
    return cudaFuncSetAttribute(fault_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  };
  expect(with_shared(47 << 10) == cudaSuccess && with_shared((47 << 10) + 1) == cudaErrorInvalidValue,
         "without asking, beside static arrays");
  expect(limit(101377) == cudaErrorInvalidValue && limit(101376) == cudaSuccess, "the most shared memory");
  cudaGetLastError();
  expect(with_shared(101376) == cudaSuccess && limit(60000) == cudaSuccess && with_shared(60000) == cudaSuccess &&
             with_shared(60001) == cudaErrorInvalidValue && emulator::lowered_limits() == 1,
         "the limit of a kernel is the last that was set");
  expect(cudaSetDevice(1) == cudaSuccess && with_shared(60000) == cudaErrorInvalidValue, "on its device alone");
  expect(cudaSetDevice(0) == cudaSuccess, "back");

  const size_t before = emulator::memory_in_use();
  emulator::set_memory(before + 1000);
  void *first = nullptr, *second = nullptr;
  expect(cudaMalloc(&first, 600) == cudaSuccess && cudaMalloc(&second, 600) == cudaErrorMemoryAllocation && !second,
         "out of memory");
  expect(cudaFree(first) == cudaSuccess && emulator::memory_in_use() == before, "freed");
  expect(cudaGetLastError() == cudaErrorMemoryAllocation && cudaGetLastError() == cudaSuccess, "noted once");

  emulator::reset();
  const DeviceArray<int> from(std::vector<int>{5}), to(std::vector<int>{0});
  Stream recording;
  expect(cudaStreamCreate(&recording.handle) == cudaSuccess, "stream");
  expect(cudaStreamBeginCapture(recording.handle, cudaStreamCaptureModeGlobal) == cudaSuccess, "begin");
  launch(recording, dim3(1), dim3(256), 0, "sum", sum_kernel, to.data, from.data, 1);
  expect(cudaMalloc(&first, 1) == cudaErrorStreamCaptureUnsupported, "no memory while recording");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  expect(cudaStreamEndCapture(recording.handle, &graph) == cudaSuccess &&
             cudaGraphInstantiate(&exec, graph) == cudaSuccess,
         "record");
  expect(to.read()[0] == 0, "recording runs nothing");
  for (int i = 0; i < 3; ++i) expect(cudaGraphLaunch(exec, recording.handle) == cudaSuccess, "replay");
  expect(to.read()[0] == 15, "replayed three times");
  expect(cudaGraphExecDestroy(exec) == cudaSuccess && cudaGraphDestroy(graph) == cudaSuccess &&
             cudaStreamDestroy(recording.handle) == cudaSuccess,
         "destroy");

  // Nothing runs before somebody waits, so pinned memory must stay.
  int* pinned = nullptr;
  expect(cudaMallocHost(&pinned, sizeof(int)) == cudaSuccess, "pinned");
  *pinned = 1;
  cudaMemcpyAsync(to.data, pinned, sizeof(int), cudaMemcpyHostToDevice);
  *pinned = 2;
  expect(to.read()[0] == 2, "copied when somebody waits");
  cudaFreeHost(pinned);
  emulator::fail_launch(emulator::launches());
  Stream failing;
  launch(failing, dim3(1), dim3(256), 0, "sum", sum_kernel, to.data, from.data, 1);
  expect(cudaDeviceSynchronize() == cudaErrorLaunchFailure, "fails on demand");
}

}  // namespace

void add_emulator_tests(Tests& tests) {
  tests.push_back({"emulator: sums over shared memory and shuffles", sums});
  tests.push_back({"emulator: votes and shuffles of every kind", votes});
  tests.push_back({"emulator: a product through ldmatrix and mma", products});
  tests.push_back({"emulator: faults stop the device and say where", faults});
  tests.push_back({"emulator: missing barriers and waits change results", races});
  tests.push_back({"emulator: launches, memory, graphs and copies of the host", host});
}

}  // namespace onespike::test
