// a(t) -> g(t) = a(t) + leak * g(t+1) of one row of a layer (docs/MATHEMATICS.md, "Gradients through time"), and its
// gradient events. A linear layer is one row.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gradient/accumulate.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "cpu/gradient/accumulate.h"
#include "cpu/gradient/gradient_tile.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using Words = uint16_t;  // one bit per neuron, kLane neurons a word
constexpr int kParts = kLane / kFloats;

// The border cells beside row y of every step, and with the first and the last row those above and below the map.
// `gradient` is that of one image and tile.
void zero_border(float* gradient, const GradientTile& at, int y, int timesteps, const StageShape& s) {
  const int64_t row = at.row, left = s.border_w() * at.cell, inner = s.out_w * at.cell;
  for (int t = 0; t < timesteps; ++t) {
    float* map = gradient + t * at.step;
    float* here = map + (y + s.border_h()) * row;
    std::memset(here, 0, sizeof(float) * left);
    std::memset(here + left + inner, 0, sizeof(float) * (row - left - inner));
    if (y == 0) std::memset(map, 0, sizeof(float) * s.border_h() * row);
    if (y == s.out_h - 1) std::memset(here + row, 0, sizeof(float) * (s.grad_h() - s.border_h() - s.out_h) * row);
  }
}

// Which of kLane values are not zero.
HWY_INLINE Words nonzero(const Block<kParts>& a) {
  uint32_t bits = 0;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    uint8_t part[8];
    hn::StoreMaskBits(d, hn::Ne(a.at[i], hn::Zero(d)), part);
    uint16_t here = part[0];
    if (kFloats == 16) std::memcpy(&here, part, 2);
    bits |= uint32_t(here) << (i * kFloats);
  }
  return Words(bits);
}

// Appends first + i for every bit i of a word; writes up to kLane numbers beyond the last.
HWY_INLINE uint32_t* append_ids(uint32_t* HWY_RESTRICT ids, uint32_t first, const Words* HWY_RESTRICT word) {
  const hn::Rebind<uint32_t, D> d32;
#pragma GCC unroll 4
  for (int i = 0; i < kParts; ++i) {
    uint32_t here = *word;
    uint8_t part = 0;
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(word);
    if (kFloats < 16) here = here >> (i * kFloats) & ((1u << kFloats) - 1), part = uint8_t(here), bytes = &part;
    hn::StoreU(hn::CompressBits(hn::Add(hn::Iota(d32, 0), hn::Set(d32, first + uint32_t(i * kFloats))), bytes), d32,
               ids);
    ids += __builtin_popcount(here);
  }
  return ids;
}

// One row of one tile. `bits` (T, words) of the row, null = not wanted.
template <bool kEvents>
HWY_INLINE void accumulate(const AccumulateTask& task, Tile tile, int64_t image, int y, Words* HWY_RESTRICT bits) {
  const StageShape& s = *task.shape;
  const int timesteps = task.timesteps;
  const GradientTile at(tile, task.n, timesteps, s);
  const V leak = hn::Set(d, task.leak);
  const int64_t words = int64_t(s.out_w) * s.out_cs / kLane;
  const float* HWY_RESTRICT from = task.potential + image * timesteps * s.out_size() + s.out_cell(y, 0) + tile.begin;
  float* HWY_RESTRICT to = task.gradient + at.begin + image * at.image;
  zero_border(to, at, y, timesteps, s);
  to += (y + s.border_h()) * at.row + s.border_w() * at.cell;
  // A few steps at once: they lie planes apart, and with 20 such streams the same took twice the time per step.
  for (int end = timesteps; end > 0; end -= kMaxBlock) {
    for (int x = 0; x < s.out_w; ++x)
      for (int c = 0; c < tile.width; c += kLane) {
        const float* HWY_RESTRICT neurons = from + int64_t(x) * s.out_cs + c;
        float* HWY_RESTRICT out = to + x * at.cell + c;
        Block<kParts> g, a;
#pragma GCC unroll 4
        for (int v = 0; v < kParts; ++v)
          g.at[v] = end < timesteps ? hn::Load(d, out + end * at.step + v * kFloats) : hn::Zero(d);
        for (int t = end - 1; t >= std::max(0, end - kMaxBlock); --t) {
#pragma GCC unroll 4
          for (int v = 0; v < kParts; ++v) {
            a.at[v] = hn::Load(d, neurons + t * s.out_size() + v * kFloats);
            g.at[v] = carry_leak<VectorArithmetic>(leak, g.at[v], a.at[v]);
            hn::Store(g.at[v], d, out + t * at.step + v * kFloats);
          }
          if (kEvents) bits[t * words + (int64_t(x) * s.out_cs + tile.begin + c) / kLane] = nonzero(a);
        }
      }
  }
}

