// The ranks that train one network together: processes, or threads of one process, that hold the same parameters and
// add their gradients (docs/MATHEMATICS.md, "Shards and ranks").
#pragma once

#include <cstddef>
#include <string>

#include "core/status.h"

namespace onespike {

// One rank's end of the connection between all ranks. Every call blocks, and all ranks make the same calls in the same
// order. A call ends with kIo and a message that names the silent rank when a peer does not answer before the deadline
// of the implementation.
class Communicator {
 public:
  virtual ~Communicator() = default;

  // This process among the ranks, from 0 on.
  virtual int rank() const = 0;
  // The number of ranks, at least 1.
  virtual int size() const = 0;

  // Copies `bytes` bytes at `data` of the rank `root` to `data` of every other rank.
  virtual Status broadcast(void* data, size_t bytes, int root) = 0;
  // Sends `bytes` bytes to `peer` and receives as many from it. Both ranks call it, each naming the other; the two
  // buffers do not overlap.
  virtual Status exchange(int peer, const void* send, void* receive, size_t bytes) = 0;
  // Returns once every rank has called it.
  virtual Status barrier() = 0;

  // A rank in words.
  virtual std::string name(int rank) const { return "rank " + std::to_string(rank); }
  // Called over and over while numbers of `peer` are awaited on another way, and with kNobody when they have come; does
  // not block. Errors: kIo with the name of a rank that gives no sign of life or has failed.
  static constexpr int kNobody = -1, kEverybody = -2;
  virtual Status await(int /*peer*/) { return Status::success(); }
};

}  // namespace onespike
