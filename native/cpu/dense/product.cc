// Products of small matrices on the CPU, by the kernel of dense products: a task is a block of rows of one batch by a
// tile of columns, its operands copied into the order in which the kernel reads them. Every number is summed in one
// order, whatever the tasks.
#include <algorithm>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/dense/dense.h"

namespace onespike::cpu {
namespace {

constexpr int kRows = 48;  // of a task, a multiple of the kernel's register blocks

// The columns of a tile, all terms one after the other, times the scale.
void pack_columns(float* panel, const ProductTask& task, int batch, const Tile& tile) {
  const float scale = task.scale ? *task.scale : 1;
  for (int term = 0; term < task.terms; ++term)
    for (int k = 0; k < task.depth; ++k, panel += tile.width) {
      const float* from =
          task.b.data + batch * task.b.batch + term * task.b.term + k * task.b.row + tile.begin * task.b.column;
      for (int lane = 0; lane < tile.width; ++lane) panel[lane] = scale * from[lane * task.b.column];
    }
}

void pack_row(float* to, const ProductTask& task, int batch, int row) {
  for (int term = 0; term < task.terms; ++term) {
    const float* from = task.a.data + batch * task.a.batch + term * task.a.term + row * task.a.row;
    for (int k = 0; k < task.depth; ++k) *to++ = from[k * task.a.column];
  }
}

}  // namespace

KernelChoice CpuBackend::execute(const ProductTask& task) {
  const std::vector<Tile> tiles = tiles_of(task.columns);
  const int64_t depth = int64_t(task.terms) * task.depth, blocks = (task.rows + kRows - 1) / kRows;
  const int64_t per_batch = blocks * int64_t(tiles.size());
  const DenseRun all{0, 0, depth};
  filter_.forget(task.out, size_t((task.batches - 1) * task.out_batch + task.rows * task.out_row) * sizeof(float));
  each_worker(task.batches * per_batch, depth * (kMaxTile + kRows), [&](Worker& worker, int64_t i) {
    const int batch = int(i / per_batch), first = int(i % blocks) * kRows, count = std::min(kRows, task.rows - first);
    const Tile tile = tiles[size_t(i % per_batch / blocks)];
    float *const panel = worker.floats(), *const rows = panel + depth * kMaxTile;
    int64_t base[kRows], to[kRows];
    pack_columns(panel, task, batch, tile);
    for (int r = 0; r < count; ++r) {
      pack_row(rows + r * depth, task, batch, first + r);
      base[r] = r * depth, to[r] = batch * task.out_batch + (first + r) * task.out_row + tile.begin;
    }
    DenseTask block;
    block.a = rows, block.base = base, block.runs = &all, block.run_count = 1;
    block.panel = panel, block.width = tile.width;
    block.out = task.out, block.to = to, block.add = task.add;
    dense_rows(block, count);
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
