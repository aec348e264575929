// Networks that are trained in shards, and the steps of one rank.
#pragma once

#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/device_link.h"
#include "test/support/cases.h"

namespace onespike::test {

using Counts = std::vector<int64_t>;  // images of every shard

constexpr int kShardClasses = 7;

struct Training {
  std::string name;
  CaseSpec spec;
  Mode mode;
  OptimizerOptions optimizer = {};
  LossOptions loss = {};
};

// What a rank is given in a step.
struct Part {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  BatchShards shards;
  Batch batch() const {
    Batch whole{pixels.data(), labels.empty() ? nullptr : labels.data(), int64_t(labels.size())};
    whole.shards = &shards;
    return whole;
  }
};

OptimizerOptions shard_sgd();
CaseSpec normalised_spec(Precision precision = Precision::kFp32);

// Every mode and precision, random numbers wherever training draws some, codes, genes, schedules, an activity target.
std::vector<Training> trainings();

// The images of a step, shard by shard, and of these the shards from `begin` to `end`.
Part part_of(const NetworkSpec& spec, const Counts& counts, size_t begin, size_t end, uint64_t seed);

// One step of this rank's shards, which `part` outlives.
StepGroup group_of(const Training& training, const Part& part, Communicator* ranks, DeviceLink* link = nullptr);
Status train_part(Network& network, const Training& training, const Part& part, Communicator* ranks, StepStats* stats,
                  DeviceLink* link = nullptr);

// All that some steps on this rank's shards leave, number by number: parameters, slots, average, and what the steps
// reported. `ranks` is null for one rank, `link` where sums go through the hosts.
std::vector<float> train_rank(const Training& training, Communicator* ranks, int threads, DeviceLink* link = nullptr);

}  // namespace onespike::test
