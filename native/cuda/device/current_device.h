// The device that a thread of the host works on. The rule:
//
// The thread that computes belongs to its network: begin_batch makes the network's device current there, and it stays.
// Every other call may come on a thread of the host program, where other libraries may use another device: it leaves
// the thread's current device as it found it, unless nobody has used that device yet. Device 0 is current on every new
// thread, and to make it current once more would create its primary context: some hundred megabytes on a GPU that
// nobody asked for.
#pragma once

#include <cuda_runtime.h>

namespace onespike::cuda {

// Makes a device the thread's current one while it lives.
class OnDevice {
 public:
  explicit OnDevice(int device);
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  cudaError_t error() const { return error_; }  // if the device cannot be had

 private:
  int device_, before_ = 0;
  cudaError_t error_ = cudaSuccess;
};

}  // namespace onespike::cuda
