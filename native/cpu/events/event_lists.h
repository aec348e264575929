// Events for the forward pass. One list per output row holds the events of all source rows that the row reads, sorted
// by step and within a step by column: what an output pixel meets at a step, from all its taps, is one contiguous run.
//
//   list:  | step 1: x=0 x=0 x=2 .. | slack | step 2: x=1 .. | slack | .. | step T: .. | slack |
//   id:    (ky * kernel_w + x) * cs + c, the weight row that a pixel adds whose window begins at column 0 with tap 0
//          every other pixel adds its own constant to the id
//
// An event stands in the list of every output row that it reaches (three for a 3x3 kernel): sorting writes it that
// often, and the kernel meets one loop per pixel and step instead of three, each of which ends in a mispredicted
// branch. A linear layer has one list per image, and one column.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "core/thread_pool.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

enum class EventKind {
  kSingle,   // every event counts once
  kCounted,  // behind a 2x2 pool, children that fire at the same step are one event: id + (how many - 1) * kCountUnit
  kValued,   // every event has a value: those of pixels that send several
};
constexpr uint32_t kCountUnit = 1 << 22;

class EventLists {
 public:
  explicit EventLists(ScratchSet& set)
      : ids_(set),
        starts_(set),
        values_(set),
        list_begins_(set),
        counts_(set),
        found_(set),
        found_starts_(set),
        found_begins_(set) {}

  // Sorts the events of n images. `source` without events leaves empty lists.
  void sort(const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool);

  EventKind kind() const { return kind_; }
  int step_cells() const { return step_cells_; }
  const uint32_t* ids(int64_t list) const { return ids_.data() + list_begins_[list]; }
  const float* values(int64_t list) const {
    return kind_ == EventKind::kValued ? values_.data() + list_begins_[list] : nullptr;
  }
  // Run of step 1 and columns [x, x + count): ids [starts[x], starts[x + count]); the next step's `starts` are
  // step_cells() further.
  const uint32_t* starts(int64_t list) const { return starts_.data() + list * list_cells_; }

 private:
  struct Job;
  static void count_cell(const Job& job, int64_t image, int64_t at, uint32_t* counts);
  void count(const Job& job);
  void find(const Job& job);
  void fill(const Job& job);

  Scratch<uint32_t> ids_, starts_;
  Scratch<float> values_;
  Scratch<int64_t> list_begins_;  // where the ids of a list begin
  int64_t list_cells_ = 0;        // starts of a list: steps * step_cells
  int step_cells_ = 2;            // columns + 1
  EventKind kind_ = EventKind::kSingle;

  Scratch<uint32_t> counts_;        // (n, pooled row, step, column): events
  Scratch<uint32_t> found_;         // events of a pooled row by column, see fill_list.cc
  Scratch<uint32_t> found_starts_;  // (n, pooled row, column + 1)
  Scratch<int64_t> found_begins_;   // where those of a row begin
};

// ---- the passes over bytes, in vectors (cpu/events/fill_list.cc)

// Entries that may be written, and mean nothing, behind what was asked for: whole vectors are stored.
constexpr int kListSlack = kLane;
// A found event is its id << 8 | step, with the count of children between them and the id proper.
constexpr int64_t kFoundIds = kCountUnit;

// counts[(t - 1) * stride] += number of bytes equal to t, 1 <= t <= timesteps.
void count_steps(const uint8_t* times, int64_t count, int timesteps, uint32_t* counts, int64_t stride);

int64_t count_fired(const uint8_t* times, int64_t count);

// Writes the neurons among times[0 .. count) that fired, the first of them having id `id`; returns how many.
uint32_t find_events(uint32_t* found, const uint8_t* times, int64_t count, uint32_t id);

// The same for a pooled cell of 2x2 children with `cs` channels: `upper` and `lower` point to two neighbours each. A
// channel has one event for every step at which at least one of its children fires.
void count_pooled_steps(const uint8_t* upper, const uint8_t* lower, int64_t cs, int timesteps, uint32_t* counts,
                        int64_t stride);
uint32_t find_pooled_events(uint32_t* found, const uint8_t* upper, const uint8_t* lower, int64_t cs, uint32_t id);

// One list from the found events of its rows.
struct ListTask {
  int rows, columns, timesteps;
  const uint32_t* const* found;   // per row
  const uint32_t* const* starts;  // per row: column + 1 positions in `found`
  uint32_t first_id, row_ids;     // of row 0; between two rows
  uint32_t* ids;
};
// next[t] is the position of the first event of step t.
void fill_list(const ListTask& task, uint32_t* next);

}  // namespace onespike::cpu
