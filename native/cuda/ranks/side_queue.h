// The second stream of a CudaBackend.
#pragma once

#include <vector>

#include "core/comm/device_link.h"
#include "cuda/device/launch.h"

namespace onespike::cuda {

class CudaSideQueue final : public SideQueue {
 public:
  // Beside `first`, of the same device; what goes wrong is noted there. Calls come on the thread that computes.
  explicit CudaSideQueue(Stream& first);
  ~CudaSideQueue() override;
  CudaSideQueue(const CudaSideQueue&) = delete;

  void* handle() const override { return second_; }
  void enqueue(const std::function<void()>& calls) override;
  void join() override;
  void forget_marks() override { set_ = passed_ = 0; }
  void mark() override;
  Progress progress() override;
  bool failed() const override { return first_.error != cudaSuccess; }

 private:
  cudaEvent_t make_event();
  void follow(cudaStream_t stream, cudaStream_t other);  // goes on when the other has come this far
  bool ended(cudaError_t query, const char* call);

  Stream& first_;
  cudaStream_t second_ = nullptr;
  cudaEvent_t reached_ = nullptr;
  std::vector<cudaEvent_t> marks_;  // the first `set_` of them count
  size_t set_ = 0, passed_ = 0;
};

}  // namespace onespike::cuda
