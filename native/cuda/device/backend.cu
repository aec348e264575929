// Memory, order and errors of the CUDA backend.
#include "cuda/device/backend.h"

#include <algorithm>
#include <cstring>

#include "core/guard.h"
#include "cuda/device/create.h"
#include "cuda/device/devices.h"
#include "cuda/device/current_device.h"

namespace onespike::cuda {
namespace {

// A GPU takes hundreds of images at once: 3 GiB are 500 of VGG-16 on 32 x 32 pixels at T = 5. A smaller device keeps
// seven eighths for parameters, weights' copies and data sets.
constexpr int64_t kMostChunkBytes = 3ll << 30, kLeastChunkBytes = 256ll << 20;
constexpr int64_t kDeviceShare = 8;
constexpr int kMostImages = 512;
constexpr size_t kMostRecordings = 32;  // every length of a batch has its own
// Between two calls the device waits for JavaScript, which takes 0.1 to 0.2 ms for the arguments of 16 steps (1 to 512
// rows each; measured with the CPU backend): a hundredth even of steps of 1 ms. Progress, checkpoints and Ctrl-C wait
// for the end of a call, and 16 steps of 512 images at the 30,000 a second that are wanted take 0.3 s.
constexpr int kStepsAtOnce = 16;

std::string text_of(cudaError_t error) {
  return std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ")";
}

}  // namespace

bool Staging::create(Stream& stream) {
  stream.note(cudaMallocHost(&memory_, 2 * kHalf), "cudaMallocHost");
  for (cudaEvent_t& event : sent_)
    stream.note(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return stream.error == cudaSuccess;
}

void Staging::destroy() {
  for (cudaEvent_t event : sent_)
    if (event) (void)cudaEventDestroy(event);
  if (memory_) (void)cudaFreeHost(memory_);
}

void Staging::upload(Stream& stream, void* to, const void* from, size_t bytes) {
  constexpr size_t kAlign = 64;
  for (size_t done = 0; done < bytes && stream.error == cudaSuccess;) {
    if (used_ == kHalf) {
      stream.note(cudaEventRecord(sent_[half_], stream.handle), "cudaEventRecord");
      half_ ^= 1, used_ = 0;
      stream.note(cudaEventSynchronize(sent_[half_]), "cudaEventSynchronize");
    }
    const size_t size = std::min(bytes - done, kHalf - used_);
    char* at = memory_ + half_ * kHalf + used_;
    std::memcpy(at, static_cast<const char*>(from) + done, size);
    stream.note(cudaMemcpyAsync(static_cast<char*>(to) + done, at, size, cudaMemcpyHostToDevice, stream.handle),
                "cudaMemcpyAsync to the device");
    used_ = std::min(kHalf, (used_ + size + kAlign - 1) / kAlign * kAlign);
    done += size;
  }
}

Status CudaBackend::create() {
  const OnDevice on(device_);
  stream_.note(on.error(), "cudaSetDevice");
  size_t free = 0, total = 0;
  stream_.note(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  device_bytes_ = int64_t(total);
  stream_.note(cudaStreamCreateWithFlags(&stream_.handle, cudaStreamNonBlocking), "cudaStreamCreate");
  staging_.create(stream_);
  return wait();
}

CudaBackend::~CudaBackend() {
  const OnDevice on(device_);
  if (stream_.handle) (void)cudaStreamSynchronize(stream_.handle);
  side_queue_.reset();
  forget_recordings();
  staging_.destroy();
  workspace_.release();
  if (stream_.handle) (void)cudaStreamDestroy(stream_.handle);
  (void)cudaGetLastError();  // of a device that is lost: nobody else should find it
}

ChunkLimits CudaBackend::limits() const {
  const int64_t bytes = std::clamp(device_bytes_ / kDeviceShare, kLeastChunkBytes, kMostChunkBytes);
  return {bytes, bytes, bytes, bytes, kMostImages, 2 * kMostImages};
}

void* CudaBackend::allocate(size_t bytes) {
  if (stream_.error != cudaSuccess) return nullptr;
  const OnDevice on(device_);
  void* memory = nullptr;
  ++epoch_;
  const cudaError_t error = cudaMalloc(&memory, std::max<size_t>(bytes, 1));
  if (error == cudaSuccess) {
    stream_.note(cudaMemsetAsync(memory, 0, bytes, stream_.handle), "cudaMemset");
    return memory;
  }
  (void)cudaGetLastError();
  if (error != cudaErrorMemoryAllocation) stream_.note(error, "cudaMalloc");
  return nullptr;
}

void CudaBackend::release(void* memory) {
  if (!memory) return;
  const OnDevice on(device_);
  ++epoch_;
  if (cudaFree(memory) != cudaSuccess) (void)cudaGetLastError();  // what was wrong before shows where somebody waits
}

void CudaBackend::upload(void* to, const void* from_host, size_t bytes) {
  if (stream_.error != cudaSuccess) return;
  const OnDevice on(device_);
  staging_.upload(stream_, to, from_host, bytes);
}

void CudaBackend::download(void* to_host, const void* from, size_t bytes) {
  if (stream_.error == cudaSuccess) {
    const OnDevice on(device_);
    stream_.note(cudaMemcpyAsync(to_host, from, bytes, cudaMemcpyDeviceToHost, stream_.handle),
                 "cudaMemcpyAsync to the host");
    stream_.note(cudaStreamSynchronize(stream_.handle), "cudaStreamSynchronize");
  }
  if (stream_.error != cudaSuccess) std::memset(to_host, 0, bytes);
}

KernelChoice CudaBackend::execute(const ZeroTask& task) {
  if (stream_.error != cudaSuccess) return {};
  const OnDevice on(device_);
  stream_.note(cudaMemsetAsync(task.memory, 0, task.bytes, stream_.handle), "cudaMemset");
  return {};
}

void CudaBackend::copy(void* to, const void* from, size_t bytes) {
  if (stream_.error != cudaSuccess) return;
  const OnDevice on(device_);
  stream_.note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.handle),
               "cudaMemcpyAsync on the device");
}

// The thread that computes stays on the device (current_device.h): kernels are launched without asking again.
void CudaBackend::begin_batch() { stream_.note(cudaSetDevice(device_), "cudaSetDevice"); }

SideQueue* CudaBackend::side_queue() {
  const OnDevice on(device_);
  if (!side_queue_) side_queue_ = std::make_unique<CudaSideQueue>(stream_);
  return side_queue_.get();
}

int CudaBackend::steps_at_once() const { return kStepsAtOnce; }

bool CudaBackend::reserve_workspace(size_t bytes) {
  const OnDevice on(device_);
  if (bytes == 0) workspace_.release();
  const bool had = stream_.error == cudaSuccess;
  if (bytes == 0 || workspace_.reserve<char>(stream_, bytes)) return true;
  if (had && stream_.error == cudaErrorMemoryAllocation)
    stream_.error = cudaSuccess;  // nothing was enqueued that needed it
  return false;
}

int64_t CudaBackend::available_bytes() const {
  if (stream_.error != cudaSuccess) return -1;
  const OnDevice on(device_);
  size_t free = 0, total = 0;
  return cudaMemGetInfo(&free, &total) == cudaSuccess ? int64_t(free) : -1;
}

KernelChoice CudaBackend::resolve(const KernelChoice& choice) {
  if (!choice.pending) return choice;
  Choice counted{};
  download(&counted, choice.pending, sizeof counted);
  return {.kernel = counted.chosen == Variant::kEvents ? "bf16 events" : "bf16 tensor cores",
          .density = double(counted.fired) / double(std::max<int64_t>(1, counted.values))};
}

Status CudaBackend::wait() {
  if (!failed_.ok()) return failed_;
  if (stream_.error == cudaSuccess && stream_.handle) {
    const OnDevice on(device_);
    stream_.note(cudaStreamSynchronize(stream_.handle), "cudaStreamSynchronize");
  }
  if (stream_.error == cudaSuccess) return Status::success();
  const std::string what = text_of(stream_.error) + " from " + stream_.call;
  if (stream_.error == cudaErrorMemoryAllocation) {
    // The device is well. What the step enqueued since then did not run.
    stream_.error = cudaSuccess;
    return Status::error(Code::kOom, "Not enough memory on device " + std::to_string(device_) + ": " + what);
  }
  failed_.code = Code::kCuda;
  failed_.message =
      "CUDA device " + std::to_string(device_) + " failed: " + what + "; the last kernel was " + stream_.kernel;
  return failed_;
}

// A recording that an earlier step of the group still runs must stay until it has ended.
void CudaBackend::forget(Recording& recording) {
  if (!recording.graph) return;
  (void)cudaStreamSynchronize(stream_.handle);  // an error shows where somebody waits
  (void)cudaGraphExecDestroy(recording.graph);
  recording.graph = nullptr;
}

void CudaBackend::forget_recordings() {
  for (auto& [key, recording] : recordings_) forget(recording);
  recordings_.clear();
}

Status CudaBackend::capture(Recording& recording, const std::function<Status()>& enqueue) {
  if (const cudaError_t error = cudaStreamBeginCapture(stream_.handle, cudaStreamCaptureModeThreadLocal))
    return refuse(recording, "cudaStreamBeginCapture", error), Status::success();
  const Status status = guarded(enqueue);  // whatever happens, the recording ends
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream_.handle, &graph);
  if (status.ok()) {
    if (stream_.error != cudaSuccess) refuse(recording, stream_.call, stream_.error);
    else if (ended != cudaSuccess) refuse(recording, "cudaStreamEndCapture", ended);
    else if (const cudaError_t error = cudaGraphInstantiate(&recording.graph, graph, 0))
      refuse(recording, "cudaGraphInstantiate", error);
  }
  if (graph) (void)cudaGraphDestroy(graph);
  return status;
}

