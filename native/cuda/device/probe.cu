// Which GPUs there are and whether a kernel of this binary runs on them. A driver that shows a device proves nothing:
// it may be too old for this runtime, the binary may hold no code for the device, the device may be lost. So a kernel
// is run.
#include <cuda_runtime.h>

#include <cstdlib>
#include <mutex>
#include <vector>

#include "cuda/device/devices.h"
#include "cuda/device/current_device.h"
#include "cuda/device/launch.h"

namespace onespike {
namespace {

constexpr int kProbeThreads = 32;

__global__ void write_squares(int* to) { to[threadIdx.x] = int(threadIdx.x * threadIdx.x); }

// 13000 -> 13.0
std::string cuda_version(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string cuda_text(cudaError_t error) {
  return std::string(cudaGetErrorName(error)) + " (" + cudaGetErrorString(error) + ")";
}

int driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

int runtime_version() {
  int version = 0;
  return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}

// Why the driver shows no device.
std::string why_no_device(cudaError_t error) {
  const int driver = driver_version();
  if (driver == 0) return "no NVIDIA driver is installed (libcuda.so.1 was not found)";
  if (error == cudaErrorInsufficientDriver)
    return "the NVIDIA driver knows CUDA " + cuda_version(driver) + " and this binary needs a driver for " +
           cuda_version(runtime_version()) + " or newer";
  if (error != cudaSuccess && error != cudaErrorNoDevice) return "the NVIDIA driver answers " + cuda_text(error);
  // The driver, which was called just now, reads the environment in the same way.
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");  // NOLINT(concurrency-mt-unsafe)
  return "the NVIDIA driver shows no device" +
         (visible ? " (CUDA_VISIBLE_DEVICES is '" + std::string(visible) + "')" : std::string());
}

struct Device {
  DeviceInfo info;
  bool probed = false;
};

// Looks for devices the first time it is asked. Process-wide like the driver's own state: a driver or a device that is
// missing once stays missing for this process.
struct Devices {
  std::mutex mutex;  // for what probes write; which devices there are never changes
  std::vector<Device> list;
  std::string why_none;

  Devices() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) {
      why_none = why_no_device(error);
      (void)cudaGetLastError();
      return;
    }
    for (int i = 0; i < count; ++i) {
      DeviceInfo& info = list.emplace_back().info;
      cudaDeviceProp properties{};
      if (cudaGetDeviceProperties(&properties, i) == cudaSuccess) {
        info.name = properties.name;
        info.major = properties.major, info.minor = properties.minor;
        info.memory_bytes = int64_t(properties.totalGlobalMem);
      }
      info.driver = driver_version(), info.runtime = runtime_version();
    }
  }
};

Devices& devices() {
  static Devices all;
  return all;
}

bool are_squares(const int (&results)[kProbeThreads]) {
  bool right = true;
  for (int i = 0; i < kProbeThreads; ++i) right = right && results[i] == i * i;
  return right;
}

// Runs the kernel on the current device and reads back what it wrote.
cudaError_t run_probe(int64_t* free_bytes, bool* right) {
  int results[kProbeThreads] = {};
  int* memory = nullptr;
  cudaError_t error = cudaMalloc(&memory, sizeof(results));
  if (error == cudaSuccess) {
    cuda::Stream stream;
    cuda::launch(stream, dim3(1), dim3(kProbeThreads), 0, "write_squares", write_squares, memory);
    error = stream.error;
  }
  if (error == cudaSuccess) error = cudaMemcpy(results, memory, sizeof(results), cudaMemcpyDeviceToHost);
  if (memory) (void)cudaFree(memory);
  size_t free = 0, total = 0;
  if (error == cudaSuccess) error = cudaMemGetInfo(&free, &total);
  *free_bytes = int64_t(free);
  *right = are_squares(results);
  return error;
}

// The same kernel once more, recorded and replayed as the steps of a network are. Empty if that works, else why not.
std::string probe_graph() {
  int results[kProbeThreads] = {};
  int* memory = nullptr;
  cuda::Stream stream;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  stream.note(cudaMalloc(&memory, sizeof(results)), "cudaMalloc");
  stream.note(cudaMemset(memory, 0, sizeof(results)), "cudaMemset");
  stream.note(cudaStreamCreateWithFlags(&stream.handle, cudaStreamNonBlocking), "cudaStreamCreate");
  stream.note(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
  if (stream.error == cudaSuccess)
    stream.note(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  if (stream.error == cudaSuccess) {
    cuda::launch(stream, dim3(1), dim3(kProbeThreads), 0, "write_squares", write_squares, memory);
    stream.note(cudaStreamEndCapture(stream.handle, &graph), "cudaStreamEndCapture");
  }
  if (stream.error == cudaSuccess) stream.note(cudaGraphInstantiate(&exec, graph, 0), "cudaGraphInstantiate");
  if (stream.error == cudaSuccess) stream.note(cudaGraphLaunch(exec, stream.handle), "cudaGraphLaunch");
  if (stream.error == cudaSuccess) stream.note(cudaStreamSynchronize(stream.handle), "cudaStreamSynchronize");
  if (stream.error == cudaSuccess)
    stream.note(cudaMemcpy(results, memory, sizeof(results), cudaMemcpyDeviceToHost), "cudaMemcpy");
  if (exec) (void)cudaGraphExecDestroy(exec);
  if (graph) (void)cudaGraphDestroy(graph);
  if (stream.handle) (void)cudaStreamDestroy(stream.handle);
  if (memory) (void)cudaFree(memory);
  (void)cudaGetLastError();
  if (stream.error != cudaSuccess) return cuda_text(stream.error) + " from " + stream.call;
  return are_squares(results) ? "" : "a recorded kernel wrote wrong results";
}

void probe(int device, DeviceInfo& info) {
  int64_t free_bytes = 0;
  bool right = false;
  const cuda::OnDevice on(device);
  const cudaError_t error = on.error() == cudaSuccess ? run_probe(&free_bytes, &right) : on.error();
  if (error == cudaSuccess && right) {
    info.usable = true;
    info.free_bytes = free_bytes;
    info.graphs_reason = probe_graph();
    info.graphs = info.graphs_reason.empty();
  } else {
    const std::string what = "device " + std::to_string(device) + " (" + info.name + ", compute capability " +
                             std::to_string(info.major) + "." + std::to_string(info.minor) + ")";
    if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorUnsupportedPtxVersion ||
        error == cudaErrorInvalidPtx) {
      info.reason = what + " has no code in this binary, which was built for " ONESPIKE_CUDA_BUILT_FOR;
    } else {
      info.reason =
          what + " failed a small kernel: " + (error == cudaSuccess ? std::string("wrong results") : cuda_text(error));
    }
    (void)cudaGetLastError();
  }
}

}  // namespace

bool cuda_built() { return true; }

Status probe_cuda_device(int device) {
  Devices& all = devices();
  if (all.list.empty()) return Status::error(Code::kNoBackend, all.why_none);
  if (device < 0 || device >= int(all.list.size())) {
    return Status::error(Code::kNoBackend, "there is no device " + std::to_string(device) +
                                               ": the NVIDIA driver shows " + std::to_string(all.list.size()));
  }
  Device& wanted = all.list[size_t(device)];
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (!wanted.probed) probe(device, wanted.info);
  wanted.probed = true;
  return wanted.info.usable ? Status::success() : Status::error(Code::kNoBackend, wanted.info.reason);
}

Status use_cuda_device(int device) {
  Status status = probe_cuda_device(device);
  const cudaError_t error = status.ok() ? cudaSetDevice(device) : cudaSuccess;
  return error == cudaSuccess ? status : Status::error(Code::kNoBackend, cuda_text(error) + " from cudaSetDevice");
}

std::vector<DeviceInfo> cuda_devices(int wanted, std::string* why_none) {
  Devices& all = devices();
  *why_none = all.why_none;
  if (wanted >= 0) *why_none = probe_cuda_device(wanted).message;
  for (int i = 0; wanted < 0 && i < int(all.list.size()); ++i) {
    const Status status = probe_cuda_device(i);
    if (status.ok()) {
      why_none->clear();
      break;
    }
    *why_none += (i > 0 ? "; " : "") + status.message;
  }
  std::vector<DeviceInfo> list;
  const std::lock_guard<std::mutex> lock(all.mutex);  // another worker may be probing one of them
  for (const Device& device : all.list) list.push_back(device.info);
  return list;
}

}  // namespace onespike
