// Weight and bias gradients of the dense layers: how they are split into tasks. A task owns some source channels of one
// tile for all taps (or one row of them) and walks the cells in chunks: what a chunk needs of a wider map is copied
// together first, so that every tap finds it in the L2 cache, whatever the distances in the maps.
#include <algorithm>
#include <type_traits>

#include "cpu/backend/backend.h"
#include "cpu/dense/amx.h"
#include "cpu/dense/dense.h"

namespace onespike::cpu {
namespace {

constexpr int kChunkCells = 256;

// Cells of a row that meet the same part of a row of taps: output columns [first, last), rows [begin, end) of the taps'
// weights.
struct WeightPart {
  int begin, end, first, last;
};

// Part of the sum of one row of taps; output rows [top, bottom) meet it.
struct WeightGroup {
  int ky, top, bottom;
  std::vector<WeightPart> parts;
};

// Source channels [begin, end) and their weights. `groups` count weights from the first tap of a row, channels from
// `begin`.
struct WeightUnit {
  int begin, end;
  std::vector<WeightGroup> groups;
};

// The layer as this gradient sees it; a linear layer is one cell with one tap.
struct Layer {
  explicit Layer(const StageShape& s)
      : kernel_h(s.linear ? 1 : s.kernel_h),
        kernel_w(s.linear ? 1 : s.kernel_w),
        cs(s.linear ? s.taps() * s.src_cs : s.src_cs),
        stride(s.stride),
        pad(s.pad),
        in_h(s.linear ? 1 : s.in_h),
        in_w(s.linear ? 1 : s.in_w),
        out_h(s.out_h),
        out_w(s.out_w),
        out_cs(s.out_cs),
        rows(forward_windows(out_h, in_h, kernel_h, stride, pad)),
        columns(forward_windows(out_w, in_w, kernel_w, stride, pad)) {}

  int kernel_h, kernel_w, cs, stride, pad, in_h, in_w, out_h, out_w, out_cs;
  std::vector<Window> rows, columns;
};

// The part of weights [begin, end) of a row of taps that each column meets, equal neighbours joined.
std::vector<WeightPart> parts_of(int begin, int end, int channels, const std::vector<Window>& columns) {
  std::vector<WeightPart> parts;
  for (int x = 0; x < int(columns.size()); ++x) {
    const int from = std::max(begin, columns[x].tap * channels),
              to = std::min(end, (columns[x].tap + columns[x].count) * channels);
    if (from >= to) continue;
    if (!parts.empty() && parts.back().begin == from && parts.back().end == to && parts.back().last == x)
      ++parts.back().last;
    else parts.push_back({from, to, x, x + 1});
  }
  return parts;
}

// Whether equal tasks keep the threads busy at least three quarters of the time.
bool balanced(int64_t tasks, int64_t threads) { return 4 * tasks >= 3 * ((tasks + threads - 1) / threads * threads); }

std::vector<WeightUnit> units_of(const Layer& l, int64_t tiles, int threads) {
  // Few channels: the taps of a row are summed together, else they would not fill a register block.
  const bool joined = l.cs < kLane;
  // The fewest ranges of channels whose weights for all taps stay in the L2 cache and that occupy the threads; each
  // copies the gradient for itself.
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
      for (int k = 0; k < l.kernel_w * count; k += span)
        units.back().groups.push_back({ky, top, bottom, parts_of(k, k + span, count, l.columns)});
    }
  }
  return units;
}

// Some channels of some rows of a few images (in bf16: pairs of images) of a map.
struct Slab {
  int64_t image_size, cs;
  int columns, image, images, y, rows, channel, channels;
};

// A slab as the kernel reads it: distances in words.
struct Operand {
  const void* words;
  int64_t image, row, column;
};

