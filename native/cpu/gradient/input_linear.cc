// Input gradient of a linear layer (docs/MATHEMATICS.md, "The lazy leak"): Wt a(t) through the non-zero a(t), the leak
// carried in the sums, then the surrogate of the neurons below. The weights are read once per chunk, in the layout of
// the forward pass, and transposed a few KiB at a time: a transposed copy would double the memory of the layers that
// have most of the weights.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gradient/input_linear.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/gradient/sums-inl.h"
#include "cpu/gradient/input_linear.h"
#include "cpu/gradient/neuron-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// to[o * kWidth + i] = from[i * width + o] for i < kWidth and o < width.
template <int kWidth>
HWY_INLINE void transpose(float* HWY_RESTRICT to, const float* HWY_RESTRICT from, int width) {
#if HWY_TARGET == HWY_SCALAR
  for (int o = 0; o < width; ++o)
    for (int i = 0; i < kWidth; ++i) to[o * kWidth + i] = from[i * width + o];
#else
  const hn::CappedTag<float, 4> d4;
  const hn::Repartition<double, D> pairs;
  // Rows 4 b + j of the source in the 128-bit block b of vector j: what remains is 4 by 4 within every block.
  const auto rows = [&](const float* at) HWY_ATTR {
    const auto four = [&](int b) HWY_ATTR { return hn::LoadU(d4, at + int64_t(4 * b) * width); };
    if constexpr (kFloats == 4) return four(0);
    else if constexpr (kFloats == 8) return hn::Combine(d, four(1), four(0));
    else {
      const hn::Half<D> d8;
      return hn::Combine(d, hn::Combine(d8, four(3), four(2)), hn::Combine(d8, four(1), four(0)));
    }
  };
  for (int o = 0; o < width; o += 4)
#pragma GCC unroll 8
    for (int i = 0; i < kWidth; i += kFloats) {
      const float* at = from + int64_t(i) * width + o;
      const V r0 = rows(at), r1 = rows(at + width), r2 = rows(at + 2 * width), r3 = rows(at + 3 * width);
      const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1)),
                 low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
      const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1)),
                 high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
      float* out = to + o * kWidth + i;
      hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, out);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, out + kWidth);
      hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, out + 2 * kWidth);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, out + 3 * kWidth);
    }
#endif
}

// The leak and the surrogate: from (image, step, width) sums of Wt a to a(t) of the neurons below.
template <Surrogate kind, bool kScheduled>
HWY_NOINLINE void neurons_backward(const LinearInputTask& task, int cell, int channel, int width,
                                   float* HWY_RESTRICT sums, NeuronGradient* d_out) {
  const Receiver& receiver = task.receiver;
  const V leak = hn::Set(d, receiver.leak), scale = hn::Set(d, receiver.scale);
  const int y = cell / receiver.shape->in_w, x = cell % receiver.shape->in_w;
  NeuronSums total;
  for (int64_t image = 0; image < task.n; ++image, sums += receiver.neuron.timesteps * width)
    for (int v = 0; v < width; v += kFloats)
      cell_backward<kind, kScheduled>(receiver, image, y, x, channel + v, kFloats, sums + v, width, leak, scale, total);
  total.add_to(d_out);
}

// The weights of outputs [begin, end), a row of kWidth channels each.
template <class P, int kWidth>
HWY_INLINE void take_weights(const LinearInputTask& task, const std::vector<Tile>& tiles, int64_t first_row, int begin,
                             int end, typename P::Weight* HWY_RESTRICT to) {
  const StageShape& s = *task.receiver.shape;
  for (const Tile& tile : tiles) {
    if (tile.begin < begin || tile.begin >= end) continue;
    typename P::Weight* HWY_RESTRICT rows = to + int64_t(tile.begin - begin) * kWidth;
    const float* from = task.weight + int64_t(tile.begin) * s.taps() * s.src_cs + first_row * tile.width;
    if constexpr (std::is_same_v<typename P::Weight, float>) {
      transpose<kWidth>(rows, from, tile.width);
    } else {
      HWY_ALIGN float floats[kMaxTile * kWidth];
      transpose<kWidth>(floats, from, tile.width);
      pack_half_rows(rows, floats, int64_t(tile.width) * kWidth, kWidth);
    }
  }
}

template <class P, int kWidth>
HWY_NOINLINE void add_events(const LinearInputTask& task, int cell, int channel, float* HWY_RESTRICT sums) {
  using Weight = typename P::Weight;
  const GradientEvents& events = *task.events;
  const StageShape& s = *task.receiver.shape;
  const StepBlocks& blocks = events.blocks;
  const int64_t first_row = int64_t(cell) * s.src_cs + channel, image_sums = int64_t(blocks.timesteps) * kWidth;
  Weight* HWY_RESTRICT weight = reinterpret_cast<Weight*>(sums + task.n * image_sums);
  std::memset(sums, 0, sizeof(float) * task.n * image_sums);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  for (int column = 0; column < events.columns; ++column) {
    const int begin = column * events.cs;
    take_weights<P, kWidth>(task, tiles, first_row, begin, std::min(begin + events.cs, s.out_cs), weight);
    for (int64_t image = 0; image < task.n; ++image) {
      for (int block = 0; block < blocks.count; ++block) {
        const RangeRuns<Weight> run{
            events.row_words(image),
            events.row_starts(image) + int64_t(blocks.ranges_before(block)) * events.columns + column, events.columns,
            1, weight - int64_t(begin) * kWidth};
        add_block<P, kWidth>(blocks.steps(block), sums + image * image_sums + int64_t(blocks.begin(block)) * kWidth,
                             run);
      }
    }
  }
}

void follow_events(const LinearInputTask& task, int cell, Tile tile, float* HWY_RESTRICT sums) {
  with_width(tile.width, [&](auto width) HWY_ATTR {
#if HWY_TARGET == HWY_AVX3
    if (task.events->pairs) return add_events<Pair, width.value>(task, cell, tile.begin, sums);
#endif
    add_events<Single, width.value>(task, cell, tile.begin, sums);
  });
}

void LinearInputCell(const LinearInputTask& task, int cell, Tile tile, float* scratch, NeuronGradient* d_out) {
  follow_events(task, cell, tile, scratch);
  with_neurons(task.receiver, [&](auto kind, auto scheduled) HWY_ATTR {
    neurons_backward<kind.value, scheduled.value>(task, cell, tile.begin, tile.width, scratch, d_out);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(LinearInputCell);
void linear_input_cell(const LinearInputTask& task, int cell, Tile tile, float* scratch, NeuronGradient* d) {
  HWY_DYNAMIC_DISPATCH(LinearInputCell)(task, cell, tile, scratch, d);
}
}  // namespace onespike::cpu
#endif
