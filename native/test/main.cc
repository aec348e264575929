// native_tests [SUBSTRING]: runs the tests whose name contains it, one line each; exit code 1 if any failed.
#include "test/runner.h"
#if ONESPIKE_WITH_CUDA
#include "test/cuda/tests.h"
#endif

int main(int argc, char** argv) {
  onespike::test::Tests tests;
  onespike::test::add_all_tests(tests);
#if ONESPIKE_WITH_CUDA
  onespike::test::add_kernel_tests(tests);
#endif
  return onespike::test::run_tests(tests, argc > 1 ? argv[1] : "");
}
