// Which cells of a map meet which taps (cpu/dense.h), and the input gradient of one row of a stage's source.
#include <algorithm>
#include <map>
#include <utility>

#include "cpu/dense.h"

namespace onespike::cpu {
namespace {

constexpr int kRowBlock = 48;  // rows handed to the kernel at once, a multiple of its register blocks

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
    runs.push_back({r * walk.source_columns * walk.source_cs, (int64_t(y.tap + r) * walk.taps_x + x.tap) * walk.source_cs, x.count * walk.source_cs});
  return runs;
}

}  // namespace

DenseWalk dense_forward_walk(Precision precision, const StageShape& s) {
  if (s.linear) return single_cell(words(int64_t(s.taps()) * s.src_cs, precision));
  return {forward_windows(s.out_h, s.in_h, s.kernel_h, s.stride, s.pad), forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad),
          s.kernel_w, s.in_w, words(s.src_cs, precision)};
}

DenseWalk dense_gradient_walk(Precision precision, const StageShape& s) {
  if (s.linear) return single_cell(words(s.out_cs, precision));
  return {backward_windows(s.in_h, s.out_h, s.kernel_h, s.stride, s.pad), backward_windows(s.in_w, s.out_w, s.kernel_w, s.stride, s.pad),
          s.kernel_w, s.out_w, words(s.out_cs, precision)};
}

std::vector<CellClass> cell_classes(const DenseWalk& walk) {
  std::vector<CellClass> classes;
  for (const auto& [window_y, ys] : groups(walk.window_y))
    for (const auto& [window_x, xs] : groups(walk.window_x))
      classes.push_back({ys, xs, runs_of({0, window_y.first, window_y.second}, {0, window_x.first, window_x.second}, walk)});
  return classes;
}

void dense_gradient_rows(float* out, const GradientRowsTask& task, int64_t image, int y, int first, int last) {
  const DenseWalk& walk = *task.walk;
  const StageShape& s = *task.shape;
  const int T = task.timesteps;
  const int64_t step = s.out_cells() * walk.source_cs;
  int64_t base[kRowBlock], to[kRowBlock];
  const Window wy = walk.window_y[y];
  for (int x = first; x < last;) {
    // Columns with the same taps: all but those at the edges.
    const Window wx = walk.window_x[x];
    int end = x + 1;
    while (end < last && walk.window_x[end].count == wx.count && walk.window_x[end].tap == wx.tap) ++end;
    const std::vector<DenseRun> runs = runs_of(wy, wx, walk);
    DenseTask block;
    block.precision = task.precision, block.a = task.a, block.base = base, block.runs = &runs;
    block.panel = task.panel, block.width = task.width, block.out = out, block.to = to;
    const int rows = (end - x) * T;
    for (int done = 0; done < rows; done += kRowBlock) {
      const int count = std::min(kRowBlock, rows - done);
      for (int i = 0; i < count; ++i) {
        const int column = x + (done + i) / T, t = (done + i) % T;
        base[i] = (image * T + t) * step + (int64_t(wy.begin) * walk.source_columns + walk.window_x[column].begin) * walk.source_cs;
        to[i] = (int64_t(column - first) * T + t) * task.width;
      }
      dense_rows(block, count);
    }
    x = end;
  }
}

}  // namespace onespike::cpu
