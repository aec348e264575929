// native_tests_emulated [SUBSTRING]: like native_tests, with the CUDA backend on the emulator.
#include "test/emulator/tests.h"

int main(int argc, char** argv) {
  using namespace onespike::test;
  Tests tests;
  add_emulator_tests(tests);
  add_probe_tests(tests);
  add_all_tests(tests);
  return run_tests(tests, argc > 1 ? argv[1] : "");
}
