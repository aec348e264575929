// Calls in which every allocation there is fails in turn, and what must hold of each: a call answers kOom, or goes on
// without what it could not have; nothing leaks, and the network is what it was before, so that it goes on
// bit-identical to one that never failed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/network.h"

namespace onespike::test {

// Makes a call with memory that fails, or with all it wants. Fails where an exception leaves the call.
using Under = std::function<Status(const std::function<Status()>& call)>;
Status without_failure(const std::function<Status()>& call);

// Calls attempt(under, what) with the first allocation failing, then with the second, and so on until none fails; and
// with several of them and all behind, as when the memory is gone for good. Nothing of an attempt may stay behind in
// memory. Returns how many allocations there were.
int64_t each_failure(const std::function<void(const Under& under, const std::string& what)>& attempt);

void expect_no_memory(const Status& status, const std::string& what);

// What a network keeps from one call to the next.
struct Kept {
  explicit Kept(const Network& network);
  bool operator==(const Kept&) const = default;

  std::vector<std::vector<float>> tensors;
  int64_t optimizer_steps;
  uint64_t random_step;
  double activity;
  bool averaged;
};

struct Answer {
  Status status;
  size_t made = 0;              // steps, also of a call that ended in the middle
  std::vector<double> numbers;  // of these steps
};
// Steps [first, last), each of which happens in full or not at all.
using Steps = std::function<Answer(Network& network, size_t first, size_t last, const Under& under)>;

// `count` steps of a network that `make` makes, under every failure: those that were made have changed it, the others
// have not, and are made afterwards with what an undisturbed network answers.
void survives(const std::function<std::unique_ptr<Network>()>& make, size_t count, const Steps& steps);

}  // namespace onespike::test
