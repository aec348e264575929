#include "core/shards/sums.h"

#include <algorithm>

#include "core/shards/arrays.h"
#include "core/shards/tree.h"
#include "ops/ann/norm.h"

namespace onespike {
namespace {

// `sum` = the sum of `level` and what images add to, of a part; null = what images add to.
void add_level(NetworkState& net, const PartialSum& level, const PartialSum* sum, size_t part = kEveryPart) {
  add_values(net, level, sum, part);
  if (part < net.plan.stages.size()) return;
  StepResult* const result = net.result.data();
  net.backend->run(AddResultTask{.sum = sum ? sum->result.data() : result, .a = level.result.data(), .b = result});
}

void keep(NetworkState& net, const PartialSum& level) {
  each_sum(net, [&](const float* values, int64_t count, int64_t at) {
    net.backend->copy(level.values.data() + at, values, size_t(count) * sizeof(float));
  });
  net.backend->copy(level.result.data(), net.result.data(), sizeof(StepResult));
}

// What a rank sends: these numbers, the spikes of every stage, then the floats.
struct RankTotals {
  double loss = 0;
  int64_t correct = 0;
  int64_t groups = 0;

  void add(const RankTotals& other) { loss += other.loss, correct += other.correct, groups += other.groups; }
};

template <class T>
void add_all(T* sum, const T* other, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += other[i];
}

}  // namespace

Status prepare_shards(NetworkState& net, size_t shards, const Communicator* ranks, bool linked) {
  PartialSums& sums = net.sums;
  const int64_t count = count_sums(net);
  for (size_t level = 0; shards > 1 && (shards - 1) >> level; ++level) {
    if (sums.levels.size() == level) sums.levels.push_back(std::make_unique<PartialSum>(*net.backend));
    if (Status status = sums.levels[level]->ensure(count); !status.ok()) return status;
  }
  if (!ranks || ranks->size() == 1) return Status::success();
  if (linked) {
    const Status status = sums.linked.ensure(count);
    return status.ok() ? sums.spikes.ensure(int64_t(net.plan.stages.size())) : status;
  }
  const size_t bytes = sizeof(RankTotals) + net.plan.stages.size() * sizeof(int64_t) + size_t(count) * sizeof(float);
  sums.own.resize(bytes), sums.received.resize(bytes);
  return Status::success();
}

void begin_shards(NetworkState& net) { net.sums.groups = 0; }

void begin_shard(NetworkState& net) {
  net.backend->run(ZeroTask{net.result.data(), offsetof(StepResult, finite)});
  each_sum(net, [&](float* values, int64_t count, int64_t) {
    net.backend->run(ZeroTask{values, size_t(count) * sizeof(float)});
  });
  // A kernel is chosen by the images of the shard alone.
  for (StageBuffers& b : net.stages) b.backward_choice = {};
}

void add_values(NetworkState& net, const PartialSum& other, const PartialSum* sum, size_t part) {
  const auto add = [&](float* values, int64_t count, int64_t at) {
    net.backend->run(AddTask{
        .sum = sum ? sum->values.data() + at : values, .a = other.values.data() + at, .b = values, .count = count});
  };
  each_sum(net, add, part);
}

void add_earlier_shards(NetworkState& net, size_t i, size_t part) {
  for (size_t level = 0; i >> level; ++level)
    if (i >> level & 1) add_level(net, *net.sums.levels[level], nullptr, part);
}

void end_shard(NetworkState& net, size_t i, size_t shards, int64_t images) {
  net.sums.groups += norm_groups(net.plan.spec.norm_group, images);
  const auto& levels = net.sums.levels;
  if (i + 1 == shards) return add_earlier_shards(net, i, kEveryPart);
  // As when 1 is added to a binary number: the shard joins the sums of 1, 2, 4, ... shards before it.
  size_t level = 0;
  for (; i >> level & 1; ++level)
    add_level(net, *levels[level], i >> (level + 1) & 1 ? nullptr : levels[level + 1].get());
  if (level == 0) keep(net, *levels[0]);
}

Status add_ranks(NetworkState& net, Communicator& ranks) {
  if (ranks.size() == 1) return Status::success();
  Backend& backend = *net.backend;
  const auto stages = int64_t(net.plan.stages.size());
  const int64_t floats = count_sums(net);
  const auto totals = [](std::byte* packed) { return reinterpret_cast<RankTotals*>(packed); };
  const auto spikes = [](std::byte* packed) { return reinterpret_cast<int64_t*>(packed + sizeof(RankTotals)); };
  const auto values = [&](std::byte* packed) { return reinterpret_cast<float*>(spikes(packed) + stages); };
  std::byte *const own = net.sums.own.data(), *const received = net.sums.received.data();

  StepResult result;
  backend.download(&result, net.result.data(), sizeof result);
  backend.download(spikes(own), net.spikes.data(), size_t(stages) * sizeof(int64_t));
  each_sum(net, [&](const float* from, int64_t count, int64_t at) {
    backend.download(values(own) + at, from, size_t(count) * sizeof(float));
  });
  if (Status status = backend.finish(); !status.ok()) return status;
  *totals(own) = {result.loss, result.correct, net.sums.groups};

  const Status status = combine(ranks, own, received, net.sums.own.size(), [&] {
    totals(own)->add(*totals(received));
    add_all(spikes(own), spikes(received), stages);
    add_all(values(own), values(received), floats);
  });
  if (!status.ok()) return status;

  result.loss = totals(own)->loss, result.correct = totals(own)->correct;
  net.sums.groups = totals(own)->groups;
  backend.upload(net.result.data(), &result, sizeof result);
  backend.upload(net.spikes.data(), spikes(own), size_t(stages) * sizeof(int64_t));
  each_sum(net, [&](float* to, int64_t count, int64_t at) {
    backend.upload(to, values(own) + at, size_t(count) * sizeof(float));
  });
  return backend.finish();
}

Status first_layer_of(Communicator& ranks, int* layer) {
  int received = 0;
  return combine(ranks, layer, &received, sizeof *layer, [&] { *layer = std::min(*layer, received); });
}

}  // namespace onespike