// Where it lies if it is floats in one piece, else copied to `memory`. T is float, or uint16_t for halves.
template <class T>
Operand operand(uint32_t* memory, const T* map, const Slab& b, bool pairs, int n) {
  const int64_t row = b.columns * b.cs, cells = int64_t(b.rows) * b.columns;
  map += b.y * row + b.channel;
  if constexpr (std::is_same_v<T, float>)
    if (!pairs && b.channels == b.cs) return {map + b.image * b.image_size, b.image_size, row, b.cs};
  for (int i = 0; i < b.images; ++i) {
    uint32_t* to = memory + i * cells * b.channels;
    const int first = (b.image + i) * (pairs ? 2 : 1);
    const T* from = map + first * b.image_size;
    if (pairs) {
      gather_pairs(to, from, first + 1 < n ? from + b.image_size : nullptr, b.cs, cells, b.channels);
    } else if constexpr (std::is_same_v<T, float>) {
      gather_rows(to, from, b.cs, cells, b.channels);
    }
  }
  return {memory, cells * b.channels, int64_t(b.columns) * b.channels, b.channels};
}

const void* word(const Operand& o, int64_t row, int64_t column, int64_t channel) {
  return static_cast<const uint32_t*>(o.words) + row * o.row + column * o.column + channel;
}

// Tasks on AMX: as many channels as one takes, or fewer where the threads want more tasks, and then rows of taps.
std::vector<AmxWeightTask> amx_tasks(const DenseWeightGradientTask& task, const uint16_t* source,
                                     const uint16_t* gradient, int threads) {
  const StageShape& s = task.shape;
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const auto ranges = [&](int channels) { return int64_t(tiles.size()) * ((s.src_cs + channels - 1) / channels); };
  int channels = kAmxChannels;
  while (channels > kBlockChannels && !balanced(ranges(channels), threads)) channels /= 2;
  const int rows = balanced(ranges(channels), threads) ? s.kernel_h : 1;
  std::vector<AmxWeightTask> tasks;
  for (const Tile& tile : tiles)
    for (int begin = 0; begin < s.src_cs; begin += channels)
      for (int ky = 0; ky < s.kernel_h; ky += rows)
        tasks.push_back({.shape = &s,
                         .source = source,
                         .gradient = gradient,
                         .d_weight = task.d_weight + int64_t(tile.begin) * s.taps() * s.src_cs,
                         .n = task.n,
                         .tile = tile,
                         .begin = begin,
                         .end = std::min(begin + channels, s.src_cs),
                         .first = ky,
                         .last = ky + rows});
  return tasks;
}

}  // namespace

