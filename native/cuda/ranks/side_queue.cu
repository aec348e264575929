#include "cuda/ranks/side_queue.h"

namespace onespike::cuda {
namespace {

// Launches and copies of the backend go to another stream while it lives.
class OnStream {
 public:
  OnStream(Stream& stream, cudaStream_t other) : stream_(stream), before_(stream.handle) { stream.handle = other; }
  ~OnStream() { stream_.handle = before_; }
  OnStream(const OnStream&) = delete;

 private:
  Stream& stream_;
  cudaStream_t before_;
};

}  // namespace

CudaSideQueue::CudaSideQueue(Stream& first) : first_(first), reached_(make_event()) {
  first_.note(cudaStreamCreateWithFlags(&second_, cudaStreamNonBlocking), "cudaStreamCreate");
}

CudaSideQueue::~CudaSideQueue() {
  if (second_) (void)cudaStreamSynchronize(second_), (void)cudaStreamDestroy(second_);
  for (cudaEvent_t event : marks_)
    if (event) (void)cudaEventDestroy(event);
  if (reached_) (void)cudaEventDestroy(reached_);
}

cudaEvent_t CudaSideQueue::make_event() {
  cudaEvent_t event = nullptr;
  first_.note(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return event;
}

void CudaSideQueue::follow(cudaStream_t stream, cudaStream_t other) {
  if (failed()) return;
  first_.note(cudaEventRecord(reached_, other), "cudaEventRecord");
  first_.note(cudaStreamWaitEvent(stream, reached_, 0), "cudaStreamWaitEvent");
}

void CudaSideQueue::enqueue(const std::function<void()>& calls) {
  follow(second_, first_.handle);
  const OnStream second(first_, second_);
  calls();
}

void CudaSideQueue::join() { follow(first_.handle, second_); }

void CudaSideQueue::mark() {
  if (set_ == marks_.size()) marks_.push_back(make_event());
  if (!failed()) first_.note(cudaEventRecord(marks_[set_], second_), "cudaEventRecord");
  ++set_;
}

// "Not ready" is left behind as the last error as well, where the next launch would find it.
bool CudaSideQueue::ended(cudaError_t query, const char* call) {
  if (query == cudaErrorNotReady) (void)cudaGetLastError();
  else first_.note(query, call);
  return query == cudaSuccess;
}

SideQueue::Progress CudaSideQueue::progress() {
  while (passed_ < set_ && ended(cudaEventQuery(marks_[passed_]), "cudaEventQuery")) ++passed_;
  return {.marks = passed_, .first_idle = ended(cudaStreamQuery(first_.handle), "cudaStreamQuery")};
}

}  // namespace onespike::cuda
