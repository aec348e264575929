#include "cpu/event_buckets.h"

#include <algorithm>
#include <cstring>

#include "cpu/each_event.h"

namespace onespike::cpu {
namespace {

// A weight gradient pass walks one band of the gradient map (all steps, one tile of channels) again for every source
// channel and tap: a band that fits half of a 1 MiB L2 cache is read from there.
constexpr int64_t kBandBytes = 400 << 10;

}  // namespace

void sort_by_channel(EventBuckets* b, const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int stride = s.stride;
  const int64_t row_bytes = int64_t(timesteps) * s.grad_w() * kMaxTile * sizeof(float);
  b->band_rows = int(std::clamp<int64_t>(kBandBytes / row_bytes - s.kernel_h, 1, s.out_h) * stride);
  b->bands = (s.in_h + b->band_rows - 1) / b->band_rows;
  b->classes = stride * stride;
  b->buckets = b->bands * int64_t(s.src_cs) * b->classes;
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
      const int kind = (y + s.pad) % stride * stride + (x + s.pad) % stride;
      return (int64_t(y / b->band_rows) * s.src_cs + c) * b->classes + kind;
    };
    for (int y = 0; y < s.in_h; ++y)
      each_event(source, image, y, timesteps, s, [&](int x, int c, int, float) { ++starts[bucket(y, x, c)]; });
    exclusive_sum(starts, b->buckets);
    for (int y = 0; y < s.in_h; ++y)
      each_event(source, image, y, timesteps, s, [&](int x, int c, int t, float value) {
        const uint32_t at = starts[bucket(y, x, c)]++;
        const int64_t gy = (y + s.pad) / stride + s.border_h(), gx = (x + s.pad) / stride + s.border_w();
        cells[at] = uint32_t((int64_t(t - 1) * s.grad_h() + gy) * s.grad_w() + gx);
        if (values) values[at] = value;
      });
    restore_starts(starts, b->buckets);
  });
}

}  // namespace onespike::cpu
