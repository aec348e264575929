// Streams with their queues, events, graphs and launches.
#include <algorithm>

#include "test/emulator/runtime_state.h"

using onespike::emulator::Fault;
using onespike::emulator::FaultKind;
using onespike::emulator::ForeignStream;
using onespike::emulator::note;
using onespike::emulator::Operation;
using onespike::emulator::Runtime;
using Guard = std::lock_guard<std::recursive_mutex>;

namespace onespike::emulator {

Queue& Runtime::queue_of(EmulatedStream* stream) {
  const auto own = queues.find(stream);
  return own == queues.end() ? common : own->second;
}

void Runtime::add(EmulatedStream* stream, Operation operation) {
  if (stream && stream->graph) stream->graph->operations.push_back(std::move(operation));
  else queue_of(stream).push_back(std::move(operation));
}

bool Runtime::run_one(Queue& queue) {
  if (queue.empty()) return false;
  const cudaError_t error = queue.front()();
  if (error == cudaErrorNotReady) return false;
  queue.pop_front();
  sticky = error;
  if (sticky == cudaSuccess) return true;
  common.clear();
  for (auto& [stream, own] : queues) own.clear();
  return true;
}

bool Runtime::advance(Queue& first, const std::function<bool()>& done) {
  for (;;) {
    if (sticky != cudaSuccess || done()) return true;
    bool ran = run_one(first) || run_one(common);
    for (auto own = queues.begin(); !ran && own != queues.end(); ++own) ran = run_one(own->second);
    if (!ran) return false;
  }
}

cudaError_t Runtime::wait(Queue& first, const std::function<bool()>& done) {
  for (bool waited = false;; waited = true) {
    {
      const Guard guard(mutex);
      if (!waited) ++waits;
      if (advance(first, done)) return sticky;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

cudaError_t Runtime::flush(EmulatedStream* stream) {
  Queue* queue = nullptr;
  {
    const Guard guard(mutex);
    queue = &queue_of(stream);
  }
  return wait(*queue, [queue] { return queue->empty(); });
}

cudaError_t Runtime::flush() {
  return wait(common, [this] {
    return common.empty() && std::all_of(queues.begin(), queues.end(), [](const auto& entry) {
             return entry.first->device != current_device() || entry.second.empty();
           });
  });
}

namespace {

cudaError_t error_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kMisaligned: return cudaErrorMisalignedAddress;
    case FaultKind::kOutOfRange: return cudaErrorIllegalAddress;
    case FaultKind::kDiverged:
    case FaultKind::kOther: break;
  }
  return cudaErrorLaunchFailure;
}

bool fits(dim3 grid, dim3 block) {
  const uint64_t threads = uint64_t(block.x) * block.y * block.z;
  return threads > 0 && threads <= 1024 && block.z <= 64 && grid.x > 0 && grid.y > 0 && grid.z > 0 &&
         grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535;
}

// A block has 48 KiB unless its kernel was allowed more, and the static shared arrays of the kernel, which nobody tells
// here, count towards them: 1 KiB, the most that kernels of ours have. An H200 refused 48 KiB beside 128 static bytes.
constexpr size_t kSharedUnlessAllowed = (48 << 10) - (1 << 10);

size_t shared_limit(const Runtime& r, const void* kernel, int device) {
  const auto limit = r.shared_limits.find({kernel, device});
  return limit == r.shared_limits.end() ? kSharedUnlessAllowed : size_t(limit->second);
}

// Why a launch does not begin.
cudaError_t refused(const Runtime& r, EmulatedStream* stream, dim3 grid, dim3 block, size_t shared_bytes,
                    const void* kernel) {
  if (stream && stream->device != current_device()) return cudaErrorInvalidResourceHandle;
  if (!fits(grid, block)) return cudaErrorInvalidConfiguration;
  return shared_bytes <= shared_limit(r, kernel, current_device()) ? cudaSuccess : cudaErrorInvalidValue;
}

}  // namespace

void launch(cudaStream_t stream, dim3 grid, dim3 block, size_t shared_bytes, const char* name, const void* kernel,
            std::function<void()> call) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) {
    note(error);
    return;
  }
  if (const cudaError_t error = refused(r, stream, grid, block, shared_bytes, kernel)) {
    note(error);
    return;
  }
  r.add(stream, [&r, grid, block, shared_bytes, name, call = std::move(call)] {
    try {
      if (r.launches++ >= r.fail_after && r.fail_after >= 0) throw Fault(FaultKind::kOther, "failed as a test wanted");
      r.block.run_grid(grid, block, shared_bytes, call);
      return cudaSuccess;
    } catch (const Fault& fault) {
      r.failure = std::string(name) + ": " + fault.what();
      return error_of(fault.kind);
    }
  });
}

}  // namespace onespike::emulator