// Nothing of it ran: the step continues without a recording, call by call from now on. People can ask why (recorded()),
// because all that shows otherwise is that steps take longer.
void CudaBackend::refuse(Recording& recording, const char* call, cudaError_t error) {
  recording.refused = refused_ = true;
  recording.graph = nullptr;
  recorded_ = {false, text_of(error) + " from " + call + " while a step was recorded"};
  stream_.error = cudaSuccess;
  (void)cudaGetLastError();
}

Status CudaBackend::record(uint64_t key, const std::function<Status()>& enqueue) {
  if (!failed_.ok()) return failed_;
  const OnDevice on(device_);
  if (recordings_.size() > kMostRecordings) forget_recordings();
  Recording& recording = recordings_[key];  // made before the calls: behind them nothing may run out of memory
  if (recording.epoch != epoch_ + workspace_.growths()) {
    forget(recording);
    // The first time makes the workspace large enough.
    const Status status = guarded(enqueue);
    if (status.ok()) recording = {epoch_ + workspace_.growths(), false, nullptr};
    else recordings_.erase(key);
    return status;
  }
  if (!recording.graph && !recording.refused)
    if (Status status = capture(recording, enqueue); !status.ok()) return status;
  if (!recording.graph) return enqueue();
  stream_.note(cudaGraphLaunch(recording.graph, stream_.handle), "cudaGraphLaunch");
  if (!refused_) recorded_ = {true, {}};
  return Status::success();
}

}  // namespace onespike::cuda

namespace onespike {

Status make_cuda_backend(int device, Precision precision, std::unique_ptr<Backend>* backend) {
  if (Status status = probe_cuda_device(device); !status.ok()) return status;
  auto created = std::make_unique<cuda::CudaBackend>(device, precision);
  if (Status status = created->create(); !status.ok()) return status;
  *backend = std::move(created);
  return Status::success();
}

}  // namespace onespike
