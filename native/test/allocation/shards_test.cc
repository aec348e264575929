// Running out of memory in steps over shards, on one rank and on two.
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "test/allocation/attempts.h"
#include "test/shards/shard_cases.h"
#include "test/shards/thread_ranks.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

const Counts kShards = {1, 2, 0, 1};

std::unique_ptr<Network> created(const Training& training) {
  std::unique_ptr<Network> network;
  expect_ok(create_network(training.spec, &network), "create " + training.name);
  return network;
}

// Steps of one rank that has all shards, on images so small that few rows allocate.
void one_rank(Training training) {
  training.spec.height = training.spec.width = 2;
  const Part part = part_of(training.spec, kShards, 0, kShards.size(), 5);
  const StepGroup group = group_of(training, part, nullptr);
  survives([&] { return created(training); }, 1,
           [&](Network& network, size_t, size_t, const Under& under) {
             std::vector<StepStats> stats;
             Answer answer{
                 under([&] { return network.train(group, training.mode, no_stop(), &stats); }), stats.size(), {}};
             for (const StepStats& one : stats) {
               answer.numbers = {one.loss, double(one.correct), one.gradient_norm};
               answer.numbers.insert(answer.numbers.end(), one.spikes.begin(), one.spikes.end());
             }
             return answer;
           });
}

Training small() {
  CaseSpec spec = network_spec(1, 4, 4, 2, {conv(16), output(kShardClasses)});
  return {"small", spec, Mode::kSnn, shard_sgd()};
}

// The same step on two ranks at once, under a failure of either.
struct TwoRanks {
  explicit TwoRanks(const Training& training) : training_(training) {
    for (size_t rank = 0; rank < 2; ++rank) {
      parts_.push_back(part_of(training.spec, kShards, 2 * rank, 2 * rank + 2, 5));
      networks.push_back(created(training));
    }
  }

  // A rank that is silent for so long has failed.
  void step(const Under& under, std::chrono::milliseconds deadline) {
    ThreadRanks ranks(2, deadline);
    std::vector<StepStats> stats[2];
    const StepGroup groups[2] = {group_of(training_, parts_[0], &ranks[0]), group_of(training_, parts_[1], &ranks[1])};
    std::atomic<bool> begun{false};
    std::atomic<int> ended{0};
    const auto of_rank = [&](int rank) {
      return [&, rank] {
        while (!begun) std::this_thread::yield();
        const auto at = size_t(rank);
        statuses[at] = networks[at]->train(groups[at], training_.mode, no_stop(), &stats[at]);
        ++ended;
      };
    };
    // Threads that run already: to start one takes memory as well.
    const auto both = [&] {
      begun = true;
      while (ended < 2) std::this_thread::yield();
      return Status::success();
    };
    on_threads({of_rank(0), of_rank(1), [&] { expect_ok(under(both), "both ranks"); }});
  }

  std::vector<std::unique_ptr<Network>> networks;
  Status statuses[2];

 private:
  const Training& training_;
  std::vector<Part> parts_;
};

// A rank without memory says so, the other that it is silent; each has made the step in full or not at all.
void two_ranks() {
  constexpr std::chrono::milliseconds kSoon{10}, kLate{20000};
  const Training training = small();
  TwoRanks undisturbed(training);
  const Kept before(*undisturbed.networks[0]);
  undisturbed.step(without_failure, kLate);
  const Kept after(*undisturbed.networks[0]);
  for (const Status& status : undisturbed.statuses) expect_ok(status, "undisturbed");
  expect(!(before == after) && after == Kept(*undisturbed.networks[1]), "a step changes both alike");

  const int64_t allocations = each_failure([&](const Under& under, const std::string& what) {
    TwoRanks ranks(training);
    ranks.step(under, kSoon);
    int made = 0;
    for (size_t rank = 0; rank < 2; ++rank) {
      const Status& status = ranks.statuses[rank];
      const std::string of = what + ", rank " + std::to_string(rank);
      expect(status.ok() || status.code == Code::kOom || status.code == Code::kIo,
             of + ": " + code_name(status.code) + " " + status.message);
      expect(Kept(*ranks.networks[rank]) == (status.ok() ? after : before), of + ": the step in full or not at all");
      made += status.ok();
    }
    if (made > 0) return;  // a rank that has gone on alone is not where the other is
    ranks.step(without_failure, kLate);
    for (size_t rank = 0; rank < 2; ++rank) {
      expect_ok(ranks.statuses[rank], what + ", once more");
      expect(Kept(*ranks.networks[rank]) == after, what + ": as if it had not failed");
    }
  });
  expect(allocations > 0, "no allocation failed");
}

}  // namespace

void add_allocation_shards_tests(Tests& tests) {
  // Of every kind of sums: those of the statistics, of what has schedules, of genes and of parameters of a code.
  for (const Training& training : trainings())
    if (const std::string& name = training.name; name == "ann with normalisation" || name == "genes" ||
                                                 name == "snn with schedules and an activity target" || name == "ttfs")
      tests.push_back({"memory runs out in a step over shards, " + name, [training] { one_rank(training); }});
  tests.push_back({"memory runs out on one of two ranks", two_ranks});
}

}  // namespace onespike::test
