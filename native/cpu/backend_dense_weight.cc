// Weight and bias gradients of the dense layers: how they are split into tasks.
#include <algorithm>

#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

constexpr int64_t kGradientRows = 256;  // cells summed per visit of a block of weights: their gradients fit the L2 cache
constexpr int kLargestGroup = 96;       // rows of weights of one task, a multiple of the register blocks
constexpr int64_t kTasksPerThread = 8;

// Weights of one row of taps that one task sums: rows [begin, end) of the packed order, counted from the first tap of `ky`.
struct WeightGroup {
  int ky, begin, end;
};

// Cells of one group's sum: output columns [first, last) and the part of the group's rows that they meet.
struct WeightPart {
  int begin, end, first, last;
};

// A row of taps as the gradient sees it; a linear layer is one cell with one tap.
struct TapRow {
  int kernel_h, kernel_w, cs, stride, pad, in_w;
  explicit TapRow(const StageShape& s)
      : kernel_h(s.linear ? 1 : s.kernel_h), kernel_w(s.linear ? 1 : s.kernel_w), cs(s.linear ? s.taps() * s.src_cs : s.src_cs), stride(s.stride),
        pad(s.pad), in_w(s.linear ? 1 : s.in_w) {}
};

// Groups end with their tap, unless channels are so few that a tap would not fill a register block.
std::vector<WeightGroup> weight_groups(const TapRow& t, int64_t tiles, int threads) {
  const int64_t all = int64_t(t.kernel_h) * t.kernel_w * t.cs * tiles, wanted = all / (kTasksPerThread * threads);
  const int size = int(std::clamp<int64_t>((wanted + 11) / 12 * 12, 12, kLargestGroup)), span = t.cs < kLane ? t.kernel_w * t.cs : t.cs;
  std::vector<WeightGroup> groups;
  for (int ky = 0; ky < t.kernel_h; ++ky)
    for (int tap = 0; tap < t.kernel_w * t.cs; tap += span)
      for (int begin = 0; begin < span; begin += size) groups.push_back({ky, tap + begin, tap + std::min(begin + size, span)});
  return groups;
}

std::vector<WeightPart> weight_parts(const WeightGroup& group, const TapRow& t, const std::vector<Window>& columns) {
  std::vector<WeightPart> parts;
  for (int x = 0; x < int(columns.size()); ++x) {
    const int begin = std::max(group.begin, columns[x].tap * t.cs), end = std::min(group.end, (columns[x].tap + columns[x].count) * t.cs);
    if (begin >= end) continue;
    if (!parts.empty() && parts.back().begin == begin && parts.back().end == end && parts.back().last == x) ++parts.back().last;
    else parts.push_back({begin, end, x, x + 1});
  }
  return parts;
}

}  // namespace

void CpuBackend::dense_weight_gradient(float* d_weight, const float* packed, const float* d_out, int n, const StageShape& s) {
  const Precision precision = precision_of(s);
  const TapRow taps(s);
  const std::vector<Window> rows = s.linear ? std::vector<Window>{{0, 1, 0}} : forward_windows(s.out_h, s.in_h, s.kernel_h, s.stride, s.pad);
  const std::vector<Window> columns = s.linear ? rows : forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad);
  const int64_t source_image = int64_t(s.in_h) * s.in_w * s.src_cs;
  const void *a = packed, *g = d_out;
  int images = n;
  if (precision == Precision::kMixed) {
    images = (n + 1) / 2;
    uint32_t *source = source_pairs_.reserve(size_t(images * source_image)), *gradient = gradient_pairs_.reserve(size_t(images * s.out_size()));
    const uint16_t* halves = reinterpret_cast<const uint16_t*>(packed);
    const int64_t parts = 8, source_part = source_image / kLane, gradient_part = s.out_size() / kLane;
    pool_.parallel_for(int64_t(images) * parts, [&](int64_t i) {
      const int64_t image = i / parts, part = i % parts;
      const auto range = [&](int64_t lanes, auto* to, const auto* from, int64_t size) {
        const int64_t begin = lanes * part / parts * kLane, end = lanes * (part + 1) / parts * kLane;
        const auto* first = from + 2 * image * size + begin;
        pair_bf16(to + image * size + begin, first, 2 * image + 1 < n ? first + size : nullptr, end - begin);
      };
      range(source_part, source, halves, source_image);
      range(gradient_part, gradient, d_out, s.out_size());
    });
    a = source, g = gradient;
  }
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const std::vector<WeightGroup> groups = weight_groups(taps, int64_t(tiles.size()), pool_.threads());
  // Words are 32 bits in either precision, and a pair spans two images: offsets are those of single channels.
  const uint32_t *from = static_cast<const uint32_t*>(a), *gradient = static_cast<const uint32_t*>(g);
  pool_.parallel_for(int64_t(tiles.size() * groups.size()), [&](int64_t i) {
    const Tile tile = tiles[i / groups.size()];
    const WeightGroup& group = groups[i % groups.size()];
    const int64_t row_depth = int64_t(taps.kernel_w) * taps.cs, row_cells = int64_t(taps.in_w) * taps.cs;
    const auto meets = [&](const Window& w) { return w.tap <= group.ky && group.ky < w.tap + w.count; };
    int top = 0, bottom = int(rows.size());
    while (top < bottom && !meets(rows[top])) ++top;
    while (bottom > top && !meets(rows[bottom - 1])) --bottom;
    for (const WeightPart& part : weight_parts(group, taps, columns)) {
      DenseWeightTask task;
      task.precision = precision, task.width = tile.width, task.columns = part.last - part.first, task.depth = part.end - part.begin;
      task.a_image = source_image, task.a_row = taps.stride * row_cells, task.a_column = int64_t(taps.stride) * taps.cs;
      task.g_image = s.out_size(), task.g_row = int64_t(s.out_w) * s.out_cs, task.g_column = s.out_cs;
      task.d_weight = d_weight + tile.begin * taps.kernel_h * row_depth + (group.ky * row_depth + part.begin) * tile.width;
      const int64_t per_image = int64_t(bottom - top) * task.columns;
      const int step_images = int(std::max<int64_t>(1, kGradientRows / std::max<int64_t>(per_image, 1)));
      const int step_rows = per_image > kGradientRows ? std::max(1, int(kGradientRows / task.columns)) : std::max(1, bottom - top);
      for (int image = 0; image < images; image += step_images)
        for (int y = top; y < bottom; y += step_rows) {
          task.images = std::min(step_images, images - image), task.rows = std::min(step_rows, bottom - y);
          task.a = from + image * source_image + (int64_t(y) * taps.stride + group.ky - taps.pad) * row_cells +
                   (int64_t(part.first) * taps.stride - taps.pad) * taps.cs + part.begin;
          task.g = gradient + image * s.out_size() + y * task.g_row + part.first * task.g_column + tile.begin;
          dense_weight_block(task);
        }
    }
  });
}

void CpuBackend::dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) {
  pool_.parallel_for(s.out_cs / kLane, [&](int64_t lane) {
    double sum[kLane] = {};
    for (int64_t i = 0; i < n * s.out_cells(); ++i)
      for (int c = 0; c < kLane; ++c) sum[c] += d_out[i * s.out_cs + lane * kLane + c];
    for (int c = 0; c < kLane; ++c) d_bias[lane * kLane + c] += float(sum[c]);
  });
}

}  // namespace onespike::cpu
