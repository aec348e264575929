// native_tests [--share=I/N] [SUBSTRING...]: runs the tests whose name contains one, one line each; exit code 1 if any
// failed. Where a GPU works, its kernels are tested and the conformance suite runs on it as well.
#include <cstdio>

#include "cuda/device/devices.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#if ONESPIKE_WITH_CUDA
#include "test/cuda/tests.h"
#endif
#ifndef ONESPIKE_EMULATED
#define ONESPIKE_EMULATED 0
#endif

int main(int argc, char** argv) {
  using namespace onespike::test;
  Tests tests;
  add_all_tests(tests);
  const onespike::Status cuda = onespike::probe_cuda_device(0);
  if (cuda.ok()) add_conformance_tests(tests, {"CUDA", {onespike::BackendKind::kCuda}, ONESPIKE_EMULATED});
  else std::printf("skip the conformance suite on CUDA: %s\n", cuda.message.c_str());
#if ONESPIKE_WITH_CUDA
  add_kernel_tests(tests);
#endif
  return run_tests(tests, argc, argv);
}
