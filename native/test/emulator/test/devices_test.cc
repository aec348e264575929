// Several networks and several devices in one process: networks that train at the same time do not disturb each other,
// and nothing touches a device that nobody asked for.
#include <thread>

#include "cuda/device/devices.h"
#include "cuda/device/launch.h"
#include "test/emulator/control.h"
#include "test/emulator/test/small.h"
#include "test/emulator/test/tests.h"

namespace onespike::test {
namespace {

__global__ void mark_kernel(int* to) { to[threadIdx.x] = 1; }

// The other network's limit comes between one network's own and its launch.
void networks_share_limits() {
  emulator::lose_turns(true);
  two_networks_at_once(BackendKind::kCuda);
  expect(emulator::lowered_limits() == 0, "an attribute that another network's launch may need was lowered");
}

// A new thread's current device is 0, which nobody asked for. Threads and calls are those of Node: created, written and
// read on one, trained on another.
void one_device_alone() {
  const Case c = mixed_case(6, 3, BackendKind::kCuda, 3);
  on_threads({[&] {
    const auto network = make_network(c);
    on_threads({[&] { (void)trained(*network, c); }});
    (void)read_bits(*network, TensorKind::kParameter);
    on_threads({[&] { expect_ok(network->calibrate(c.batch(), 99, 1, no_stop()), "calibrate"); }});
  }});
  const std::vector<int> contexts = emulator::contexts();
  expect(contexts == std::vector<int>{3},
         "contexts on " + std::to_string(contexts.size()) + " devices, the first is " + std::to_string(contexts[0]));
}

// Where another library works on a device, it finds it current after every call.
void a_device_in_use_stays_current() {
  const Case c = mixed_case(6, 3, BackendKind::kCuda, 3);
  on_threads({[&] {
    expect(cudaSetDevice(1) == cudaSuccess, "another library's device");
    const auto current = [](const std::string& after) {
      int device = -1;
      expect(cudaGetDevice(&device) == cudaSuccess && device == 1,
             "device " + std::to_string(device) + " after " + after);
    };
    {
      const auto network = make_network(c);
      current("creating and writing");
      (void)read_bits(*network, TensorKind::kParameter);
      current("reading");
      on_threads({[&] { (void)trained(*network, c); }});
      network->reset_optimizer();
      current("clearing");
    }
    current("disposing");
  }});
  expect(emulator::contexts() == std::vector<int>{1, 3}, "contexts of both and no other");
}

// The smallest interleaving that a limit per launch does not survive: the other thread's comes between this one's limit
// and its launch.
void two_threads_share_a_kernel() {
  emulator::lose_turns(true);
  const auto launches = [](int bytes) {
    return [bytes] {
      cuda::Stream stream;
      int* memory = nullptr;
      expect(cudaMalloc(&memory, 32 * sizeof(int)) == cudaSuccess, "memory");
      for (int i = 0; i < 200; ++i) cuda::launch(stream, dim3(1), dim3(32), size_t(bytes), "mark", mark_kernel, memory);
      expect(stream.error == cudaSuccess, std::to_string(bytes) + " bytes: " + cudaGetErrorName(stream.error));
      expect(cudaFree(memory) == cudaSuccess, "free");
    };
  };
  on_threads({launches(90 << 10), launches(60 << 10)});
}

// A launch may ask for less than one before it, and for the most that is promised, on every device.
void shared_memory_is_asked_for_once() {
  for (int device : {0, 1}) {
    expect(cudaSetDevice(device) == cudaSuccess, "device");
    cuda::Stream stream;
    int* memory = nullptr;
    expect(cudaMalloc(&memory, 32 * sizeof(int)) == cudaSuccess, "memory");
    for (size_t bytes : {size_t(60) << 10, size_t(cuda::kMaxShared), size_t(50) << 10, size_t(0)})
      cuda::launch(stream, dim3(1), dim3(32), bytes, "mark", mark_kernel, memory);
    expect(stream.error == cudaSuccess, std::string("launches: ") + cudaGetErrorName(stream.error));
    cuda::launch(stream, dim3(1), dim3(32), cuda::kMaxShared + 1, "greedy", mark_kernel, memory);
    expect(stream.error == cudaErrorInvalidValue && std::string(stream.call) == "greedy",
           "more than any kernel may use");
    expect(cudaFree(memory) == cudaSuccess, "free");
  }
  expect(emulator::most_limits_set() == 1 && emulator::lowered_limits() == 0, "once per kernel and device");
}

}  // namespace

void add_device_tests(Tests& tests) {
  tests.push_back({"CUDA devices: two networks at once leave each other their shared memory", networks_share_limits});
  tests.push_back({"CUDA devices: a network touches its own device alone", one_device_alone});
  tests.push_back({"CUDA devices: a device that others use stays current", a_device_in_use_stays_current});
  tests.push_back(
      {"CUDA devices: two threads launch a kernel with different shared memory", two_threads_share_a_kernel});
  tests.push_back(
      {"CUDA devices: shared memory is asked for once per kernel and device", shared_memory_is_asked_for_once});
}

}  // namespace onespike::test
