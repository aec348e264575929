#include "core/shards/linked_sums.h"

#include <chrono>
#include <thread>

#include "core/shards/arrays.h"
#include "core/shards/sums.h"
#include "core/shards/tree.h"
#include "ops/ann/norm.h"

namespace onespike {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int64_t count_groups(const NetworkState& net, const std::vector<int64_t>& images) {
  int64_t groups = 0;
  for (const int64_t count : images) groups += norm_groups(net.plan.spec.norm_group, count);
  return groups;
}

}  // namespace

LinkedSums::LinkedSums(NetworkState& net, Communicator& ranks, DeviceLink& link, const std::vector<int64_t>& images)
    : net_(net),
      ranks_(ranks),
      link_(link),
      queue_(*net.backend->side_queue()),
      shards_(images.size()),
      groups_(count_groups(net, images)),
      left_(net.plan.stages.size()) {}

Status LinkedSums::begin() {
  queue_.forget_marks();
  int64_t received = 0;
  return combine(ranks_, &groups_, &received, sizeof groups_, [&] { groups_ += received; });
}

void LinkedSums::stage_done(size_t stage) {
  while (left_ > stage) sum(--left_);
}

Status LinkedSums::end() {
  stage_done(0);
  sum(net_.plan.stages.size());
  if (status_.ok()) status_ = wait();
  if (!status_.ok()) return status_;
  queue_.join();
  net_.sums.groups = groups_;
  ended_ = true;
  return Status::success();
}

void LinkedSums::sum(size_t part) {
  if (!status_.ok()) return;
  queue_.enqueue([&] {
    add_earlier_shards(net_, shards_ - 1, part);
    status_ = combine_part(part);
  });
}

Status LinkedSums::combine_part(size_t part) {
  PartialSums& sums = net_.sums;
  const int stages = int(net_.plan.stages.size());
  const bool last = part == size_t(stages);
  std::vector<Transfer> own, received;
  const auto add_memory = [&](void* from, void* to, size_t bytes) {
    own.push_back({.memory = from, .bytes = bytes});
    received.push_back({.memory = to, .bytes = bytes});
  };
  const auto floats = [&](float* values, int64_t count, int64_t at) {
    add_memory(values, sums.linked.values.data() + at, size_t(count) * sizeof(float));
  };
  each_sum(net_, floats, part);
  if (last) add_memory(net_.result.data(), sums.linked.result.data(), sizeof(StepResult));
  if (last) add_memory(net_.spikes.data(), sums.spikes.data(), size_t(stages) * sizeof(int64_t));

  const auto append = [](std::vector<Transfer>* to, std::vector<Transfer> more, int peer, bool sends) {
    for (Transfer& each : more) each.peer = peer, each.sends = sends, to->push_back(each);
  };
  const auto exchange = [&](int peer) {
    std::vector<Transfer> both;
    append(&both, own, peer, true), append(&both, received, peer, false);
    return transfer(both, peer);
  };
  const auto add = [&] {
    add_values(net_, sums.linked, nullptr, part);
    if (last)
      net_.backend->run(AddResultTask{.sum = net_.result.data(),
                                      .a = sums.linked.result.data(),
                                      .b = net_.result.data(),
                                      .spikes = net_.spikes.data(),
                                      .more_spikes = sums.spikes.data(),
                                      .stages = stages});
  };
  const auto broadcast = [&] {
    std::vector<Transfer> from_first;
    if (ranks_.rank() > 0) append(&from_first, own, 0, false);
    for (int peer = 1; ranks_.rank() == 0 && peer < ranks_.size(); ++peer) append(&from_first, own, peer, true);
    return transfer(from_first, ranks_.rank() > 0 ? 0 : Communicator::kEverybody);
  };
  return combine(ranks_, exchange, add, broadcast);
}

Status LinkedSums::transfer(const std::vector<Transfer>& transfers, int peer) {
  if (queue_.failed()) return net_.backend->finish();  // before others receive what was not computed
  if (Status status = link_.transfer(transfers, queue_.handle()); !status.ok()) return status;
  queue_.mark();
  peers_.push_back(peer);
  return Status::success();
}

// Looks again and again: any other wait for the device would never end where a rank is silent.
Status LinkedSums::wait() {
  const Clock::time_point start = Clock::now();
  Clock::time_point due = start;  // when the transfer that is awaited should have ended
  for (size_t passed = 0;;) {
    const SideQueue::Progress now = queue_.progress();
    if (queue_.failed()) return net_.backend->finish();
    if (now.marks == peers_.size()) break;
    if (now.marks > passed || !now.first_idle) passed = now.marks, due = Clock::now();
    if (Status status = link_.await(peers_[passed], seconds_since(due)); !status.ok()) return status;
    // The other ranks come soon or late: the processor is another thread's in between, and idle after a while.
    if (seconds_since(start) < 0.02) std::this_thread::yield();
    else std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  link_.arrived();
  return Status::success();
}

}  // namespace onespike
