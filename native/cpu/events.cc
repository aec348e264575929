#include "cpu/events.h"

#include <algorithm>
#include <cstring>

namespace onespike::cpu {
namespace {

// A weight gradient pass walks one band of the gradient map (all steps, one tile of channels) again for every source
// channel and tap: a band that fits half of a 1 MiB L2 cache is read from there.
constexpr int64_t kBandBytes = 400 << 10;

// Calls f(column, channel, step, value) for every event of pooled row `py` of image `image`, columns ascending.
template <class F>
inline void each_event(const SpikeSource& source, int64_t image, int py, int timesteps, const StageShape& s, const F& f) {
  for (int px = 0; px < s.in_w; ++px)
    for (int i = 0; i < s.pool; ++i) {
      const int64_t row = py * s.pool + i;
      for (int j = 0; j < s.pool; ++j) {
        const int64_t cell = (row * s.src_w + px * s.pool + j) * s.src_cs;
        if (source.rate) {
          for (int t = 1; t <= timesteps; ++t) {
            const int8_t* at = source.rate + (image * timesteps + t - 1) * s.src_size() + cell;
            for (int c = 0; c < s.src_cs; ++c)
              if (at[c]) f(px, c, t, float(at[c]));
          }
          continue;
        }
        const uint8_t* at = source.times + image * s.src_size() + cell;
        int c = 0;
        for (; c + 8 <= s.src_cs; c += 8) {
          uint64_t eight;
          std::memcpy(&eight, at + c, 8);
          for (; eight; ) {
            const int byte = __builtin_ctzll(eight) / 8;
            f(px, c + byte, int(at[c + byte]), 1.0f);
            eight &= ~(uint64_t(0xff) << (8 * byte));
          }
        }
        for (; c < s.src_cs; ++c)
          if (at[c]) f(px, c, int(at[c]), 1.0f);
      }
    }
}

int64_t events_per_image(const SpikeSource& source, int timesteps, const StageShape& s) {
  return int64_t(s.in_h) * s.in_w * s.pool * s.pool * s.src_cs * (source.rate ? timesteps : 1);
}

// Turns counts into positions: starts[i] becomes the sum of the counts before i.
void exclusive_sum(uint32_t* starts, int64_t count) {
  uint32_t sum = 0;
  for (int64_t i = 0; i <= count; ++i) {
    const uint32_t here = i < count ? starts[i] : 0;
    starts[i] = sum;
    sum += here;
  }
}

// Positions that a placing pass moved forward: back to where they started.
void restore_starts(uint32_t* starts, int64_t count) {
  for (int64_t i = count; i > 0; --i) starts[i] = starts[i - 1];
  starts[0] = 0;
}

}  // namespace

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

void sort_by_channel(EventBuckets* b, const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int stride = s.linear ? 1 : s.stride;
  const int64_t channels = s.linear ? int64_t(s.in_h) * s.in_w * s.src_cs : s.src_cs;
  const int64_t row_bytes = int64_t(timesteps) * s.grad_w() * kMaxTile * sizeof(float);
  b->band_rows = s.linear ? 1 : int(std::clamp<int64_t>(kBandBytes / row_bytes - s.kernel_h, 1, s.out_h) * stride);
  b->bands = s.linear ? 1 : (s.in_h + b->band_rows - 1) / b->band_rows;
  b->classes = stride * stride;
  b->buckets = b->bands * channels * b->classes;
  b->capacity = events_per_image(source, timesteps, s);
  b->valued = source.rate != nullptr;
  b->cells.reserve(size_t(n * b->capacity));
  b->starts.reserve(size_t(n * (b->buckets + 1)));
  if (b->valued) b->values.reserve(size_t(n * b->capacity));

  pool.parallel_for(n, [&](int64_t image) {
    uint32_t* starts = b->starts.data() + image * (b->buckets + 1);
    uint32_t* cells = b->cells.data() + image * b->capacity;
    float* values = b->valued ? b->values.data() + image * b->capacity : nullptr;
    std::memset(starts, 0, size_t(b->buckets + 1) * sizeof(uint32_t));
    const auto bucket = [&](int y, int x, int c) -> int64_t {
      if (s.linear) return (int64_t(y) * s.in_w + x) * s.src_cs + c;
      const int kind = (y + s.pad) % stride * stride + (x + s.pad) % stride;
      return (int64_t(y / b->band_rows) * channels + c) * b->classes + kind;
    };
    for (int y = 0; y < s.in_h; ++y)
      each_event(source, image, y, timesteps, s, [&](int x, int c, int, float) { ++starts[bucket(y, x, c)]; });
    exclusive_sum(starts, b->buckets);
    for (int y = 0; y < s.in_h; ++y)
      each_event(source, image, y, timesteps, s, [&](int x, int c, int t, float value) {
        const uint32_t at = starts[bucket(y, x, c)]++;
        const int64_t gy = s.linear ? 0 : (y + s.pad) / stride + s.border_h(), gx = s.linear ? 0 : (x + s.pad) / stride + s.border_w();
        cells[at] = uint32_t((int64_t(t - 1) * s.grad_h() + gy) * s.grad_w() + gx);
        if (values) values[at] = value;
      });
    restore_starts(starts, b->buckets);
  });
}

}  // namespace onespike::cpu
