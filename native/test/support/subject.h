// What the conformance tests run on: they make their networks on the backend of the subject, so that one suite holds
// for all.
#pragma once

#include <string>

#include "backends.h"
#include "test/support/runner.h"

namespace onespike::test {

struct Subject {
  std::string name;  // follows the names of the tests
  BackendSpec on;
  bool emulated = false;  // thousands of times slower than what it stands for
};

const Subject& subject();  // of the test that runs; the CPU unless another was chosen
// How many of `count` cases the subject takes, for tests that go through many.
int cases(int count);

// The suite once more, on another subject. Tests that say nothing of a backend, or of the CPU's alone, are left out, by
// name.
void add_conformance_tests(Tests& tests, const Subject& subject);

}  // namespace onespike::test
