#include "test/allocation/attempts.h"

#include <algorithm>
#include <stdexcept>

#include "test/support/cases.h"
#include "test/allocation/failing_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

// Makes a call with allocation `at` failing, and says in `reached` whether there was one.
Under failing_at(int64_t at, Failing failing, bool* reached) {
  return [=](const std::function<Status()>& call) {
    Status status;
    bool left = false;
    {
      const FailingMemory memory(at, failing);
      try {
        status = call();
      } catch (const std::exception&) {
        left = true;
      }
      *reached = memory.reached();
    }
    expect(!left, "allocation " + std::to_string(at) + ": an exception left the call");
    return status;
  };
}

}  // namespace

Status without_failure(const std::function<Status()>& call) { return call(); }

int64_t each_failure(const std::function<void(const Under& under, const std::string& what)>& attempt) {
  // All that the second kind adds is what fails on the way out, which is the same from many places.
  constexpr int64_t kStride = 4;
  int64_t count = 0;
  for (Failing failing : {Failing::kOne, Failing::kAll}) {
    const int64_t stride = failing == Failing::kOne ? 1 : kStride;
    bool reached = true;
    for (int64_t at = 0; reached; at += stride) {
      const std::string what = "allocation " + std::to_string(at) + (failing == Failing::kAll ? " and all behind" : "");
      const int64_t before = live_blocks();
      attempt(failing_at(at, failing, &reached), what);
      const int64_t left = live_blocks() - before;
      expect(left == 0, what + ": " + std::to_string(left) + " blocks were left behind");
      if (reached) count = std::max(count, at + 1);
    }
  }
  return count;
}

void expect_no_memory(const Status& status, const std::string& what) {
  expect(status.code == Code::kOom && !status.message.empty(),
         what + ": expected ERR_OOM and a message but received " + code_name(status.code) + " " + status.message);
}

Kept::Kept(const Network& network)
    : optimizer_steps(network.optimizer_steps()),
      random_step(network.random_step()),
      activity(network.activity()),
      averaged(network.averaged()) {
  using enum TensorKind;
  for (const TensorKind kind : {kParameter, kSlot0, kSlot1, kSlot2, kAverage})
    tensors.push_back(read_bits(network, kind));
}

void survives(const std::function<std::unique_ptr<Network>()>& make, size_t count, const Steps& steps) {
  std::vector<Kept> states;  // after so many steps
  std::vector<double> expected;
  {
    const auto network = make();
    states.emplace_back(*network);
    for (size_t i = 0; i < count; ++i) {
      const Answer one = steps(*network, i, i + 1, without_failure);
      expect_ok(one.status, "undisturbed");
      expected.insert(expected.end(), one.numbers.begin(), one.numbers.end());
      states.emplace_back(*network);
    }
  }
  const int64_t allocations = each_failure([&](const Under& under, const std::string& what) {
    const auto network = make();
    Answer answer = steps(*network, 0, count, under);
    if (!answer.status.ok()) expect_no_memory(answer.status, what);
    expect(answer.status.ok() == (answer.made > 0), what + ": an error if no step was made, and only then");
    expect(Kept(*network) == states[answer.made], what + ": as after " + std::to_string(answer.made) + " steps");
    if (answer.made < count) {
      const Answer rest = steps(*network, answer.made, count, without_failure);
      expect_ok(rest.status, what + ", the rest");
      answer.numbers.insert(answer.numbers.end(), rest.numbers.begin(), rest.numbers.end());
    }
    expect(Kept(*network) == states.back() && answer.numbers == expected, what + ": as if it had not failed");
  });
  expect(allocations > 0, "no allocation failed");
}

}  // namespace onespike::test
