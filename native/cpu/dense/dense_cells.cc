// Which cells of a map meet which taps (cpu/dense/dense.h), and the input gradient of cells of a stage's source.
#include <algorithm>
#include <map>
#include <utility>

#include "cpu/dense/dense.h"

namespace onespike::cpu {
namespace {

constexpr int64_t kTapBytes = 512 << 10;  // weights that stay in the L2 cache while all cells of a call pass

// A linear layer is a single cell that reads a single cell.
DenseWalk single_cell(int64_t source_cs) {
  DenseWalk walk;
  walk.window_y = walk.window_x = {{0, 1, 0}};
  walk.taps_x = 1, walk.source_columns = 1, walk.source_cs = source_cs;
  return walk;
}

// Coordinates by (count, first tap) of their window.
std::map<std::pair<int, int>, std::vector<int>> groups(const std::vector<Window>& windows) {
  std::map<std::pair<int, int>, std::vector<int>> by_window;
  for (size_t i = 0; i < windows.size(); ++i) by_window[{windows[i].count, windows[i].tap}].push_back(int(i));
  return by_window;
}

std::vector<DenseRun> runs_of(Window y, Window x, const DenseWalk& walk) {
  std::vector<DenseRun> runs;
  for (int r = 0; r < y.count && x.count > 0; ++r)
    runs.push_back({r * walk.source_columns * walk.source_cs,
                    (int64_t(y.tap + r) * walk.taps_x + x.tap) * walk.source_cs, x.count * walk.source_cs});
  return runs;
}

}  // namespace

DenseWalk dense_forward_walk(Precision precision, const StageShape& s) {
  if (s.linear) return single_cell(words(int64_t(s.taps()) * s.src_cs, precision));
  return {forward_windows(s.out_h, s.in_h, s.kernel_h, s.stride, s.pad),
          forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad), s.kernel_w, s.in_w,
          words(s.src_cs, precision)};
}

DenseWalk dense_gradient_walk(Precision precision, const StageShape& s) {
  if (s.linear) return single_cell(words(s.out_cs, precision));
  return {backward_windows(s.in_h, s.out_h, s.kernel_h, s.stride, s.pad),
          backward_windows(s.in_w, s.out_w, s.kernel_w, s.stride, s.pad), s.kernel_w, s.out_w,
          words(s.out_cs, precision)};
}

std::vector<CellClass> cell_classes(const DenseWalk& walk) {
  std::vector<CellClass> classes;
  for (const auto& [window_y, ys] : groups(walk.window_y))
    for (const auto& [window_x, xs] : groups(walk.window_x))
      classes.push_back(
          {ys, xs, runs_of({0, window_y.first, window_y.second}, {0, window_x.first, window_x.second}, walk)});
  return classes;
}

void dense_gradient_cells(float* out, const GradientCells& cells, const void* panel, int width, int64_t first,
                          int count) {
  const DenseWalk& walk = cells.walk;
  const StageShape& s = *cells.shape;
  const int T = cells.timesteps, columns = int(walk.window_x.size()), rows = int(walk.window_y.size());
  const int64_t step = s.out_cells() * walk.source_cs, row_bytes = 4 * int64_t(width);
  int64_t base[kDenseRows], to[kDenseRows];
  std::vector<int64_t> bases, places;  // at the first step, of the cells of one class
  DenseTask block;
  block.precision = cells.precision, block.half_rows = cells.half_rows, block.a = cells.a, block.panel = panel,
  block.width = width;
  block.out = out, block.base = base, block.to = to;
  for (const CellClass& c : cells.classes) {
    bases.clear(), places.clear();
    for (int64_t line = first / columns; line * columns < first + count; ++line) {
      const int y = int(line % rows);
      if (!std::binary_search(c.ys.begin(), c.ys.end(), y)) continue;
      for (int x : c.xs) {
        const int64_t cell = line * columns + x - first;
        if (cell < 0 || cell >= count) continue;
        bases.push_back(line / rows * T * step +
                        (int64_t(walk.window_y[y].begin) * walk.source_columns + walk.window_x[x].begin) *
                            walk.source_cs);
        places.push_back(cell * T * width);
      }
    }
    // Some rows of taps at a time; without any, zeros are written.
    int taken = 0;
    do {
      block.add = taken > 0, block.runs = c.runs.data() + taken, block.run_count = 0;
      for (int64_t bytes = 0; taken < int(c.runs.size()); ++taken, ++block.run_count) {
        bytes += c.runs[taken].depth * row_bytes;
        if (bytes > kTapBytes && block.run_count > 0) break;
      }
      // Neighbouring cells of one step share most of what they read.
      int filled = 0;
      for (int t = 0; t < T; ++t)
        for (size_t i = 0; i < bases.size(); ++i) {
          base[filled] = bases[i] + t * step, to[filled] = places[i] + int64_t(t) * width;
          if (++filled == kDenseRows) dense_rows(block, filled), filled = 0;
        }
      dense_rows(block, filled);
    } while (taken < int(c.runs.size()));
  }
}

}  // namespace onespike::cpu
