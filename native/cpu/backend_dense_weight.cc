// Weight and bias gradients of the dense layers: how they are split into tasks. A task owns some source channels of one tile
// for all taps (or one row of them) and walks the cells in chunks: what a chunk needs of the source and of the gradient is
// copied beside each other first, so that every tap finds it in the L2 cache, whatever the distances in the maps.
#include <algorithm>

#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

constexpr int kChunkCells = 256;

// Cells of a row that meet the same part of a row of taps: output columns [first, last), rows [begin, end) of the taps' weights.
struct WeightPart {
  int begin, end, first, last;
};

// Part of the sum of one row of taps; output rows [top, bottom) meet it.
struct WeightGroup {
  int ky, top, bottom;
  std::vector<WeightPart> parts;
};

// Source channels [begin, end) and their weights. `groups` count weights from the first tap of a row, channels from `begin`.
struct WeightUnit {
  int begin, end;
  std::vector<WeightGroup> groups;
};

// The layer as this gradient sees it; a linear layer is one cell with one tap.
struct Layer {
  explicit Layer(const StageShape& s)
      : kernel_h(s.linear ? 1 : s.kernel_h), kernel_w(s.linear ? 1 : s.kernel_w), cs(s.linear ? s.taps() * s.src_cs : s.src_cs),
        stride(s.stride), pad(s.pad), in_h(s.linear ? 1 : s.in_h), in_w(s.linear ? 1 : s.in_w), out_h(s.out_h), out_w(s.out_w), out_cs(s.out_cs),
        rows(forward_windows(out_h, in_h, kernel_h, stride, pad)), columns(forward_windows(out_w, in_w, kernel_w, stride, pad)) {}

  int kernel_h, kernel_w, cs, stride, pad, in_h, in_w, out_h, out_w, out_cs;
  std::vector<Window> rows, columns;
};

// The part of weights [begin, end) of a row of taps that each column meets, equal neighbours joined.
std::vector<WeightPart> parts_of(int begin, int end, int channels, const std::vector<Window>& columns) {
  std::vector<WeightPart> parts;
  for (int x = 0; x < int(columns.size()); ++x) {
    const int from = std::max(begin, columns[x].tap * channels), to = std::min(end, (columns[x].tap + columns[x].count) * channels);
    if (from >= to) continue;
    if (!parts.empty() && parts.back().begin == from && parts.back().end == to && parts.back().last == x) ++parts.back().last;
    else parts.push_back({from, to, x, x + 1});
  }
  return parts;
}

// Whether equal tasks keep the threads busy at least three quarters of the time.
bool balanced(int64_t tasks, int64_t threads) { return 4 * tasks >= 3 * ((tasks + threads - 1) / threads * threads); }

std::vector<WeightUnit> units_of(const Layer& l, int64_t tiles, int threads) {
  // Few channels: the taps of a row are summed together, else they would not fill a register block.
  const bool joined = l.cs < kLane;
  // The fewest ranges of channels whose weights for all taps stay in the L2 cache and that occupy the threads; each copies the
  // gradient for itself.
  const int most = l.kernel_h * l.kernel_w == 1 ? 384 : 96, lanes = joined ? 1 : l.cs / kLane;
  int ranges = joined ? 1 : (l.cs + most - 1) / most;
  while (ranges < lanes && !balanced(ranges * tiles, threads)) ++ranges;
  const int channels = joined ? l.cs : (lanes + ranges - 1) / ranges * kLane;
  const bool split_rows = !balanced((l.cs + channels - 1) / channels * tiles, threads);
  std::vector<WeightUnit> units;
  for (int begin = 0; begin < l.cs; begin += channels) {
    const int count = std::min(channels, l.cs - begin), span = joined ? l.kernel_w * count : count;
    units.push_back({begin, begin + count, {}});
    for (int ky = 0; ky < l.kernel_h; ++ky) {
      if (split_rows && ky > 0) units.push_back({begin, begin + count, {}});
      int top = 0, bottom = l.out_h;
      const auto meets = [&](int y) { return l.rows[y].tap <= ky && ky < l.rows[y].tap + l.rows[y].count; };
      while (top < bottom && !meets(top)) ++top;
      while (bottom > top && !meets(bottom - 1)) --bottom;
      for (int k = 0; k < l.kernel_w * count; k += span) units.back().groups.push_back({ky, top, bottom, parts_of(k, k + span, count, l.columns)});
    }
  }
  return units;
}

}  // namespace

