// An array on the device, for tests.
#pragma once

#include <vector>

#include "cuda/device/launch.h"
#include "test/support/runner.h"

namespace onespike::test {

template <class T>
struct DeviceArray {
  T* data = nullptr;
  size_t count;
  explicit DeviceArray(size_t count) : count(count) {
    expect(cudaMalloc(&data, count * sizeof(T)) == cudaSuccess, "cudaMalloc");
  }
  DeviceArray(const DeviceArray&) = delete;
  explicit DeviceArray(const std::vector<T>& from) : DeviceArray(from.size()) {
    expect(cudaMemcpy(data, from.data(), count * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess,
           "copy to the device");
  }
  ~DeviceArray() { cudaFree(data); }
  std::vector<T> read() const {
    std::vector<T> to(count);
    expect(cudaMemcpy(to.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost) == cudaSuccess,
           std::string("copy from the device: ") + cudaGetErrorString(cudaPeekAtLastError()));
    return to;
  }
};

}  // namespace onespike::test