KernelChoice CpuBackend::execute(const DenseWeightGradientTask& given) {
  const StageShape& s = given.shape;
  const int n = given.n;
  const Precision precision = gradient_precision(s);
  const bool pairs = precision == Precision::kMixed;
  if (in_blocks(s, n)) {
    const int64_t row = int64_t(s.in_w) * s.src_cs;
    const uint16_t* source = packed_in_blocks(s, n) ? reinterpret_cast<const uint16_t*>(given.packed)
                                                    : as_blocks(source_halves_, given.packed, n, s.in_h, row);
    const uint16_t* gradient = as_blocks(halves_, given.d_out, n, s.out_h, int64_t(s.out_w) * s.out_cs);
    const std::vector<AmxWeightTask> tasks = amx_tasks(given, source, gradient, pool_.threads());
    each_worker(int64_t(tasks.size()), amx_weight_words(s),
                [&](Worker& worker, int64_t i) { amx_weight(tasks[size_t(i)], worker.memory.data()); });
    return {.kernel = "amx"};
  }
  DenseWeightGradientTask task = given;
  if (pairs && forward_precision(s) == Precision::kFp32)
    task.packed =
        reinterpret_cast<const float*>(as_halves(given.packed, int64_t(n) * s.in_h, int64_t(s.in_w) * s.src_cs));
  const Layer l(s);
  const int images = pairs ? (n + 1) / 2 : n;
  const std::vector<Tile> tiles = tiles_of(l.out_cs);
  const std::vector<WeightUnit> units = units_of(l, int64_t(tiles.size()), pool_.threads());
  const int chunk_images = std::max(1, kChunkCells / (l.out_h * l.out_w)),
            chunk_rows = std::clamp(kChunkCells / l.out_w, 1, l.out_h);
  const int chunk_source_rows = std::min(l.in_h, (chunk_rows - 1) * l.stride + l.kernel_h);
  const int64_t gradient_words = int64_t(chunk_images) * chunk_rows * l.out_w * kMaxTile;
  const int64_t source_words = int64_t(chunk_images) * chunk_source_rows * l.in_w * round_up(units[0].end, kLane);

  each_worker(int64_t(tiles.size() * units.size()), gradient_words + source_words, [&](Worker& worker, int64_t i) {
    const Tile tile = tiles[i / units.size()];
    const WeightUnit& unit = units[i % units.size()];
    const int channels = unit.end - unit.begin;
    float* out = task.d_weight + int64_t(tile.begin) * s.taps() * s.src_cs;
    Slab gradient{s.out_size(), l.out_cs, l.out_w, 0, 0, 0, 0, tile.begin, tile.width};
    Slab source{int64_t(l.in_h) * l.in_w * l.cs, l.cs, l.in_w, 0, 0, 0, 0, unit.begin, channels};
    for (int image = 0; image < images; image += chunk_images)
      for (int y = 0; y < l.out_h; y += chunk_rows) {
        gradient.image = source.image = image, gradient.images = source.images = std::min(chunk_images, images - image);
        gradient.y = y, gradient.rows = std::min(chunk_rows, l.out_h - y);
        source.y = std::clamp(y * l.stride - l.pad, 0, l.in_h);
        source.rows = std::clamp((y + gradient.rows - 1) * l.stride - l.pad + l.kernel_h, source.y, l.in_h) - source.y;
        uint32_t* memory = worker.memory.data();
        const Operand g = operand(memory, task.d_out, gradient, pairs, n);
        const Operand a =
            pairs ? operand(memory + gradient_words, reinterpret_cast<const uint16_t*>(task.packed), source, pairs, n)
                  : operand(memory + gradient_words, task.packed, source, pairs, n);
        DenseWeightTask block;
        block.precision = precision, block.images = gradient.images, block.width = tile.width;
        block.a_image = a.image, block.a_row = l.stride * a.row, block.a_column = l.stride * a.column;
        block.g_image = g.image, block.g_row = g.row, block.g_column = g.column;
        for (const WeightGroup& group : unit.groups) {
          const int top = std::max(y, group.top);
          block.rows = std::min(y + gradient.rows, group.bottom) - top;
          if (block.rows <= 0) continue;
          for (const WeightPart& part : group.parts) {
            block.columns = part.last - part.first, block.depth = part.end - part.begin;
            block.a = word(a, top * l.stride + group.ky - l.pad - source.y, part.first * l.stride - l.pad, part.begin);
            block.g = word(g, top - y, part.first, 0);
            block.d_weight = out + ((int64_t(group.ky) * l.kernel_w + part.begin / channels) * l.cs + unit.begin +
                                    part.begin % channels) *
                                       tile.width;
            dense_weight_block(block);
          }
        }
      }
  });
  return {};
}

KernelChoice CpuBackend::execute(const DenseBiasGradientTask& task) {
  const StageShape& s = task.shape;
  pool_.parallel_for(s.out_cs / kLane, [&](int64_t lane) {
    double sum[kLane] = {};
    for (int64_t i = 0; i < task.n * s.out_cells(); ++i)
      for (int c = 0; c < kLane; ++c) sum[c] += task.d_out[i * s.out_cs + lane * kLane + c];
    for (int c = 0; c < kLane; ++c) task.d_bias[lane * kLane + c] += float(sum[c]);
  });
  return {};
}

}  // namespace onespike::cpu
