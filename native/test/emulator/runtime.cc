// Errors, devices and memory.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

#include "test/emulator/control.h"
#include "test/emulator/cuda.h"
#include "test/emulator/runtime_state.h"

using onespike::emulator::note;
using onespike::emulator::Runtime;
using Guard = std::lock_guard<std::recursive_mutex>;

namespace onespike::emulator {

namespace {
thread_local cudaError_t last_error = cudaSuccess;
thread_local int device_of_thread = 0;
constexpr std::align_val_t kAlign{256};  // of cudaMalloc
}  // namespace

int& current_device() { return device_of_thread; }

Runtime& Runtime::get() {
  static Runtime runtime;
  return runtime;
}

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t Runtime::ready() {
  if (devices == 0) return cudaErrorNoDevice;
  contexts.insert(current_device());
  return sticky;
}

bool Runtime::capture_forbids() const {
  return std::any_of(capturing.begin(), capturing.end(), [](const auto& entry) {
    const Capture& c = entry.second;
    return c.mode == cudaStreamCaptureModeGlobal ||
           (c.mode == cudaStreamCaptureModeThreadLocal && c.thread == std::this_thread::get_id());
  });
}

bool Runtime::holds(const std::map<const char*, size_t>& blocks, const void* at) {
  const char* byte = static_cast<const char*>(at);
  auto next = blocks.upper_bound(byte);
  if (next == blocks.begin()) return false;
  --next;
  return byte < next->first + next->second;
}

void reset() {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  r.common.clear();
  for (auto& [stream, own] : r.queues) own.clear();
  r.sticky = cudaSuccess, r.failure.clear(), last_error = cudaSuccess;
  r.contexts.clear(), current_device() = 0;
  r.memory = size_t(4) << 30, r.devices = kDevices, r.major = 8, r.minor = 6, r.shared_limit = 101376;
  r.fail_after = -1, r.launches = 0, r.waits = 0;
  r.limits_set.clear(), r.lowered_limits = 0, r.lose_turns = r.refuse_graphs = false;
}
void set_memory(size_t bytes) { Runtime::get().memory = bytes; }
void set_devices(int count) { Runtime::get().devices = count; }
void set_capability(int major, int minor, int shared_bytes) {
  Runtime& r = Runtime::get();
  r.major = major, r.minor = minor, r.shared_limit = shared_bytes;
}
void fail_launch(int64_t count) { Runtime::get().fail_after = count; }
std::string last_failure() {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  return r.failure;
}
size_t memory_in_use() { return Runtime::get().in_use; }
std::vector<int> contexts() {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  return {r.contexts.begin(), r.contexts.end()};
}
int most_limits_set() {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  int most = 0;
  for (const auto& [kernel, times] : r.limits_set) most = std::max(most, times);
  return most;
}
int lowered_limits() { return Runtime::get().lowered_limits; }
void refuse_graphs(bool refuse) { Runtime::get().refuse_graphs = refuse; }
void lose_turns(bool lose) { Runtime::get().lose_turns = lose; }
int64_t launches() { return Runtime::get().launches; }
int64_t waits() { return Runtime::get().waits; }

}  // namespace onespike::emulator

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorNoKernelImageForDevice: return "cudaErrorNoKernelImageForDevice";
    case cudaErrorInvalidPtx: return "cudaErrorInvalidPtx";
    case cudaErrorUnsupportedPtxVersion: return "cudaErrorUnsupportedPtxVersion";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorMisalignedAddress: return "cudaErrorMisalignedAddress";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported: return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
  }
  return "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaGetLastError() {
  const cudaError_t error = onespike::emulator::last_error;
  onespike::emulator::last_error = Runtime::get().sticky;
  return error;
}
cudaError_t cudaPeekAtLastError() { return onespike::emulator::last_error; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = Runtime::get().devices;
  return note(*count ? cudaSuccess : cudaErrorNoDevice);
}
cudaError_t cudaSetDevice(int device) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (device < 0 || device >= r.devices) return note(cudaErrorInvalidDevice);
  onespike::emulator::current_device() = device;
  return note(r.ready());  // since CUDA 12 it makes the primary context
}
cudaError_t cudaGetDevice(int* device) {
  *device = onespike::emulator::current_device();
  return note(Runtime::get().devices ? cudaSuccess : cudaErrorNoDevice);
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  const bool found = std::strcmp(symbol, "cuDevicePrimaryCtxGetState") == 0;
  *function = found ? reinterpret_cast<void*>(&cuDevicePrimaryCtxGetState) : nullptr;
  if (result) *result = found ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned* flags, int* active) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (device < 0 || device >= r.devices) return CUDA_ERROR_INVALID_DEVICE;
  *flags = 0, *active = r.contexts.count(device) != 0;
  return CUDA_SUCCESS;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int device) {
  const Runtime& r = Runtime::get();
  if (device < 0 || device >= r.devices) return note(cudaErrorInvalidDevice);
  *p = {};
  std::snprintf(p->name, sizeof p->name, "emulated device");
  p->totalGlobalMem = r.memory, p->sharedMemPerBlock = 48 << 10, p->sharedMemPerBlockOptin = size_t(r.shared_limit);
  p->sharedMemPerMultiprocessor = size_t(r.shared_limit) + 1024;
  p->major = r.major, p->minor = r.minor, p->multiProcessorCount = 4, p->maxThreadsPerBlock = 1024, p->warpSize = 32;
  p->regsPerMultiprocessor = 65536, p->l2CacheSize = 4 << 20;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device)) return error;
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = int(p.sharedMemPerBlockOptin); break;
  }
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = Runtime::get().devices ? 13000 : 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  *total = r.memory, *free = r.memory > r.in_use ? r.memory - r.in_use : 0;
  return note(r.ready());
}

