// Ranks whose backends exchange memory directly, without their hosts: what core wants of the connection and of the
// backend (core/shards/linked_sums.h).
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "core/status.h"

namespace onespike {

// So many bytes of the backend's memory on the way to a rank, or from it.
struct Transfer {
  int peer = 0;
  void* memory = nullptr;
  size_t bytes = 0;
  bool sends = true;
};

// One rank's end of the connection between the devices of all ranks. After a failure every call fails alike.
class DeviceLink {
 public:
  virtual ~DeviceLink() = default;

  // Enqueues transfers that take place together, behind what `queue` holds. What one rank sends to another, that one
  // receives, in the same order. Errors: kIo.
  virtual Status transfer(const std::vector<Transfer>& transfers, void* queue) = 0;
  // Called over and over while a transfer with `peer` (or Communicator::kEverybody) has not ended; `seconds` have
  // passed since it should have. Errors: kIo with the name of a rank that is silent or has failed, or with what is
  // wrong.
  virtual Status await(int peer, double seconds) = 0;
  // All that was awaited has come.
  virtual void arrived() = 0;
  // Ends transfers that are under way, whose numbers are lost. From then on every call fails.
  virtual void give_up() = 0;
};

// A second queue of a backend, for what travels between ranks while the first computes.
class SideQueue {
 public:
  virtual ~SideQueue() = default;

  // What a DeviceLink takes for it.
  virtual void* handle() const = 0;
  // What the backend is told by `calls` goes to this queue, behind all that the first holds now. Calls of one operation
  // at a time: no operation that needs a workspace.
  virtual void enqueue(const std::function<void()>& calls) = 0;
  // The first queue goes on when this one has come this far.
  virtual void join() = 0;

  // Marks how far the queue has come: forgets them, sets one behind all that it holds now.
  virtual void forget_marks() = 0;
  virtual void mark() = 0;
  struct Progress {
    size_t marks = 0;        // that it has passed
    bool first_idle = true;  // whether the first queue has ended
  };
  virtual Progress progress() = 0;

  // Whether the backend has failed: its finish() says why, at once.
  virtual bool failed() const = 0;
};

}  // namespace onespike
