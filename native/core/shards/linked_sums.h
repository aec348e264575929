// The sums over shards and ranks where the devices of the ranks are linked: the same tree as add_ranks goes through,
// for each stage as soon as the backward pass of the last shard has left its gradients, beside the stages before it.
#pragma once

#include <vector>

#include "core/comm/communicator.h"
#include "core/comm/device_link.h"
#include "core/state/state.h"

namespace onespike {

// Of one step, whose shards on this rank have so many images.
class LinkedSums {
 public:
  LinkedSums(NetworkState& net, Communicator& ranks, DeviceLink& link, const std::vector<int64_t>& images);
  // Before its end, transfers may be under way that no other rank takes part in: they are ended.
  ~LinkedSums() {
    if (!ended_) link_.give_up();
  }
  LinkedSums(const LinkedSums&) = delete;

  // Before anything else, by the hosts: no rank enqueues a transfer to one that does not come this far. Errors: those
  // of the communicator.
  Status begin();
  // The gradients of this stage, and of all behind it, are complete.
  void stage_done(size_t stage);
  // All gradients are complete. Waits for the sums: what follows may rely on them. Errors: those of the link, kCuda.
  Status end();

 private:
  // Of a part (core/shards/arrays.h).
  void sum(size_t part);
  Status combine_part(size_t part);
  Status transfer(const std::vector<Transfer>& transfers, int peer);
  Status wait();

  NetworkState& net_;
  Communicator& ranks_;
  DeviceLink& link_;
  SideQueue& queue_;
  size_t shards_;
  int64_t groups_;          // that normalise their images
  size_t left_;             // stages that have not been summed, the first ones
  std::vector<int> peers_;  // of the transfers so far, each of which has a mark
  Status status_;           // of those
  bool ended_ = false;
};

}  // namespace onespike
