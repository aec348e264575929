#include "core/shards/sums.h"

#include <algorithm>

#include "ops/ann/norm.h"

namespace onespike {
namespace {

// Calls f(array, count, at) for every array of floats that the images of a step add to, in one order: `at` is its place
// where all of them stand one after the other. Returns the number of floats.
template <class F>
int64_t each_sum(const NetworkState& net, const F& f) {
  int64_t at = 0;
  const auto visit = [&](float* values, int64_t count) {
    f(values, count, at);
    at += count;
  };
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    visit(net.d_weight(i), net.pools_currents(i) ? s.weights() : s.parameters());
    visit(net.parameters[i].d_bias, s.out_cs);
    const Buffer<float>& sums = net.stages[i].norm_sums;
    if (sums.data()) visit(sums.data(), 2 * s.out_cs);
  }
  net.parameters.each_shared_gradient(visit);
  return at;
}

int64_t count_sums(const NetworkState& net) {
  return each_sum(net, [](float*, int64_t, int64_t) {});
}

// `sum` = the sum of `level` and what images add to; either may be `sum`.
void add_level(NetworkState& net, const PartialSum& level, const PartialSum* sum) {
  each_sum(net, [&](float* values, int64_t count, int64_t at) {
    net.backend->run(AddTask{
        .sum = sum ? sum->values.data() + at : values, .a = level.values.data() + at, .b = values, .count = count});
  });
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

// Combines what every rank has in `own` into the same on all of them: add() joins `own` and `received`. The tree is
// that of neighbouring ranks, balanced where their number is a power of two.
template <class Add>
Status combine(Communicator& ranks, void* own, void* received, size_t bytes, const Add& add) {
  const int rank = ranks.rank(), size = ranks.size();
  const bool doubling = (size & (size - 1)) == 0;
  for (int distance = 1; distance < size; distance *= 2) {
    const bool lower = doubling ? (rank & distance) == 0 : rank % (2 * distance) == 0;
    const bool upper = doubling ? !lower : rank % (2 * distance) == distance;
    const int peer = lower ? rank + distance : rank - distance;
    if ((!lower && !upper) || peer >= size) continue;
    if (Status status = ranks.exchange(peer, own, received, bytes); !status.ok()) return status;
    if (lower || doubling) add();  // a sum of two floats is the same in either order
  }
  return doubling ? Status::success() : ranks.broadcast(own, bytes, 0);
}

}  // namespace

Status prepare_shards(NetworkState& net, size_t shards, const Communicator* ranks) {
  PartialSums& sums = net.sums;
  const int64_t count = count_sums(net);
  for (size_t level = 0; shards > 1 && (shards - 1) >> level; ++level) {
    if (sums.levels.size() == level) sums.levels.push_back(std::make_unique<PartialSum>(*net.backend));
    Status status = sums.levels[level]->values.ensure(count);
    if (status.ok()) status = sums.levels[level]->result.ensure(1);
    if (!status.ok()) return status;
  }
  if (!ranks || ranks->size() == 1) return Status::success();
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

void end_shard(NetworkState& net, size_t i, size_t shards, int64_t images) {
  net.sums.groups += norm_groups(net.plan.spec.norm_group, images);
  const auto& levels = net.sums.levels;
  if (i + 1 == shards) {
    for (size_t level = 0; i >> level; ++level)
      if (i >> level & 1) add_level(net, *levels[level], nullptr);
    return;
  }
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
