// A network that meets most kernels and is small enough for the emulator.
#pragma once

#include <string>

#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/training/steps.h"

namespace onespike::test {

inline Case small_case(BackendKind backend, int images) {
  Random random(91);
  CaseSpec spec = network_spec(3, 8, 8, 4, {conv(16, 3, 1, 1, true), pool(2), conv(20), linear(24, true), output(5)});
  spec.on.kind = backend;
  spec.layers[0].dropout = 0.2f;
  return make_case(spec, images, random);
}

// Its message; fails unless it is an error of that code.
inline std::string message_of(const Status& status, Code code) {
  expect(status.code == code,
         std::string("expected ") + code_name(code) + " but received " + code_name(status.code) + " " + status.message);
  return status.message;
}

}  // namespace onespike::test
