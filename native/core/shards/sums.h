// Steps over batches that are divided into shards, perhaps among ranks: sums over the shards are added as a balanced
// binary tree, so that they round alike whichever rank computes which shard (docs/MATHEMATICS.md, "Shards and ranks").
#pragma once

#include "core/comm/communicator.h"
#include "core/passes/passes.h"

namespace onespike {

// Buffers for a step over `shards` shards on this rank. `ranks` is null where there is one rank; `linked` are those
// whose devices exchange the sums (core/shards/linked_sums.h). Errors: kOom.
Status prepare_shards(NetworkState& net, size_t shards, const Communicator* ranks, bool linked);

// Before the first shard of a step, and before each of the others: sets what its images add to to zero.
void begin_shards(NetworkState& net);
void begin_shard(NetworkState& net);
// After shard `i` of `shards` (from 0 on), which has `images`; after the last, what images add to holds the sum over
// all of them.
void end_shard(NetworkState& net, size_t i, size_t shards, int64_t images);
// `sum` = the sum of the floats of `other` and those that images add to, of a part (core/shards/arrays.h); null = what
// images add to.
void add_values(NetworkState& net, const PartialSum& other, const PartialSum* sum, size_t part);
// The part of that which concerns what images add to (core/shards/arrays.h): the sum over the last shard, which is
// shard `i`, becomes that over all of them.
void add_earlier_shards(NetworkState& net, size_t i, size_t part);

// Replaces the sums over the shards of this rank by those over the shards of all ranks, through the hosts, and waits
// for them. Errors: those of the communicator.
Status add_ranks(NetworkState& net, Communicator& ranks);

// Replaces `layer` by the smallest that a rank has. Errors: those of the communicator.
Status first_layer_of(Communicator& ranks, int* layer);

}  // namespace onespike