cudaError_t emulated_malloc(void** memory, size_t bytes) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  *memory = nullptr;
  if (const cudaError_t error = r.ready()) return note(error);
  if (r.capture_forbids()) return note(cudaErrorStreamCaptureUnsupported);
  if (bytes == 0) return cudaSuccess;
  if (r.in_use + bytes > r.memory) return note(cudaErrorMemoryAllocation);
  *memory = ::operator new(bytes, onespike::emulator::kAlign, std::nothrow);
  if (!*memory) return note(cudaErrorMemoryAllocation);
  std::memset(*memory, 0xff, bytes);  // nobody cleared it
  r.device[static_cast<char*>(*memory)] = bytes;
  r.in_use += bytes;
  return cudaSuccess;
}

cudaError_t emulated_malloc_host(void** memory, size_t bytes) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  *memory = nullptr;
  if (const cudaError_t error = r.ready()) return note(error);
  *memory = ::operator new(bytes, onespike::emulator::kAlign, std::nothrow);
  if (!*memory) return note(cudaErrorMemoryAllocation);
  r.pinned[static_cast<char*>(*memory)] = bytes;
  return cudaSuccess;
}

// Waits, as cudaFree does, and frees even when an error is left.
cudaError_t cudaFree(void* memory) {
  Runtime& r = Runtime::get();
  if (!memory) return cudaSuccess;
  const cudaError_t error = r.flush();
  Guard guard(r.mutex);
  const auto at = r.device.find(static_cast<char*>(memory));
  if (at == r.device.end()) return note(cudaErrorInvalidValue);
  r.in_use -= at->second;
  r.device.erase(at);
  ::operator delete(memory, onespike::emulator::kAlign);
  return note(error);
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t) { return cudaFree(memory); }
cudaError_t cudaFreeHost(void* memory) {
  Runtime& r = Runtime::get();
  if (!memory) return cudaSuccess;
  const cudaError_t error = r.flush();
  Guard guard(r.mutex);
  if (!r.pinned.erase(static_cast<char*>(memory))) return note(cudaErrorInvalidValue);
  ::operator delete(memory, onespike::emulator::kAlign);
  return note(error);
}

// Whether the copy has happened when the call returns: it writes pageable memory.
static cudaError_t enqueue_copy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream,
                                bool* waits) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) return note(error);
  const bool from_device = Runtime::holds(r.device, from), to_device = Runtime::holds(r.device, to);
  const bool fits = kind == cudaMemcpyHostToDevice     ? to_device && !from_device
                    : kind == cudaMemcpyDeviceToHost   ? from_device && !to_device
                    : kind == cudaMemcpyDeviceToDevice ? from_device && to_device
                                                       : true;
  if (bytes > 0 && !fits) return note(cudaErrorInvalidValue);
  const bool captured = stream && stream->graph;
  if (!from_device && !captured && !Runtime::holds(r.pinned, from)) {
    // Pageable memory is read before the call returns.
    std::vector<char> staged(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    r.add(stream,
          [to, staged = std::move(staged)] { return std::memcpy(to, staged.data(), staged.size()), cudaSuccess; });
    return cudaSuccess;
  }
  r.add(stream, [to, from, bytes] { return bytes ? std::memcpy(to, from, bytes) : nullptr, cudaSuccess; });
  *waits = !to_device && !captured && !Runtime::holds(r.pinned, to);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  bool waits = false;
  const cudaError_t error = enqueue_copy(to, from, bytes, kind, stream, &waits);
  return error == cudaSuccess && waits ? note(Runtime::get().flush(stream)) : error;
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  Runtime& r = Runtime::get();
  {
    Guard guard(r.mutex);
    if (r.capture_forbids()) return note(cudaErrorStreamCaptureUnsupported);
  }
  if (const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr)) return error;
  return note(r.flush(nullptr));
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) return note(error);
  if (bytes > 0 && !Runtime::holds(r.device, memory)) return note(cudaErrorInvalidValue);
  r.add(stream, [=] { return bytes ? std::memset(memory, value, bytes) : nullptr, cudaSuccess; });
  return cudaSuccess;
}
cudaError_t cudaMemset(void* memory, int value, size_t bytes) { return cudaMemsetAsync(memory, value, bytes, nullptr); }
