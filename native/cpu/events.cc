#include "cpu/events.h"

#include <cstring>

#include "cpu/each_event.h"

namespace onespike::cpu {

void sort_by_step(EventRows* rows, const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int rows_per_image = s.linear ? 1 : s.in_h, columns = s.linear ? 1 : s.in_w;
  rows->reserve(int64_t(n) * rows_per_image, events_per_image(source, timesteps, s) / rows_per_image, int64_t(timesteps) * columns,
                source.rate != nullptr);
  pool.parallel_for(int64_t(n) * rows_per_image, [&](int64_t row) {
    const int64_t image = row / rows_per_image;
    const int first = s.linear ? 0 : int(row % rows_per_image), last = s.linear ? s.in_h : first + 1;
    uint32_t* starts = rows->row_starts(row);
    uint32_t* ids = rows->row_ids(row);
    float* values = rows->row_values(row);
    std::memset(starts, 0, size_t(rows->cells + 1) * sizeof(uint32_t));
    for (int py = first; py < last; ++py)
      each_event(source, image, py, timesteps, s, [&](int x, int, int t, float) { ++starts[int64_t(t - 1) * columns + (s.linear ? 0 : x)]; });
    exclusive_sum(starts, rows->cells);
    for (int py = first; py < last; ++py) {
      const uint32_t base = s.linear ? uint32_t(py) * s.in_w * s.src_cs : 0;
      each_event(source, image, py, timesteps, s, [&](int x, int c, int t, float value) {
        const uint32_t at = starts[int64_t(t - 1) * columns + (s.linear ? 0 : x)]++;
        ids[at] = base + uint32_t(x) * s.src_cs + c;
        if (values) values[at] = value;
      });
    }
    restore_starts(starts, rows->cells);
  });
}

}  // namespace onespike::cpu
