#include "cpu/events/event_lists.h"

#include <algorithm>
#include <vector>

#include "core/spec.h"
#include "cpu/events/each_event.h"

namespace onespike::cpu {
namespace {

// Up to this many steps a pass over the events for each step is faster than placing them one by one.
constexpr int kPassSteps = 32;

// A row takes some 100 ns to some microseconds: one by one, two threads would contend for the counter of tasks.
constexpr int64_t kListTasksPerThread = 8;

template <class F>
void each_in_blocks(ThreadPool& pool, int64_t count, const F& f) {
  const int64_t blocks = std::min(count, kListTasksPerThread * pool.threads());
  pool.parallel_for(blocks, [&](int64_t i) {
    for (int64_t at = i * count / blocks; at < (i + 1) * count / blocks; ++at) f(at);
  });
}

}  // namespace

struct EventLists::Job {
  const SpikeSource& source;
  const StageShape& s;
  ThreadPool& pool;
  int timesteps, columns;
  int64_t rows;                 // pooled source rows of all images
  std::vector<Window> windows;  // output row -> pooled source rows
  bool vectors;                 // by find_events and fill_list
  bool pooled;                  // merged over 2x2 children

  int64_t lists() const { return rows / s.in_h * int64_t(windows.size()); }
  int64_t row_cells() const { return int64_t(timesteps) * columns; }
  const Window& window(int64_t list) const { return windows[size_t(list) % windows.size()]; }
  int64_t first_row(int64_t list) const { return list / int64_t(windows.size()) * s.in_h + window(list).begin; }
};

void EventLists::sort(const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int columns = s.linear ? 1 : s.in_w;
  Job job{
      source,
      s,
      pool,
      timesteps,
      columns,
      int64_t(n) * s.in_h,
      s.linear ? std::vector<Window>{{0, s.in_h, 0}} : forward_windows(s.out_h, s.in_h, s.kernel_h, s.stride, s.pad),
      false,
      false};
  job.vectors = source.times && timesteps <= kPassSteps && (int64_t(s.taps()) + s.in_w) * s.src_cs <= kFoundIds;
  job.pooled = job.vectors && s.pool == 2 && s.src_cs % kLane == 0;
  step_cells_ = columns + 1;
  list_cells_ = int64_t(timesteps) * step_cells_;
  kind_ = source.values ? EventKind::kValued : job.pooled ? EventKind::kCounted : EventKind::kSingle;
  starts_.reserve(size_t(job.lists() * list_cells_));
  std::fill_n(list_begins_.reserve(size_t(job.lists() + 1)), job.lists() + 1, int64_t(0));
  if (!source.times && !source.values) {
    std::fill_n(starts_.data(), job.lists() * list_cells_, 0u);
    return;
  }
  count(job);
  if (job.vectors) find(job);
  fill(job);
}

// Adds the events of the pooled cell that begins `at` bytes into the map of the image: counts[(t - 1) * columns].
void EventLists::count_cell(const Job& job, int64_t image, int64_t at, uint32_t* counts) {
  const StageShape& s = job.s;
  const int64_t row = int64_t(s.src_w) * s.src_cs, bytes = int64_t(s.pool) * s.src_cs;
  if (job.pooled) {
    const uint8_t* upper = job.source.times + image * s.src_size() + at;
    count_pooled_steps(upper, upper + row, s.src_cs, job.timesteps, counts, job.columns);
    return;
  }
  for (int i = 0; i < s.pool; ++i, at += row) {
    if (job.source.times) {
      count_steps(job.source.times + image * s.src_size() + at, bytes, job.timesteps, counts, job.columns);
      continue;
    }
    for (int t = 0; t < job.timesteps; ++t) {
      const int8_t* step = job.source.values + (image * job.timesteps + t) * s.src_size() + at;
      counts[t * job.columns] += uint32_t(bytes - std::count(step, step + bytes, 0));
    }
  }
}

void EventLists::count(const Job& job) {
  const StageShape& s = job.s;
  const int columns = job.columns, T = job.timesteps;
  counts_.reserve(size_t(job.rows * job.row_cells()));
  found_starts_.reserve(size_t(job.rows * (columns + 1)));
  found_begins_.reserve(size_t(job.rows + 1))[0] = 0;
  each_in_blocks(job.pool, job.rows, [&](int64_t row) {
    const int64_t image = row / s.in_h, py = row % s.in_h;
    uint32_t* counts = counts_.data() + row * job.row_cells();
    uint32_t* starts = found_starts_.data() + row * (columns + 1);
    std::fill_n(counts, job.row_cells(), 0u);
    starts[0] = 0;
    for (int px = 0; px < s.in_w; ++px) {
      const int64_t at = (py * s.pool * s.src_w + px * s.pool) * s.src_cs;
      count_cell(job, image, at, counts + (s.linear ? 0 : px));
    }
    for (int x = 0; x < columns; ++x) {
      starts[x + 1] = starts[x];
      for (int t = 0; t < T; ++t) starts[x + 1] += counts[t * columns + x];
    }
    found_begins_[row + 1] = starts[columns] + kListSlack;
  });
  for (int64_t row = 0; row < job.rows; ++row) found_begins_[row + 1] += found_begins_[row];
  for (int64_t list = 0; list < job.lists(); ++list) {
    const int64_t first = job.first_row(list), count = job.window(list).count;
    list_begins_[list + 1] =
        list_begins_[list] + found_begins_[first + count] - found_begins_[first] + int64_t(T - count) * kListSlack;
  }
}

// Every row once, although several lists hold its events: scanning the bytes is the larger part of the work.
void EventLists::find(const Job& job) {
  const StageShape& s = job.s;
  found_.reserve(size_t(found_begins_[job.rows]));
  each_in_blocks(job.pool, job.rows, [&](int64_t row) {
    const uint8_t* map = job.source.times + row / s.in_h * s.src_size() + row % s.in_h * s.pool * s.src_w * s.src_cs;
    uint32_t* found = found_.data() + found_begins_[row];
    if (s.pool == 1) {
      find_events(found, map, int64_t(s.in_w) * s.src_cs, 0);
      return;
    }
    for (int x = 0; x < s.in_w; ++x) {
      const uint8_t* cell = map + int64_t(x) * s.pool * s.src_cs;
      const uint32_t id = uint32_t(x * s.src_cs);
      if (job.pooled) {
        found += find_pooled_events(found, cell, cell + int64_t(s.src_w) * s.src_cs, s.src_cs, id);
        continue;
      }
      for (int i = 0; i < s.pool; ++i)
        for (int j = 0; j < s.pool; ++j)
          found += find_events(found, cell + (int64_t(i) * s.src_w + j) * s.src_cs, s.src_cs, id);
    }
  });
}

void EventLists::fill(const Job& job) {
  const StageShape& s = job.s;
  const int columns = job.columns, T = job.timesteps;
  const int64_t row_ids = int64_t(s.kernel_w) * s.src_cs;
  ids_.reserve(size_t(list_begins_[job.lists()]));
  if (kind_ == EventKind::kValued) values_.reserve(size_t(list_begins_[job.lists()]));
  each_in_blocks(job.pool, job.lists(), [&](int64_t list) {
    const Window& window = job.window(list);
    const int64_t first = job.first_row(list), image = list / int64_t(job.windows.size());
    uint32_t* ids = ids_.data() + list_begins_[list];
    uint32_t* starts = starts_.data() + list * list_cells_;
    const uint32_t* counts = counts_.data() + first * job.row_cells();
    uint32_t next[kMaxTimesteps + 1], position = 0;
    for (int t = 1; t <= T; ++t, position += kListSlack) {
      next[t] = position;
      for (int x = 0; x <= columns; ++x) {
        *starts++ = position;
        for (int r = 0; x < columns && r < window.count; ++r)
          position += counts[r * job.row_cells() + (t - 1) * columns + x];
      }
    }
    if (job.vectors) {
      std::vector<const uint32_t*> found(size_t(window.count)), found_starts(size_t(window.count));
      for (int r = 0; r < window.count; ++r) {
        found[r] = found_.data() + found_begins_[first + r];
        found_starts[r] = found_starts_.data() + (first + r) * (columns + 1);
      }
      fill_list({window.count, columns, T, found.data(), found_starts.data(), uint32_t(window.tap * row_ids),
                 uint32_t(row_ids), ids},
                next);
      return;
    }
    starts -= list_cells_;
    float* values = kind_ == EventKind::kValued ? values_.data() + list_begins_[list] : nullptr;
    for (int r = 0; r < window.count; ++r)
      each_event(job.source, image, window.begin + r, T, s, [&](int x, int c, int t, float value) {
        const uint32_t at = starts[int64_t(t - 1) * step_cells_ + (s.linear ? 0 : x)]++;
        ids[at] = uint32_t((window.tap + r) * row_ids + int64_t(x) * s.src_cs + c);
        if (values) values[at] = value;
      });
    // Every start moved to the next one's place.
    for (int t = T; t >= 1; --t)
      for (int x = columns; x >= 0; --x)
        starts[int64_t(t - 1) * step_cells_ + x] = x > 0 ? starts[int64_t(t - 1) * step_cells_ + x - 1] : next[t];
  });
}

}  // namespace onespike::cpu
