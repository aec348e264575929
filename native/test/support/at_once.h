// Several networks in one process, on several threads.
#pragma once

#include <functional>
#include <vector>

#include "test/support/cases.h"

namespace onespike::test {

// Runs each on a thread of its own, and throws what one of them threw.
void on_threads(const std::vector<std::function<void()>>& bodies);

// A small network in mixed precision. On a GPU the products of its inner stage take more shared memory than a kernel
// has without asking, and how much depends on `side` and `kernel`.
Case mixed_case(int side, int kernel, BackendKind backend, int device = 0);

// Its parameters after some steps of training: on a GPU the first ones are made call by call, the others replayed.
std::vector<float> trained(Network& network, const Case& c);

// Fails unless two networks that train at the same time have the parameters of each trained alone.
void two_networks_at_once(BackendKind backend);

}  // namespace onespike::test
