#pragma once

#include "test/support/runner.h"

namespace onespike::test {

// The CUDA kernels against plain loops, on a GPU or on the emulator. None, and a line that says why, where no device
// works.
void add_kernel_tests(Tests& tests);
// Of add_kernel_tests.
void add_choice_tests(Tests& tests);
void add_first_stage_tests(Tests& tests);
void add_link_tests(Tests& tests);
// How weight gradients are divided among blocks, on the host alone.
void add_division_tests(Tests& tests);

}  // namespace onespike::test