void CpuBackend::dense_weight_gradient(float* d_weight, const float* packed, const float* d_out, int n, const StageShape& s) {
  const Precision precision = precision_of(s);
  const bool pairs = precision == Precision::kMixed;
  const Layer l(s);
  const int images = pairs ? (n + 1) / 2 : n;
  const int64_t source_row = int64_t(l.in_w) * l.cs, source_image = l.in_h * source_row, gradient_row = int64_t(l.out_w) * l.out_cs;
  const std::vector<Tile> tiles = tiles_of(l.out_cs);
  const std::vector<WeightUnit> units = units_of(l, int64_t(tiles.size()), pool_.threads());
  const int chunk_images = std::max(1, kChunkCells / (l.out_h * l.out_w)), chunk_rows = std::clamp(kChunkCells / l.out_w, 1, l.out_h);
  const int chunk_source_rows = std::min(l.in_h, (chunk_rows - 1) * l.stride + l.kernel_h);
  const int64_t gradient_words = int64_t(chunk_images) * chunk_rows * l.out_w * kMaxTile;
  const int64_t source_words = int64_t(chunk_images) * chunk_source_rows * l.in_w * round_up(units[0].end, kLane);

  each_worker(int64_t(tiles.size() * units.size()), gradient_words + source_words, [&](DenseWorker& worker, int64_t i) {
    const Tile tile = tiles[i / units.size()];
    const WeightUnit& unit = units[i % units.size()];
    uint32_t *gradient = worker.memory.data(), *source = gradient + gradient_words;
    const int64_t channels = unit.end - unit.begin;
    float* out = d_weight + int64_t(tile.begin) * s.taps() * s.src_cs;
    for (int image = 0; image < images; image += chunk_images)
      for (int y = 0; y < l.out_h; y += chunk_rows) {
        const int last_image = std::min(image + chunk_images, images), last_y = std::min(y + chunk_rows, l.out_h);
        const int source_y = std::max(0, y * l.stride - l.pad), source_end = std::min(l.in_h, (last_y - 1) * l.stride - l.pad + l.kernel_h);
        const int64_t cells = int64_t(last_y - y) * l.out_w, source_cells = std::max<int64_t>(0, source_end - source_y) * l.in_w;
        for (int j = image; j < last_image; ++j) {
          const int64_t first = pairs ? 2 * j : j, at = first * source_image + source_y * source_row + unit.begin;
          const float* g = d_out + first * s.out_size() + y * gradient_row + tile.begin;
          uint32_t *g_to = gradient + (j - image) * cells * tile.width, *a_to = source + (j - image) * source_cells * channels;
          if (!pairs) {
            gather_rows(g_to, g, l.out_cs, cells, tile.width);
            gather_rows(a_to, packed + at, l.cs, source_cells, channels);
          } else {
            const bool second = first + 1 < n;
            const uint16_t* a = reinterpret_cast<const uint16_t*>(packed) + at;
            gather_pairs(g_to, g, second ? g + s.out_size() : nullptr, l.out_cs, cells, tile.width);
            gather_pairs(a_to, a, second ? a + source_image : nullptr, l.cs, source_cells, channels);
          }
        }
        DenseWeightTask task;
        task.precision = precision, task.images = last_image - image, task.width = tile.width;
        task.a_image = source_cells * channels, task.a_row = l.stride * l.in_w * channels, task.a_column = l.stride * channels;
        task.g_image = cells * tile.width, task.g_row = int64_t(l.out_w) * tile.width, task.g_column = tile.width;
        for (const WeightGroup& group : unit.groups) {
          const int top = std::max(y, group.top);
          task.rows = std::min(last_y, group.bottom) - top;
          if (task.rows <= 0) continue;
          for (const WeightPart& part : group.parts) {
            task.columns = part.last - part.first, task.depth = part.end - part.begin;
            task.a = source + (int64_t(top * l.stride + group.ky - l.pad - source_y) * l.in_w + part.first * l.stride - l.pad) * channels + part.begin;
            task.g = gradient + (int64_t(top - y) * l.out_w + part.first) * tile.width;
            task.d_weight = out + ((int64_t(group.ky) * l.kernel_w + part.begin / channels) * l.cs + unit.begin + part.begin % channels) * tile.width;
            dense_weight_block(task);
          }
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
