// Input gradient of a convolution for a stretch of its source cells and one tile of their channels
// (docs/MATHEMATICS.md, "The lazy leak"): Wt a(t) through the gradient events, the leak, then the surrogate of the
// neurons below. Where a pool lies between, every child of a pooled cell receives the same share.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gradient/input_conv.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "cpu/dense/dense.h"
#include "cpu/gradient/sums-inl.h"
#include "cpu/gradient/input_conv.h"
#include "cpu/gradient/neuron-inl.h"
#include "cpu/simd/targets.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Source cells in the order (image, row, column).
struct Cell {
  int64_t image;
  int y, x;

  Cell(int64_t index, const StageShape& s)
      : image(index / (int64_t(s.in_h) * s.in_w)), y(int(index / s.in_w % s.in_h)), x(int(index % s.in_w)) {}
  HWY_INLINE void next(const StageShape& s) {
    if (++x < s.in_w) return;
    x = 0;
    if (++y == s.in_h) y = 0, ++image;
  }
};

template <class P, int kWidth>
HWY_INLINE void add_events(const ConvInputTask& task, int channel, int64_t first, int count,
                           float* HWY_RESTRICT spikes) {
  using Weight = typename P::Weight;
  const GradientEvents& events = *task.events;
  const StageShape& s = *task.shape;
  const StepBlocks& blocks = events.blocks;
  const Weight* weight = static_cast<const Weight*>(task.weight) + int64_t(channel) * s.taps() * s.out_cs;
  std::memset(spikes, 0, size_t(count) * blocks.timesteps * kWidth * sizeof(float));
  // One row of taps at a time: its weights are 96 KiB at 128 channels and stay in the L2 cache while the stretch
  // passes.
  for (int tap = 0; tap < s.kernel_h; ++tap) {
    Cell cell(first, s);
    for (int i = 0; i < count; ++i, cell.next(s)) {
      const Window wy = task.window_y[cell.y], wx = task.window_x[cell.x];
      if (tap < wy.tap || tap >= wy.tap + wy.count || wx.count == 0) continue;
      const int64_t row = cell.image * s.out_h + wy.begin + tap - wy.tap;
      const Weight* rows = weight + (int64_t(tap) * s.kernel_w + wx.tap - wx.begin) * s.out_cs * kWidth;
      for (int block = 0; block < blocks.count; ++block) {
        const RangeRuns<Weight> run{
            events.row_words(row),
            events.row_starts(row) + int64_t(blocks.ranges_before(block)) * events.columns + wx.begin, events.columns,
            wx.count, rows};
        add_block<P, kWidth>(blocks.steps(block),
                             spikes + (int64_t(i) * blocks.timesteps + blocks.begin(block)) * kWidth, run);
      }
    }
  }
}

// The potentials of a cell lie T planes apart: the processor does not see them coming, and waiting for them was a fifth
// of this kernel.
HWY_INLINE void prefetch_potentials(const Receiver& task, int channel, int width, const Cell& cell) {
  const StageShape& s = *task.shape;
  const int pool = s.pool, T = task.neuron.timesteps;
  for (int i = 0; i < pool; ++i)
    for (int j = 0; j < pool; ++j) {
      const float* at =
          task.potential + cell.image * T * s.src_size() + s.src_cell(cell.y * pool + i, cell.x * pool + j) + channel;
      for (int t = 0; t < T; ++t, at += s.src_size())
        for (int lane = 0; lane < width; lane += kLane) hwy::Prefetch(at + lane);
    }
}

template <Surrogate kind, bool kScheduled>
HWY_NOINLINE void neurons_backward(const Receiver& task, int channel, int width, int64_t first, int count,
                                   float* HWY_RESTRICT spikes, NeuronGradient* d_out) {
  const StageShape& s = *task.shape;
  const V leak = hn::Set(d, task.leak), scale = hn::Set(d, task.scale);
  NeuronSums sums;
  Cell cell(first, s), ahead(first, s);
  constexpr int kAhead = 2;
  for (int i = 0; i < kAhead; ++i) ahead.next(s);
  for (int index = 0; index < count; ++index, cell.next(s), ahead.next(s), spikes += task.neuron.timesteps * width) {
    if (index + kAhead < count) prefetch_potentials(task, channel, width, ahead);
    cell_backward<kind, kScheduled>(task, cell.image, cell.y, cell.x, channel, width, spikes, width, leak, scale, sums);
  }
  sums.add_to(d_out);
}

// Wt a(t) by the dense kernels: the backward weights of a tile are a panel as they lie.
void multiply_all(const ConvInputTask& task, Tile tile, int64_t first, int count, float* HWY_RESTRICT spikes) {
  const StageShape& s = *task.shape;
  const int64_t at = int64_t(tile.begin) * s.taps() * s.out_cs;
  const int64_t bytes = task.dense->half_rows ? at * 2 : words(at, task.dense->precision) * 4;
  const void* panel = static_cast<const char*>(task.weight) + bytes;
  dense_gradient_cells(spikes, *task.dense, panel, tile.width, first, count);
}

void follow_events(const ConvInputTask& task, Tile tile, int64_t first, int count, float* HWY_RESTRICT spikes) {
  with_width(tile.width, [&](auto width) HWY_ATTR {
#if HWY_TARGET == HWY_AVX3
    if (task.events->pairs) return add_events<Pair, width.value>(task, tile.begin, first, count, spikes);
#endif
    add_events<Single, width.value>(task, tile.begin, first, count, spikes);
  });
}

void ConvInputCells(const ConvInputTask& task, Tile tile, int64_t first, int count, NeuronGradient* d_out) {
  HWY_ALIGN float spikes[kConvInputPairs * kMaxTile];
  if (task.dense) multiply_all(task, tile, first, count, spikes);
  else follow_events(task, tile, first, count, spikes);
  const Receiver& n = task.receiver;
  with_neurons(n, [&](auto kind, auto scheduled) HWY_ATTR {
    neurons_backward<kind.value, scheduled.value>(n, tile.begin, tile.width, first, count, spikes, d_out);
  });
}

void PackGradientHalves(uint16_t* to, const float* rows, int64_t count, int width) {
#if HWY_TARGET == HWY_AVX3
  pack_half_rows(to, rows, count, width);
#else
  (void)to, (void)rows, (void)count, (void)width;
#endif
}

bool TakesGradientPairs() { return HWY_TARGET == HWY_AVX3 && native_bf16(); }

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(ConvInputCells);
HWY_EXPORT(TakesGradientPairs);
HWY_EXPORT(PackGradientHalves);
void conv_input_cells(const ConvInputTask& task, Tile tile, int64_t first, int count, NeuronGradient* d) {
  HWY_DYNAMIC_DISPATCH(ConvInputCells)(task, tile, first, count, d);
}
bool takes_gradient_pairs() { return HWY_DYNAMIC_DISPATCH(TakesGradientPairs)(); }

void pack_gradient_halves(uint16_t* to, const float* rows, int64_t count, int width) {
  HWY_DYNAMIC_DISPATCH(PackGradientHalves)(to, rows, count, width);
}
}  // namespace onespike::cpu
#endif
