#include "cpu/events/event_buckets.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/events/each_event.h"

namespace onespike::cpu {
namespace {

// A weight-gradient pass walks one unit of g again for every source channel and tap: what fits half of a 1 MiB L2 cache
// is read from there.
constexpr int64_t kUnitBytes = 400 << 10;

}  // namespace

void EventBuckets::sort(const SpikeSource& source, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int stride = s.stride;
  const int64_t row_bytes = int64_t(timesteps) * s.grad_w() * kMaxTile * int64_t(sizeof(float)),
                image_bytes = row_bytes * s.grad_h();
  const int band_rows = int(std::clamp<int64_t>(kUnitBytes / row_bytes - s.kernel_h, 1, s.out_h) * stride);
  bands_ = image_bytes <= kUnitBytes ? 1 : (s.in_h + band_rows - 1) / band_rows;
  group_images_ = std::clamp<int64_t>(kUnitBytes / image_bytes, 1, n);
  groups_ = int((n + group_images_ - 1) / group_images_);
  kinds_ = stride * stride;
  unit_buckets_ = int64_t(s.src_cs) * kinds_;
  valued_ = source.values != nullptr;
  const int64_t image_buckets = bands_ * unit_buckets_, image_cells = int64_t(timesteps) * s.grad_h() * s.grad_w();
  const int64_t kinds = kinds_, step_cells = int64_t(s.grad_h()) * s.grad_w();
  uint32_t* next = next_.reserve(size_t(n * image_buckets));
  // Of a column: its kind and where its cell lies in a row of g. A division per event would cost more than the rest.
  std::vector<int64_t> column_kind, column_cell;
  for (int x = 0; x < s.in_w; ++x)
    column_kind.push_back((x + s.pad) % stride), column_cell.push_back((x + s.pad) / stride + s.border_w());

  // Calls f(bucket of the image, cell of the group, value) for every event of an image.
  const auto each = [&](int64_t image, const auto& f) {
    for (int y = 0; y < s.in_h; ++y) {
      const int64_t base = (bands_ == 1 ? 0 : y / band_rows) * unit_buckets_ + (y + s.pad) % stride * stride;
      const int64_t row =
          (image % group_images_ * image_cells) + int64_t((y + s.pad) / stride + s.border_h()) * s.grad_w();
      each_event(source, image, y, timesteps, s, [&](int x, int c, int t, float value) {
        f(base + c * kinds + column_kind[x], row + (t - 1) * step_cells + column_cell[x], value);
      });
    }
  };
  pool.parallel_for(n, [&](int64_t image) {
    uint32_t* counts = next + image * image_buckets;
    std::memset(counts, 0, size_t(image_buckets) * sizeof(uint32_t));
    each(image, [&](int64_t bucket, int64_t, float) { ++counts[bucket]; });
  });

  uint32_t* starts = starts_.reserve(size_t(groups_ * image_buckets + 1));
  uint32_t sum = 0;
  for (int group = 0; group < groups_; ++group) {
    const int64_t first = group * group_images_, last = std::min<int64_t>(first + group_images_, n);
    for (int64_t bucket = 0; bucket < image_buckets; ++bucket) {
      starts[group * image_buckets + bucket] = sum;
      for (int64_t image = first; image < last; ++image) {
        const uint32_t here = next[image * image_buckets + bucket];
        next[image * image_buckets + bucket] = sum;
        sum += here;
      }
    }
  }
  starts[groups_ * image_buckets] = sum;

  uint32_t* cells = cells_.reserve(sum);
  float* values = valued_ ? values_.reserve(sum) : nullptr;
  pool.parallel_for(n, [&](int64_t image) {
    uint32_t* to = next + image * image_buckets;
    each(image, [&](int64_t bucket, int64_t cell, float value) {
      const uint32_t at = to[bucket]++;
      cells[at] = uint32_t(cell);
      if (values) values[at] = value;
    });
  });
}

}  // namespace onespike::cpu
