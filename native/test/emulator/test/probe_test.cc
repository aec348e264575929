// The probe of native/cuda on the emulator's devices: what a device says of itself, and that only a kernel that ran
// makes it usable.
#include <atomic>
#include <thread>

#include "cuda/device/devices.h"
#include "test/emulator/control.h"
#include "test/emulator/test/tests.h"

namespace onespike::test {
namespace {

void lists_the_device() {
  std::string why = "unset";
  const std::vector<DeviceInfo> devices = cuda_devices(-1, &why);
  expect(cuda_built(), "this binary holds kernels");
  expect(devices.size() == 4 && why.empty(), "four devices, the first usable, but: " + why);
  const DeviceInfo& device = devices[0];
  expect(device.usable && device.reason.empty(), "a kernel ran");
  expect(device.name == "emulated device" && device.major == 8 && device.minor == 6,
         "name and capability of " + device.name);
  expect(device.memory_bytes == int64_t(4) << 30 && device.free_bytes > 0 && device.free_bytes <= device.memory_bytes,
         "memory");
  expect(device.driver >= device.runtime && device.runtime > 0, "versions");
}

void probes_once() {
  (void)probe_cuda_device(0);
  const int64_t before = emulator::launches();
  expect(probe_cuda_device(0).ok(), "device 0 is usable");
  std::string why;
  (void)cuda_devices(0, &why);
  expect(emulator::launches() == before, "no second probe");
}

// A probe of one device makes no context on another, on a thread that has used none.
void touches_the_wanted_device_alone() {
  Status status;
  std::thread([&] { status = probe_cuda_device(2); }).join();
  expect(status.ok(), status.message);
  const std::vector<int> contexts = emulator::contexts();
  expect(contexts == std::vector<int>{2}, std::to_string(contexts.size()) + " devices have contexts");
}

// One worker lists the devices while another one probes. A race shows under ThreadSanitizer alone.
void lists_while_another_probes() {
  std::atomic<bool> done{false};
  std::thread lister([&] {
    std::string why;
    while (!done) expect(cuda_devices(0, &why).size() == 4, "all devices");
  });
  const Status status = probe_cuda_device(3);
  done = true;
  lister.join();
  expect(status.ok(), status.message);
}

void refuses_a_device_that_is_not_there() {
  for (const int device : {4, 1000}) {
    const Status status = probe_cuda_device(device);
    expect(status.code == Code::kNoBackend &&
               status.message.find("no device " + std::to_string(device)) != std::string::npos,
           status.message);
    std::string why;
    expect(cuda_devices(device, &why).size() == 4 && why == status.message, "the same reason: " + why);
  }
}

}  // namespace

void add_probe_tests(Tests& tests) {
  tests.push_back({"probe: the device and what it says", lists_the_device});
  tests.push_back({"probe: once per device and process", probes_once});
  tests.push_back({"probe: no device but the wanted one", touches_the_wanted_device_alone});
  tests.push_back({"probe: listing while another thread probes", lists_while_another_probes});
  tests.push_back({"probe: a device that is not there", refuses_a_device_that_is_not_there});
}

}  // namespace onespike::test
