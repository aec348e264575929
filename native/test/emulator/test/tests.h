#pragma once

#include "test/support/runner.h"

namespace onespike::test {

void add_emulator_tests(Tests& tests);
void add_backend_tests(Tests& tests);
void add_device_tests(Tests& tests);
void add_residence_tests(Tests& tests);
void add_recording_tests(Tests& tests);
void add_probe_tests(Tests& tests);
void add_link_failure_tests(Tests& tests);

}  // namespace onespike::test
