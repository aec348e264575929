// Products of small matrices on the CPU, by the kernel of dense products: a task is some rows of one batch by a tile of
// columns, which are copied into the order in which the kernel reads them, as rows are whose numbers are not
// neighbours. Every number is summed in one order, whatever the tasks.
#include <algorithm>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/dense/dense.h"

namespace onespike::cpu {
namespace {

// Numbers between the rows of a copy, beside their own: rows whose distance is a multiple of 2 KiB share few lines of a
// cache.
constexpr int64_t kBetween = kLane;

// The columns of a tile, all terms one after the other, times the scale.
void pack_columns(float* panel, const ProductTask& task, int batch, const Tile& tile) {
  const Matrix& b = task.b;
  const int64_t term_floats = int64_t(task.depth) * tile.width;
  for (int term = 0; term < task.terms; ++term) {
    float* const to = panel + term * term_floats;
    const float* from = b.data + batch * b.batch + term * b.term + tile.begin * b.column;
    if (b.column == 1) gather_rows(reinterpret_cast<uint32_t*>(to), from, b.row, task.depth, tile.width);
    else transpose_rows(to, tile.width, from, b.column, tile.width, task.depth);
  }
  if (!task.scale) return;
  const float scale = *task.scale;
  for (int64_t k = 0; k < task.terms * term_floats; ++k) panel[k] *= scale;
}

// `count` rows from `first`, each with all terms one after the other.
void pack_rows(float* to, int64_t to_row, const ProductTask& task, int batch, int first, int count) {
  const Matrix& a = task.a;
  for (int term = 0; term < task.terms; ++term)
    transpose_rows(to + int64_t(term) * task.depth, to_row, a.data + batch * a.batch + term * a.term + first * a.row,
                   a.column, task.depth, count);
}

// How many parts the rows of a task are divided into, so that every thread finds work until the end: each copies the
// columns of its tile again.
int64_t row_parts(int rows, int64_t tiles, int threads) {
  constexpr int64_t kTasksPerThread = 4;
  const int64_t blocks = (rows + kDenseRows - 1) / kDenseRows;
  return std::min(blocks, (kTasksPerThread * threads + tiles - 1) / tiles);
}

}  // namespace

KernelChoice CpuBackend::execute(const ProductTask& task) {
  const std::vector<Tile> tiles = tiles_of(task.columns);
  const int64_t depth = int64_t(task.terms) * task.depth, columns = task.batches * int64_t(tiles.size());
  const int64_t packed_row = depth + kBetween;
  const int64_t parts = row_parts(task.rows, columns, pool_.threads());
  const bool packs = task.a.column != 1;  // else the kernel reads rows where they are
  std::vector<DenseRun> runs;
  if (packs) runs.push_back({0, 0, depth});
  for (int term = 0; !packs && term < task.terms; ++term)
    runs.push_back({term * task.a.term, int64_t(term) * task.depth, task.depth});
  filter_.forget(task.out, size_t((task.batches - 1) * task.out_batch + task.rows * task.out_row) * sizeof(float));
  each_worker(columns * parts, depth * kMaxTile + (packs ? packed_row * kDenseRows : 0),
              [&](Worker& worker, int64_t i) {
                const int64_t column = i / parts, part = i % parts;
                const int batch = int(column / int64_t(tiles.size()));
                const Tile tile = tiles[size_t(column % int64_t(tiles.size()))];
                float *const panel = worker.floats(), *const rows = panel + depth * kMaxTile;
                pack_columns(panel, task, batch, tile);
                DenseTask block;
                block.a = packs ? rows : task.a.data + batch * task.a.batch;
                block.runs = runs.data(), block.run_count = int(runs.size());
                block.panel = panel, block.width = tile.width;
                block.out = task.out, block.add = task.add;
                int64_t base[kDenseRows], to[kDenseRows];
                block.base = base, block.to = to;
                const int lanes = task.rows / kLane, end = int(lanes * (part + 1) / parts) * kLane;
                for (int first = int(lanes * part / parts) * kLane, count = 0; first < end; first += count) {
                  count = std::min(kDenseRows, end - first);
                  if (packs) pack_rows(rows, packed_row, task, batch, first, count);
                  for (int r = 0; r < count; ++r) {
                    base[r] = packs ? r * packed_row : (first + r) * task.a.row;
                    to[r] = batch * task.out_batch + (first + r) * task.out_row + tile.begin;
                  }
                  dense_rows(block, count);
                }
              });
  return {};
}

KernelChoice CpuBackend::execute(const DotTask& task) {
  double* sums = sums_.reserve(size_t(ranges(task.count)));
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    sums[i] = 0;
    for (int64_t j = i * kRange; j < std::min(task.count, (i + 1) * kRange); ++j)
      sums[i] += double(task.a[j]) * task.b[j];
  });
  double sum = 0;
  for (int64_t i = 0; i < ranges(task.count); ++i) sum += sums[i];
  *task.total += float(sum);
  return {};
}

}  // namespace onespike::cpu
