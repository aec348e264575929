// The tree by which ranks combine what each of them has: that of neighbouring ranks, balanced where their number is a
// power of two.
#pragma once

#include "core/comm/communicator.h"

namespace onespike {

// Leaves the same on all ranks. exchange(peer) gives a rank what this one has and gets as much from it, add() joins the
// two, and broadcast() gives all what rank 0 has.
template <class Exchange, class Add, class Broadcast>
Status combine(const Communicator& ranks, const Exchange& exchange, const Add& add, const Broadcast& broadcast) {
  const int rank = ranks.rank(), size = ranks.size();
  const bool doubling = (size & (size - 1)) == 0;
  for (int distance = 1; distance < size; distance *= 2) {
    const bool lower = doubling ? (rank & distance) == 0 : rank % (2 * distance) == 0;
    const bool upper = doubling ? !lower : rank % (2 * distance) == distance;
    const int peer = lower ? rank + distance : rank - distance;
    if ((!lower && !upper) || peer >= size) continue;
    if (Status status = exchange(peer); !status.ok()) return status;
    if (lower || doubling) add();  // a sum of two floats is the same in either order
  }
  return doubling ? Status::success() : broadcast();
}

// The same of so many bytes of the host: add() joins `own` and `received` in `own`.
template <class Add>
Status combine(Communicator& ranks, void* own, void* received, size_t bytes, const Add& add) {
  return combine(
      ranks, [&](int peer) { return ranks.exchange(peer, own, received, bytes); }, add,
      [&] { return ranks.broadcast(own, bytes, 0); });
}

}  // namespace onespike
