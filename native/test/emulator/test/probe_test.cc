// The probe of native/cuda on the emulator's one device: what a device says of itself, and that only a kernel that ran
// makes it usable.
#include "cuda/device/devices.h"
#include "test/emulator/control.h"
#include "test/emulator/test/tests.h"

namespace onespike::test {
namespace {

void lists_the_device() {
  emulator::reset();
  std::string why = "unset";
  const std::vector<DeviceInfo> devices = cuda_devices(-1, &why);
  expect(cuda_built(), "this binary holds kernels");
  expect(devices.size() == 1 && why.empty(), "one device, usable, but: " + why);
  const DeviceInfo& device = devices[0];
  expect(device.usable && device.reason.empty(), "a kernel ran");
  expect(device.name == "emulated device" && device.major == 8 && device.minor == 6,
         "name and capability of " + device.name);
  expect(device.memory_bytes == int64_t(4) << 30 && device.free_bytes > 0 && device.free_bytes <= device.memory_bytes,
         "memory");
  expect(device.driver >= device.runtime && device.runtime > 0, "versions");
}

void probes_once() {
  emulator::reset();
  (void)probe_cuda_device(0);
  const int64_t before = emulator::launches();
  expect(probe_cuda_device(0).ok(), "device 0 is usable");
  std::string why;
  (void)cuda_devices(0, &why);
  expect(emulator::launches() == before, "no second probe");
}

void refuses_a_device_that_is_not_there() {
  emulator::reset();
  for (const int device : {1, 1000}) {
    const Status status = probe_cuda_device(device);
    expect(status.code == Code::kNoBackend &&
               status.message.find("no device " + std::to_string(device)) != std::string::npos,
           status.message);
    std::string why;
    expect(cuda_devices(device, &why).size() == 1 && why == status.message, "the same reason: " + why);
  }
}

}  // namespace

void add_probe_tests(Tests& tests) {
  tests.push_back({"probe: the device and what it says", lists_the_device});
  tests.push_back({"probe: once per device and process", probes_once});
  tests.push_back({"probe: a device that is not there", refuses_a_device_that_is_not_there});
}

}  // namespace onespike::test
