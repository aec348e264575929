#include "cpu/events/row_events.h"

#include <cstring>

#include "cpu/events/each_event.h"

namespace onespike::cpu {
namespace {

constexpr int kRowsPerTask = 512;  // weight rows that one task sorts: bytes of a source map that lie together

// Calls f(row, gradient row, value) for every event of pooled cell (y, x), channels [begin, end), images ascending.
template <class F>
void each_event_of_cell(const SpikeSource& source, int n, int timesteps, const StageShape& s, int y, int x, int begin,
                        int end, const F& f) {
  const int64_t base = (int64_t(y) * s.in_w + x) * s.src_cs;
  for (int64_t image = 0; image < n; ++image)
    for (int i = 0; i < s.pool; ++i)
      for (int j = 0; j < s.pool; ++j) {
        const int64_t cell = (int64_t(y * s.pool + i) * s.src_w + x * s.pool + j) * s.src_cs;
        if (source.values) {
          for (int64_t row = image * timesteps; row < (image + 1) * timesteps; ++row) {
            const int8_t* at = source.values + row * s.src_size() + cell;
            for (int c = begin; c < end; ++c)
              if (at[c]) f(base + c, uint32_t(row), event_value(at[c]));
          }
          continue;
        }
        const uint8_t* at = source.times + image * s.src_size() + cell;
        const auto fired = [&](int c) { f(base + c, uint32_t(image * timesteps + at[c] - 1), 1.0f); };
        int c = begin;
        for (; c + 8 <= end; c += 8) {
          uint64_t eight;
          std::memcpy(&eight, at + c, 8);
          for (; eight;) {
            const int byte = __builtin_ctzll(eight) / 8;
            fired(c + byte);
            eight &= ~(uint64_t(0xff) << (8 * byte));
          }
        }
        for (; c < end; ++c)
          if (at[c]) fired(c);
      }
}

}  // namespace

void sort_by_row(RowEvents* events, const SpikeSource& source, int n, int timesteps, const StageShape& s,
                 ThreadPool& pool) {
  const int64_t rows = int64_t(s.taps()) * s.src_cs, groups = (s.src_cs + kRowsPerTask - 1) / kRowsPerTask;
  uint32_t* starts = events->starts.reserve(size_t(rows + 1));
  events->valued = source.values != nullptr;
  // A task owns some channels of one cell, so it may count and place without asking the others.
  const auto each_task = [&](const auto& f) {
    pool.parallel_for(s.taps() * groups, [&](int64_t i) {
      const int begin = int(i % groups) * kRowsPerTask, end = std::min(begin + kRowsPerTask, s.src_cs);
      each_event_of_cell(source, n, timesteps, s, int(i / groups) / s.in_w, int(i / groups) % s.in_w, begin, end, f);
    });
  };
  std::memset(starts, 0, size_t(rows + 1) * sizeof(uint32_t));
  each_task([&](int64_t row, uint32_t, float) { ++starts[row]; });
  exclusive_sum(starts, rows);
  uint32_t* gradient_rows = events->gradient_rows.reserve(starts[rows]);
  float* values = events->valued ? events->values.reserve(starts[rows]) : nullptr;
  each_task([&](int64_t row, uint32_t gradient_row, float value) {
    const uint32_t at = starts[row]++;
    gradient_rows[at] = gradient_row;
    if (values) values[at] = value;
  });
  restore_starts(starts, rows);
}

}  // namespace onespike::cpu
