// native_tests [SUBSTRING]: runs the tests whose name contains it, one line each; exit code 1 if any failed.
#include <cstdio>

#include "core/devices.h"
#include "test/runner.h"
#include "test/subject.h"
#if ONESPIKE_WITH_CUDA
#include "test/cuda/tests.h"
#endif

int main(int argc, char** argv) {
  onespike::test::Tests tests;
  onespike::test::add_all_tests(tests);
  const onespike::Status cuda = onespike::probe_cuda_device(0);
  if (cuda.ok()) onespike::test::add_conformance_tests(tests, {"CUDA", onespike::BackendKind::kCuda, false});
  else std::printf("skip the conformance suite on CUDA: %s\n", cuda.message.c_str());
#if ONESPIKE_WITH_CUDA
  onespike::test::add_kernel_tests(tests);
#endif
  return onespike::test::run_tests(tests, argc > 1 ? argv[1] : "");
}
