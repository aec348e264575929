// a(t) -> g(t) = a(t) + leak * g(t+1) of one row of a convolution (SPEC section 5), and its gradient events.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/map_accumulate.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using Words = uint16_t;  // one bit per neuron, kLane neurons a word
constexpr int kParts = kLane / kFloats;

// The border cells beside row y of every step, and with the first and the last row those above and below the map.
void zero_border(float* gradient, int y, int timesteps, const StageShape& s) {
  const int64_t row = int64_t(s.grad_w()) * s.out_cs, left = int64_t(s.border_w()) * s.out_cs, inner = int64_t(s.out_w) * s.out_cs;
  for (int t = 0; t < timesteps; ++t) {
    float* map = gradient + t * s.grad_step();
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
    hn::StoreU(hn::CompressBits(hn::Add(hn::Iota(d32, 0), hn::Set(d32, first + uint32_t(i * kFloats))), bytes), d32, ids);
    ids += __builtin_popcount(here);
  }
  return ids;
}

// `bits` (T, words) of the row, null = not wanted.
template <bool kEvents>
HWY_INLINE void accumulate(float* HWY_RESTRICT gradient, const float* HWY_RESTRICT potential, Words* HWY_RESTRICT bits, int y, int timesteps,
                           float leak, const StageShape& s) {
  const V factor = hn::Set(d, leak);
  const int64_t count = int64_t(s.out_w) * s.out_cs, words = count / kLane;
  const float* HWY_RESTRICT from = potential + s.out_cell(y, 0);
  float* HWY_RESTRICT to = gradient + s.grad_cell(y, 0);
  for (int64_t c = 0; c < count; c += kLane) {
    Block<kParts> g, a;
    g.fill(hn::Zero(d));
    for (int t = timesteps - 1; t >= 0; --t) {
#pragma GCC unroll 4
      for (int v = 0; v < kParts; ++v) {
        a.at[v] = hn::Load(d, from + t * s.out_size() + c + v * kFloats);
        g.at[v] = hn::MulAdd(factor, g.at[v], a.at[v]);
        hn::Store(g.at[v], d, to + t * s.grad_step() + c + v * kFloats);
      }
      if (kEvents) bits[t * words + c / kLane] = nonzero(a);
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

// Sorts the neurons of a row by block and range of steps. `bits` (T, words) is used up.
HWY_INLINE void sort_by_range(GradientEvents& events, int64_t row, Words* HWY_RESTRICT bits, const StageShape& s) {
  const StepBlocks& blocks = events.blocks;
  const int per_cell = s.out_cs / kLane;
  const int64_t words = int64_t(s.out_w) * per_cell;
  std::vector<Words> room(size_t(kMaxBlock + 1) * words);
  Words *last = room.data(), *both = last + kMaxBlock * words;
  uint32_t *starts = events.row_starts(row), *ids = events.row_ids(row), *at = ids;
  int64_t covered = 0;
  for (int block = 0; block < blocks.count; ++block) {
    Words* first = bits + blocks.begin(block) * words;
    keep_ends(first, last, blocks.steps(block), words);
    for (int from = 0; from < blocks.steps(block); ++from)
      for (int to = from; to < blocks.steps(block); ++to) {
        const uint32_t* begin = at;
        Words any = 0;
        for (int64_t w = 0; w < words; ++w) both[w] = first[from * words + w] & last[to * words + w], any |= both[w];
        if (!any) {
          starts = std::fill_n(starts, s.out_w, uint32_t(at - ids));
          continue;
        }
        const Words* word = both;
        for (int x = 0; x < s.out_w; ++x) {
          *starts++ = uint32_t(at - ids);
          for (int c = 0; c < s.out_cs; c += kLane) at = append_ids(at, uint32_t(x * s.out_cs + c), word++);
        }
        covered += (at - begin) * (to - from + 1);
      }
  }
  *starts = uint32_t(at - ids);
  events.covered.data()[row] = covered;
}

void AccumulateMapRow(float* gradient, const float* potential, GradientEvents* events, int64_t image, int y, int timesteps, float leak, const StageShape& s) {
  gradient += image * timesteps * s.grad_step();
  potential += image * timesteps * s.out_size();
  zero_border(gradient, y, timesteps, s);
  if (!events) return accumulate<false>(gradient, potential, nullptr, y, timesteps, leak, s);
  std::vector<Words> bits(size_t(timesteps) * s.out_w * s.out_cs / kLane);
  accumulate<true>(gradient, potential, bits.data(), y, timesteps, leak, s);
  sort_by_range(*events, image * s.out_h + y, bits.data(), s);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(AccumulateMapRow);
void accumulate_map_row(float* gradient, const float* potential, GradientEvents* events, int64_t image, int y, int timesteps, float leak, const StageShape& s) {
  HWY_DYNAMIC_DISPATCH(AccumulateMapRow)(gradient, potential, events, image, y, timesteps, leak, s);
}
}  // namespace onespike::cpu
#endif
