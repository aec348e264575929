// native_tests_emulated [SUBSTRING...]: the emulator's own tests, those of the CUDA kernels, and the conformance suite
// on the CUDA backend, all of it on the emulator.
#include <utility>

#include "test/cuda/tests.h"
#include "test/emulator/control.h"
#include "test/emulator/test/tests.h"
#include "test/support/subject.h"

int main(int argc, char** argv) {
  using namespace onespike::test;
  Tests tests;
  add_emulator_tests(tests);
  add_probe_tests(tests);
  add_kernel_tests(tests);
  add_backend_tests(tests);
  add_device_tests(tests);
  add_residence_tests(tests);
  add_recording_tests(tests);
  add_link_failure_tests(tests);
  add_conformance_tests(tests, {"CUDA on the emulator", {onespike::BackendKind::kCuda}, true});
  // No test meets devices, errors or limits that one before it has left.
  for (Test& test : tests)
    test.run = [run = std::move(test.run)] {
      onespike::emulator::reset();
      run();
    };
  return run_tests(tests, argc, argv);
}