// Leaves a neuron's bit at its first step in `first`, and at its last in `last`; both (steps, words).
HWY_INLINE void keep_ends(Words* HWY_RESTRICT first, Words* HWY_RESTRICT last, int steps, int64_t words) {
  for (int64_t w = 0; w < words; ++w) {
    Words seen = 0, later = 0;
    for (int t = steps - 1; t >= 0; --t) {
      const Words here = first[t * words + w];
      last[t * words + w] = Words(here & ~later), later |= here;
    }
    for (int t = 0; t < steps; ++t) {
      const Words here = first[t * words + w];
      first[t * words + w] = Words(here & ~seen), seen |= here;
    }
  }
}

constexpr uint32_t kAbsent = 1u << 31;  // an id that only completes a pair

HWY_INLINE uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The events of one range; `a` are the values at its first step.
template <int kSteps>
HWY_INLINE void write_events(uint32_t* HWY_RESTRICT to, const uint32_t* HWY_RESTRICT ids, int64_t count,
                             const float* HWY_RESTRICT a, int64_t step) {
  for (int64_t i = 0; i < count; ++i, to += 1 + kSteps) {
    to[0] = ids[i];
#pragma GCC unroll 5
    for (int t = 0; t < kSteps; ++t) to[1 + t] = float_bits(a[t * step + ids[i]]);
  }
}

// The same in pairs, rounded to the nearest bf16.
template <int kSteps>
HWY_INLINE void write_pairs(uint32_t* HWY_RESTRICT to, const uint32_t* HWY_RESTRICT ids, int64_t count,
                            const float* HWY_RESTRICT a, int64_t step) {
  for (int64_t i = 0; i < count; i += 2, to += 2 + kSteps) {
    const uint32_t first = ids[i], second = ids[i + 1] & ~kAbsent, present = ids[i + 1] & kAbsent ? 0 : 0xffff0000u;
    to[0] = first, to[1] = second;
#pragma GCC unroll 5
    for (int t = 0; t < kSteps; ++t)
      to[2 + t] =
          (float_bits(a[t * step + first]) + 0x8000u) >> 16 | ((float_bits(a[t * step + second]) + 0x8000u) & present);
  }
}

// Calls run with the number of steps as a constant.
template <class F>
HWY_INLINE void with_steps(int steps, const F& run) {
  static_assert(kMaxBlock == 5);
  switch (steps) {
    case 1: return run(std::integral_constant<int, 1>());
    case 2: return run(std::integral_constant<int, 2>());
    case 3: return run(std::integral_constant<int, 3>());
    case 4: return run(std::integral_constant<int, 4>());
    default: return run(std::integral_constant<int, 5>());
  }
}