cudaError_t emulated_shared_limit(const void* kernel, int bytes) {
  Runtime& r = Runtime::get();
  {
    Guard guard(r.mutex);
    if (const cudaError_t error = r.ready()) return note(error);
    if (bytes < 0 || bytes > r.shared_limit) return note(cudaErrorInvalidValue);
    const std::pair at(kernel, onespike::emulator::current_device());
    const auto before = r.shared_limits.find(at);
    if (before != r.shared_limits.end() && bytes < before->second) ++r.lowered_limits;
    r.shared_limits[at] = bytes, ++r.limits_set[at];
  }
  if (r.lose_turns) std::this_thread::sleep_for(std::chrono::microseconds(200));
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  *stream = nullptr;
  if (const cudaError_t error = r.ready()) return note(error);
  const auto add = [](ForeignStream* to, bool (*step)(void*), void* data) {
    Runtime& runtime = Runtime::get();
    Guard lock(runtime.mutex);
    runtime.add(static_cast<EmulatedStream*>(to), [=] { return step(data) ? cudaSuccess : cudaErrorNotReady; });
  };
  *stream = new EmulatedStream{{add}, onespike::emulator::current_device(), nullptr};
  if (flags == cudaStreamNonBlocking) r.queues[*stream];
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  Runtime& r = Runtime::get();
  if (!stream) return note(cudaErrorInvalidValue);
  const cudaError_t error = r.flush(stream);
  Guard guard(r.mutex);
  r.queues.erase(stream);
  r.capturing.erase(stream);
  delete stream->graph;
  delete stream;
  return note(error);
}
// Why a call may not wait.
static cudaError_t forbidden(bool captured) {
  if (captured) return cudaErrorStreamCaptureUnsupported;
  return Runtime::get().devices == 0 ? cudaErrorNoDevice : cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t error = forbidden(stream && stream->graph);
  return note(error ? error : Runtime::get().flush(stream));
}
// A device works on while nobody waits for it.
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = forbidden(stream && stream->graph)) return note(error);
  const auto& queue = r.queue_of(stream);
  const bool ended = r.advance(r.queue_of(stream), [&] { return queue.empty(); });
  return note(ended ? r.sticky : cudaErrorNotReady);
}
cudaError_t cudaDeviceSynchronize() {
  Runtime& r = Runtime::get();
  {
    Guard guard(r.mutex);
    if (const cudaError_t error = forbidden(r.capture_forbids())) return note(error);
  }
  return note(r.flush());
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) return note(error);
  r.add(stream, [state = event->state, times = event->state->recorded] {
    return state->reached >= times ? cudaSuccess : cudaErrorNotReady;
  });
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  *event = nullptr;
  if (const cudaError_t error = r.ready()) return note(error);
  *event = new EmulatedEvent;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  delete event;
  return note(r.sticky);
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) return note(error);
  event->state->stream = stream;
  r.add(stream, [state = event->state, times = ++event->state->recorded] {
    state->time = std::chrono::steady_clock::now(), state->reached = times;
    return cudaSuccess;
  });
  return cudaSuccess;
}
static onespike::emulator::Queue& queue_of(const EmulatedEvent::State& state) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  return r.queue_of(state.stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Runtime& r = Runtime::get();
  const auto state = event->state;
  return note(r.wait(queue_of(*state), [&] { return state->reached >= state->recorded; }));
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  const auto& state = *event->state;
  const bool ended = r.advance(queue_of(state), [&] { return state.reached >= state.recorded; });
  return note(ended ? r.sticky : cudaErrorNotReady);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = std::chrono::duration<float, std::milli>(to->state->time - from->state->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) return note(error);
  if (!stream || stream->graph) return note(cudaErrorStreamCaptureUnsupported);
  stream->graph = new EmulatedGraph;
  r.capturing[stream] = {mode, std::this_thread::get_id()};
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (!stream || !stream->graph) return note(cudaErrorInvalidValue);
  *graph = stream->graph;
  stream->graph = nullptr;
  r.capturing.erase(stream);
  return note(r.sticky);
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  *status = stream && stream->graph ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = nullptr;
  if (Runtime::get().refuse_graphs) return note(cudaErrorNotSupported);
  *exec = new EmulatedGraph(*graph);
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  return note(r.ready());
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  if (const cudaError_t error = r.ready()) return note(error);
  for (const Operation& operation : exec->operations) r.add(stream, operation);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  Runtime& r = Runtime::get();
  Guard guard(r.mutex);
  delete exec;
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return cudaGraphExecDestroy(graph); }
