// Dense operations of the CPU backend: how each is split into tasks. Sums run over taps and channels in one order,
// whatever the tasks, so that results do not depend on the number of threads.
#include <algorithm>
#include <atomic>
#include <cstring>

#include "cpu/backend/backend.h"
#include "cpu/dense/dense.h"

namespace onespike::cpu {
namespace {

constexpr int64_t kDenseTasksPerThread = 8;

// From this many images on a last block that is not full costs less than blocks save: twice the rate of rows.
constexpr int kFewestOfBlocks = 12;

// Where row y of an image begins in image blocks of maps of `rows` rows of `row` values.
int64_t block_row(int64_t image, int64_t y, int64_t rows, int64_t row) {
  return (image / kBlockImages * rows + y) * row * kBlockImages + image % kBlockImages * kBlockChannels;
}

// A NaN stays one.
float relu(float x) { return x < 0 ? 0 : x; }

// Some cells of one class, counted through all images, or all blocks of images.
struct Piece {
  const CellClass* cells;
  int64_t first;
  int count;
};

std::vector<Piece> pieces_of(const std::vector<CellClass>& classes, int n) {
  std::vector<Piece> pieces;
  for (const CellClass& c : classes) {
    const int64_t count = int64_t(n) * int64_t(c.ys.size() * c.xs.size());
    for (int64_t first = 0; first < count; first += kDenseRows)
      pieces.push_back({&c, first, int(std::min<int64_t>(kDenseRows, count - first))});
  }
  return pieces;
}

void place(const Piece& piece, const DenseWalk& walk, int64_t source_image, const DenseStrides& to, int64_t shift,
           int64_t* base, int64_t* out, int n, int* images) {
  const CellClass& c = *piece.cells;
  const int64_t rows = int64_t(c.ys.size()), columns = int64_t(c.xs.size());
  int64_t image = piece.first / (rows * columns), y = piece.first / columns % rows, x = piece.first % columns;
  for (int i = 0; i < piece.count; ++i) {
    base[i] = image * source_image +
              (walk.window_y[c.ys[y]].begin * walk.source_columns + walk.window_x[c.xs[x]].begin) * walk.source_cs;
    out[i] = image * (images ? kBlockImages : 1) * to.image + c.ys[y] * to.row + c.xs[x] * to.column + shift;
    if (images) images[i] = int(std::min<int64_t>(kBlockImages, n - image * kBlockImages));
    if (++x < columns) continue;
    x = 0;
    if (++y == rows) y = 0, ++image;
  }
}

}  // namespace

Precision CpuBackend::gradient_precision(const StageShape& s) const { return s.first ? Precision::kFp32 : precision_; }

Precision CpuBackend::forward_precision(const StageShape& s) const {
  return s.coded ? Precision::kFp32 : gradient_precision(s);
}

bool CpuBackend::in_blocks(const StageShape& s, int n) const {
  return amx_ && gradient_precision(s) == Precision::kMixed && !s.linear && s.src_cs % kBlockChannels == 0 &&
         s.out_cs % kBlockChannels == 0 && n >= kFewestOfBlocks;
}

bool CpuBackend::packed_in_blocks(const StageShape& s, int n) const {
  return forward_precision(s) == Precision::kMixed && in_blocks(s, n);
}

KernelChoice CpuBackend::execute(const PackInputTask& task) {
  const StageShape& s = task.shape;
  const bool halves = forward_precision(s) == Precision::kMixed, blocks = packed_in_blocks(s, task.n);
  const int64_t row = int64_t(s.in_w) * s.src_cs;
  uint16_t* const packed = reinterpret_cast<uint16_t*>(task.packed);
  const int n = blocks ? image_blocks(task.n) * kBlockImages : task.n;
  pool_.parallel_for(int64_t(n) * s.in_h, [&](int64_t i) {
    const int64_t image = i / s.in_h, y = i % s.in_h;
    const float* from = task.src + image * s.src_size() + y * s.pool * s.src_w * s.src_cs;
    float* floats = task.packed + i * row;
    uint16_t* half = packed + (blocks ? block_row(image, y, s.in_h, row) : i * row);
    if (image >= task.n) return to_blocks(half, nullptr, row);
    if (s.pool == 1 && task.relu) {
      for (int64_t k = 0; k < row; ++k) floats[k] = relu(from[k]);
      return;
    }
    if (s.pool == 1) {
      if (blocks) to_blocks(half, from, row);
      else if (halves) to_bf16(half, from, row);
      else std::memcpy(floats, from, sizeof(float) * row);
      return;
    }
    alignas(kAlignment) float sum[kMaxTile];
    const float share = 1.0f / float(s.pool * s.pool);
    for (int x = 0; x < s.in_w; ++x)
      for (int c = 0; c < s.src_cs; c += kMaxTile) {
        const int count = std::min(kMaxTile, s.src_cs - c);
        const int64_t at = int64_t(x) * s.src_cs + c;
        std::memset(sum, 0, sizeof sum);
        for (int a = 0; a < s.pool; ++a)
          for (int b = 0; b < s.pool; ++b) {
            const float* value = from + (int64_t(a) * s.src_w + x * s.pool + b) * s.src_cs + c;
            for (int k = 0; k < count; ++k) sum[k] += task.relu ? relu(value[k]) : value[k];
          }
        for (int k = 0; k < count; ++k) sum[k] *= share;
        if (blocks) to_blocks(half + at * kBlockImages, sum, count);
        else if (halves) to_bf16(half + at, sum, count);
        else std::memcpy(floats + at, sum, sizeof(float) * count);
      }
  });
  return {};
}

void CpuBackend::each_worker(int64_t tasks, int64_t words, const std::function<void(Worker& worker, int64_t i)>& task) {
  const int64_t count = std::min<int64_t>(pool_.threads(), tasks);
  for (int64_t i = 0; i < count; ++i) workers_[i].memory.reserve(size_t(words)), workers_[i].packed = nullptr;
  std::atomic<int64_t> next{0};
  pool_.parallel_for(count, [&](int64_t worker) {
    for (int64_t i = next++; i < tasks; i = next++) task(workers_[worker], i);
  });
}

// Every tile of destination channels by every cell. A task is some cells of one tile; a thread that stays with a tile
// keeps its panel.
void CpuBackend::dense_product(const DenseTask& common, const DenseWalk& walk, const std::vector<DenseTile>& tiles,
                               int n, int64_t source_image, const DenseStrides& to, int64_t panel_words,
                               const PackPanel& pack) {
  const std::vector<CellClass> classes = cell_classes(walk);
  const std::vector<Piece> pieces = pieces_of(classes, common.blocks ? image_blocks(n) : n);
  const int64_t parts = int64_t(pieces.size());
  const int64_t splits = std::clamp<int64_t>(kDenseTasksPerThread * pool_.threads() / int64_t(tiles.size()), 1, parts),
                tasks = int64_t(tiles.size()) * splits;
  each_worker(tasks, pack ? panel_words : 0, [&](Worker& worker, int64_t i) {
    const DenseTile& tile = tiles[i / splits];
    const int64_t split = i % splits;
    if (pack && worker.packed != &tile) pack(worker.memory.data(), tile), worker.packed = &tile;
    int64_t base[kDenseRows], out[kDenseRows];
    int images[kDenseRows];
    DenseTask task = common;
    task.panel = pack ? static_cast<const void*>(worker.memory.data()) : tile.weight;
    task.width = tile.width, task.bias = tile.bias, task.base = base, task.to = out;
    task.images = images, task.to_image = to.image;
    for (int64_t p = parts * split / splits; p < parts * (split + 1) / splits; ++p) {
      place(pieces[p], walk, source_image, to, tile.shift, base, out, n, task.blocks ? images : nullptr);
      task.runs = pieces[p].cells->runs.data(), task.run_count = int(pieces[p].cells->runs.size());
      dense_rows(task, pieces[p].count);
    }
  });
}

KernelChoice CpuBackend::execute(const DenseForwardTask& task) {
  const StageShape& s = task.shape;
  const Precision precision = forward_precision(s);
  const int64_t depth = int64_t(s.taps()) * s.src_cs, cells = int64_t(s.in_h) * s.in_w;
  std::vector<DenseTile> tiles;
  for (const Tile& t : tiles_of(s.out_cs))
    tiles.push_back({task.weight + t.begin * depth, 0, t.width, t.begin, task.bias ? task.bias + t.begin : nullptr});
  DenseTask product;
  product.precision = precision, product.a = task.packed, product.out = task.out, product.relu = task.relu;
  product.blocks = packed_in_blocks(s, task.n);
  PackPanel pack;
  if (precision == Precision::kMixed)
    pack = [&](uint32_t* panel, const DenseTile& tile) { pack_forward_panel(panel, tile.weight, depth, tile.width); };
  dense_product(product, dense_forward_walk(precision, s), tiles, task.n, words(cells * s.src_cs, precision),
                {s.out_size(), int64_t(s.out_w) * s.out_cs, s.out_cs}, depth / 2 * kMaxTile, pack);
  return {};
}

const uint16_t* CpuBackend::as_halves(const float* values, int64_t rows, int64_t row) {
  uint16_t* halves = halves_.reserve(size_t(rows * row));
  pool_.parallel_for(rows, [&](int64_t i) { to_bf16(halves + i * row, values + i * row, row); });
  return halves;
}

const uint16_t* CpuBackend::as_blocks(Scratch<uint16_t>& scratch, const float* values, int n, int rows, int64_t row) {
  const int64_t images = int64_t(image_blocks(n)) * kBlockImages;
  uint16_t* blocks = scratch.reserve(size_t(images * rows * row));
  pool_.parallel_for(images * rows, [&](int64_t i) {
    to_blocks(blocks + block_row(i / rows, i % rows, rows, row), i / rows < n ? values + i * row : nullptr, row);
  });
  return blocks;
}

KernelChoice CpuBackend::execute(const DenseInputGradientTask& task) {
  const StageShape& s = task.shape;
  const Precision precision = gradient_precision(s);
  const bool blocks = in_blocks(s, task.n);
  const int64_t row = int64_t(s.src_w) * s.src_cs;
  const void* a = task.d_out;
  if (blocks) a = as_blocks(halves_, task.d_out, task.n, s.out_h, int64_t(s.out_w) * s.out_cs);
  else if (precision == Precision::kMixed)
    a = as_halves(task.d_out, int64_t(task.n) * s.out_h, int64_t(s.out_w) * s.out_cs);
  // Cells that the pool drops receive nothing, and keep what another stage that reads the map gave them.
  const int used_h = s.in_h * s.pool, used_w = s.in_w * s.pool;
  if (!task.add && (used_h < s.src_h || used_w < s.src_w))
    pool_.parallel_for(int64_t(task.n) * s.src_h, [&](int64_t i) {
      const int from = i % s.src_h < used_h ? used_w : 0;
      std::memset(task.d_src + i * row + int64_t(from) * s.src_cs, 0, sizeof(float) * (s.src_w - from) * s.src_cs);
    });

  // A linear layer has weights of their own for every cell of its source; without a pool these are one run of channels.
  std::vector<DenseTile> tiles;
  const int taps = s.linear && s.pool > 1 ? s.taps() : 1;
  for (int tap = 0; tap < taps; ++tap)
    for (const Tile& t : tiles_of(s.linear && s.pool == 1 ? s.taps() * s.src_cs : s.src_cs))
      tiles.push_back({task.weight, int64_t(tap) * s.src_cs + t.begin, t.width,
                       (tap / s.in_w * row + int64_t(tap % s.in_w) * s.src_cs) * s.pool + t.begin, nullptr});
  DenseTask product;
  product.precision = precision, product.a = a, product.out = task.d_src, product.gate = task.activation;
  product.blocks = blocks;
  product.spread = true;
  product.spread_add = task.add;
  product.scale = task.scale / float(s.pool * s.pool), product.side = s.pool;
  product.child_row = row, product.child_column = s.src_cs;
  dense_product(product, dense_gradient_walk(precision, s), tiles, task.n, words(s.out_size(), precision),
                {s.src_size(), s.pool * row, int64_t(s.pool) * s.src_cs}, gradient_panel_words(kMaxTile, precision, s),
                [&](uint32_t* panel, const DenseTile& tile) {
                  pack_gradient_panel(panel, tile.weight, tile.row, tile.width, precision, s);
                });
  return {};
}

}  // namespace onespike::cpu