// Sorts the neurons of a row by block and range of steps. `bits` (T, words) is used up; `a` are the values of the row
// at the first step.
HWY_INLINE void sort_by_range(GradientEvents& events, int64_t row, Words* HWY_RESTRICT bits, const float* a,
                              int64_t step) {
  const StepBlocks& blocks = events.blocks;
  const int64_t words = events.neurons / kLane, column_words = events.cs / kLane;
  std::vector<Words> scratch(size_t(kMaxBlock + 1) * words);
  Words *last = scratch.data(), *both = last + kMaxBlock * words;
  // A compressing store writes a whole vector.
  std::vector<uint32_t> ids(size_t(events.neurons) + events.columns + kLane);
  uint32_t *starts = events.row_starts(row), *to = events.row_words(row), base = 0;
  GradientWork work;
  for (int block = 0; block < blocks.count; ++block) {
    Words* first = bits + blocks.begin(block) * words;
    keep_ends(first, last, blocks.steps(block), words);
    for (int from = 0; from < blocks.steps(block); ++from)
      for (int until = from; until < blocks.steps(block); ++until) {
        Words any = 0;
        for (int64_t w = 0; w < words; ++w) both[w] = first[from * words + w] & last[until * words + w], any |= both[w];
        if (!any) {
          starts = std::fill_n(starts, events.columns, base);
          continue;
        }
        const int steps = until - from + 1;
        const uint32_t id_words = events.pairs ? 2 : 1;
        uint32_t* at = ids.data();
        int64_t absent = 0;
        for (int x = 0; x < events.columns; ++x) {
          *starts++ = base + uint32_t(at - ids.data()) / id_words * (id_words + uint32_t(steps));
          for (int64_t w = x * column_words; w < std::min(words, (x + 1) * column_words); ++w)
            at = append_ids(at, uint32_t(w * kLane), both + w);
          if (events.pairs && (at - ids.data()) % 2) *at = at[-1] | kAbsent, ++at, ++absent;
        }
        const int64_t count = at - ids.data();
        const float* values = a + (blocks.begin(block) + from) * step;
        with_steps(steps, [&](auto constant) HWY_ATTR {
          if (events.pairs) write_pairs<constant.value>(to + base, ids.data(), count, values, step);
          else write_events<constant.value>(to + base, ids.data(), count, values, step);
        });
        base += uint32_t(count) / id_words * (id_words + uint32_t(steps));
        work.events += count - absent, work.covered += (count - absent) * steps;
      }
  }
  *starts = base;
  events.work.data()[row] = work;
}

// g of a row becomes kappa(t) g(t): all steps were needed as they are.
void weigh_row(const AccumulateTask& task, Tile tile, int64_t image, int y) {
  const StageShape& s = *task.shape;
  const GradientTile at(tile, task.n, task.timesteps, s);
  float* row = task.gradient + at.begin + image * at.image + (y + s.border_h()) * at.row + s.border_w() * at.cell;
  for (int t = 0; t < task.timesteps; ++t, row += at.step) {
    const V kappa = hn::Set(d, task.kappa[t]);
    for (int i = 0; i < s.out_w * tile.width; i += kFloats) hn::Store(hn::Mul(kappa, hn::Load(d, row + i)), d, row + i);
  }
}

void AccumulateRow(const AccumulateTask& task, int64_t image, int y) {
  const StageShape& s = *task.shape;
  if (!task.events) {
    for (const Tile& tile : *task.tiles) accumulate<false>(task, tile, image, y, nullptr);
    for (const Tile& tile : *task.tiles)
      if (task.kappa) weigh_row(task, tile, image, y);
    return;
  }
  std::vector<Words> bits(size_t(task.timesteps) * s.out_w * s.out_cs / kLane);
  for (const Tile& tile : *task.tiles) accumulate<true>(task, tile, image, y, bits.data());
  for (const Tile& tile : *task.tiles)
    if (task.kappa) weigh_row(task, tile, image, y);
  sort_by_range(*task.events, image * s.out_h + y, bits.data(),
                task.potential + image * task.timesteps * s.out_size() + s.out_cell(y, 0), s.out_size());
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(AccumulateRow);
void accumulate_row(const AccumulateTask& task, int64_t image, int y) {
  HWY_DYNAMIC_DISPATCH(AccumulateRow)(task, image, y);
}
}  // namespace onespike::cpu
#endif
