// The two dense kernels (cpu/dense/dense.h). Blocks of six rows by four vectors (two where there are 16 registers) stay
// in registers; six broadcasts and four loads feed 24 multiply-adds, so the multiplier and not the cache is the limit.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/dense/dense.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include "cpu/dense/amx.h"
#include "cpu/dense/dense.h"
#include "cpu/simd/targets.h"
#include "cpu/simd/half_rows-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using DU = hn::Rebind<uint32_t, D>;
using U = hn::Vec<DU>;
constexpr DU du;

// A policy says how words are multiplied, how a row of a panel is read, and how many rows fit the registers.
struct Floats {
  using Word = float;
  using Panel = float;  // how the words of a panel are read
  using Row = V;
  static constexpr int kRows = 6;
  template <int kVectors>
  static HWY_INLINE void load_row(V (&row)[kVectors], const float* HWY_RESTRICT from, int) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = hn::Load(d, from + v * kFloats);
  }
  static HWY_INLINE V broadcast(const float* from) { return hn::Set(d, *from); }
  static HWY_INLINE V multiply_add(V a, V b, V sum) { return hn::MulAdd(a, b, sum); }
};

struct Pairs {
  using Word = uint32_t;
  using Panel = uint32_t;
  using Row = U;
  static constexpr int kRows = 4;
  template <int kVectors>
  static HWY_INLINE void load_row(U (&row)[kVectors], const uint32_t* HWY_RESTRICT from, int) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = hn::Load(du, from + v * kFloats);
  }
  static HWY_INLINE U broadcast(const uint32_t* from) { return hn::Set(du, *from); }
  static HWY_INLINE V multiply_add(U a, U b, V sum) {
    const U odd = hn::Set(du, 0xffff0000u);
    sum = hn::MulAdd(hn::BitCast(d, hn::ShiftLeft<16>(a)), hn::BitCast(d, hn::ShiftLeft<16>(b)), sum);
    return hn::MulAdd(hn::BitCast(d, hn::And(a, odd)), hn::BitCast(d, hn::And(b, odd)), sum);
  }
};

#if HWY_TARGET == HWY_AVX3
struct NativePairs : Pairs {
  static constexpr int kRows = 6;
  static HWY_INLINE V multiply_add(U a, U b, V sum) { return multiply_pairs(a, b, sum); }
};

// A row of the panel is two rows of bf16, which lie one after the other and become pairs here.
struct HalfRows : NativePairs {
  using Panel = uint16_t;
  using Row = V;
  template <int kVectors>
  static HWY_INLINE void load_row(V (&row)[kVectors], const uint16_t* HWY_RESTRICT from, int width) {
    interleave_rows(row, from, from + width);
  }
  static HWY_INLINE V multiply_add(U a, V b, V sum) { return multiply_pairs(a, b, sum); }
};
#endif

// A NaN stays one: a maximum would hide it.
HWY_INLINE V relu(V x) { return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x); }

// Past the caches, for maps that are read again only after they have left them.
template <bool kStream>
HWY_INLINE void put(V x, float* to) {
  if constexpr (kStream) hn::Stream(x, d, to);
  else hn::Store(x, d, to);
}

// The end of an input gradient, see DenseTask.
template <bool kGated, bool kAdd, bool kStream>
HWY_INLINE void spread(const DenseTask& task, V sum, int64_t at) {
  sum = hn::Mul(sum, hn::Set(d, task.scale));
  for (int i = 0; i < task.side; ++i)
    for (int j = 0; j < task.side; ++j) {
      const int64_t child = at + i * task.child_row + j * task.child_column;
      V gated = sum;
      if constexpr (kGated) gated = hn::IfThenElseZero(hn::Gt(hn::Load(d, task.gate + child), hn::Zero(d)), sum);
      put<kStream>(kAdd ? hn::Add(hn::Load(d, task.out + child), gated) : gated, task.out + child);
    }
}

// Writes the sums of a block, which sum(row, vector) holds.
template <int kCount, int kVectors, bool kStream = false, class Sum>
HWY_INLINE void end_rows(const DenseTask& task, int first, int lane, const Sum& sum) {
  const auto end = [&](const auto& write) HWY_ATTR {
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) write(sum(r, v), task.to[first + r] + lane + v * kFloats);
  };
  // Decided once a block: a branch per vector costs 6 % of the first convolution.
  if (task.gate && task.spread_add) end([&](V x, int64_t at) HWY_ATTR { spread<true, true, kStream>(task, x, at); });
  else if (task.gate) end([&](V x, int64_t at) HWY_ATTR { spread<true, false, kStream>(task, x, at); });
  else if (task.spread_add) end([&](V x, int64_t at) HWY_ATTR { spread<false, true, kStream>(task, x, at); });
  else if (task.spread) end([&](V x, int64_t at) HWY_ATTR { spread<false, false, kStream>(task, x, at); });
  else if (task.relu) end([&](V x, int64_t at) HWY_ATTR { put<kStream>(relu(x), task.out + at); });
  else end([&](V x, int64_t at) HWY_ATTR { put<kStream>(x, task.out + at); });
}

// What the sums of a row begin with, or null.
HWY_INLINE const float* begin_of(const DenseTask& task, int row) {
  return task.add ? task.out + task.to[row] : task.bias;
}

template <class P, int kCount, int kVectors>
HWY_INLINE void rows_block(const DenseTask& task, int first, int lane) {
  using Word = typename P::Word;
  using Panel = typename P::Panel;
  constexpr int64_t kWordBytes = sizeof(Word), kPanelBytes = sizeof(Panel);
  const int64_t row_words = task.width * (kWordBytes / kPanelBytes);
  Block<kVectors> sum[kCount];
  const Word* HWY_RESTRICT a[kCount];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r) {
    a[r] = static_cast<const Word*>(task.a) + task.base[first + r];
    const float* HWY_RESTRICT begin = begin_of(task, first + r);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r].at[v] = begin ? hn::Load(d, begin + lane + v * kFloats) : hn::Zero(d);
  }
  for (const DenseRun* run = task.runs; run != task.runs + task.run_count; ++run) {
    const Panel* HWY_RESTRICT w = static_cast<const Panel*>(task.panel) + run->row * row_words + lane;
    for (int64_t k = run->offset; k < run->offset + run->depth; ++k, w += row_words) {
      typename P::Row b[kVectors];
      P::load_row(b, w, task.width);
#pragma GCC unroll 6
      for (int r = 0; r < kCount; ++r) {
        const auto x = P::broadcast(a[r] + k);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r].at[v] = P::multiply_add(x, b[v], sum[r].at[v]);
      }
    }
  }
  end_rows<kCount, kVectors>(task, first, lane, [&](int r, int v) HWY_ATTR { return sum[r].at[v]; });
}

template <class P, int kVectors>
HWY_INLINE void rows_lanes(const DenseTask& task, int count, int lane) {
  int r = 0;
  for (; r + P::kRows <= count; r += P::kRows) rows_block<P, P::kRows, kVectors>(task, r, lane);
  if constexpr (P::kRows > 4)
    for (; r + 4 <= count; r += 4) rows_block<P, 4, kVectors>(task, r, lane);
  for (; r + 2 <= count; r += 2) rows_block<P, 2, kVectors>(task, r, lane);
  for (; r < count; ++r) rows_block<P, 1, kVectors>(task, r, lane);
}

template <class P, int kCount, int kVectors>
HWY_INLINE void weight_block(const DenseWeightTask& task, int k, int lane) {
  using Word = typename P::Word;
  float* HWY_RESTRICT out = task.d_weight + int64_t(k) * task.width + lane;
  Block<kVectors> sum[kCount];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r].at[v] = hn::Load(d, out + r * task.width + v * kFloats);
  // The block after this one is on its way while this one is summed.
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hwy::Prefetch(out + (r + kCount) * task.width + v * kFloats);
  for (int image = 0; image < task.images; ++image)
    for (int row = 0; row < task.rows; ++row) {
      const Word* HWY_RESTRICT a = static_cast<const Word*>(task.a) + image * task.a_image + row * task.a_row + k;
      const Word* HWY_RESTRICT g = static_cast<const Word*>(task.g) + image * task.g_image + row * task.g_row + lane;
      for (int column = 0; column < task.columns; ++column, a += task.a_column, g += task.g_column) {
        typename P::Row b[kVectors];
        P::load_row(b, g, task.width);
#pragma GCC unroll 6
        for (int r = 0; r < kCount; ++r) {
          const auto x = P::broadcast(a + r);
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r].at[v] = P::multiply_add(x, b[v], sum[r].at[v]);
        }
      }
    }
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[r].at[v], d, out + r * task.width + v * kFloats);
}

template <class P, int kVectors>
HWY_INLINE void weight_lanes(const DenseWeightTask& task, int lane) {
  int k = 0;
  for (; k + P::kRows <= task.depth; k += P::kRows) weight_block<P, P::kRows, kVectors>(task, k, lane);
  if constexpr (P::kRows > 4)
    for (; k + 4 <= task.depth; k += 4) weight_block<P, 4, kVectors>(task, k, lane);
  for (; k + 3 <= task.depth; k += 3) weight_block<P, 3, kVectors>(task, k, lane);
  for (; k + 2 <= task.depth; k += 2) weight_block<P, 2, kVectors>(task, k, lane);
  for (; k < task.depth; ++k) weight_block<P, 1, kVectors>(task, k, lane);
}

// Calls run(lane, number of vectors) over a tile; narrow tiles need fewer vectors than a block has where those are
// long.
template <class F>
HWY_INLINE void each_lanes(int width, const F& run) {
  int lane = 0;
  for (; lane + kDenseVectors * kFloats <= width; lane += kDenseVectors * kFloats)
    run(lane, std::integral_constant<int, kDenseVectors>());
  if constexpr (kDenseVectors * kFloats > kLane) {
    if (lane + 2 * kFloats <= width) run(lane, std::integral_constant<int, 2>()), lane += 2 * kFloats;
    if (lane < width) run(lane, std::integral_constant<int, 1>());
  }
}

// Not inlined: a register block wants all registers.
template <class P>
HWY_NOINLINE void rows_with(const DenseTask& task, int count) {
  each_lanes(task.width, [&](int lane, auto vectors) HWY_ATTR { rows_lanes<P, vectors>(task, count, lane); });
}
template <class P>
HWY_NOINLINE void weight_with(const DenseWeightTask& task) {
  each_lanes(task.width, [&](int lane, auto vectors) HWY_ATTR { weight_lanes<P, vectors>(task, lane); });
}

#if HWY_TARGET == HWY_AVX3
// The unit leaves sums in memory, where the bias and what follows find them.
template <bool kStream>
HWY_INLINE void end_sums(const DenseTask& task, const float* sums, int count) {
  each_lanes(task.width, [&](int lane, auto vectors) HWY_ATTR {
    for (int row = 0; row < count; ++row) {
      const float* from = sums + row * task.width + lane;
      const float* begin = begin_of(task, row);
      end_rows<1, vectors, kStream>(task, row, lane, [&](int, int v) HWY_ATTR {
        const V sum = hn::Load(d, from + v * kFloats);
        return begin ? hn::Add(sum, hn::Load(d, begin + lane + v * kFloats)) : sum;
      });
    }
  });
}

HWY_NOINLINE void rows_on_amx(const DenseTask& task, int count) {
  HWY_ALIGN float sums[kDenseRows * kMaxTile];
  amx_rows(sums, task, count);
  end_sums<false>(task, sums, count);
}

// What the end of a row reads is on its way while the unit multiplies: the images of a block are far apart, which no
// prefetcher of the processor foresees.
HWY_INLINE void prefetch_row(const DenseTask& task, int64_t at) {
  const float* from = task.gate ? task.gate : task.out;
  for (int i = 0; i < task.side; ++i)
    for (int j = 0; j < task.side; ++j)
      for (int lane = 0; lane < task.width; lane += kLane)
        hwy::Prefetch(from + at + i * task.child_row + j * task.child_column + lane);
}

HWY_NOINLINE void blocks_on_amx(const DenseTask& task, int count) {
  HWY_ALIGN float sums[2 * kBlockImages * kMaxTile];
  int64_t to[2 * kBlockImages];
  const bool reads = task.gate || task.spread_add;
  DenseTask block = task;
  for (int row = 0; row < count; row += 2) {
    const int here = HWY_MIN(2, count - row);
    for (int i = 0; i < here * kBlockImages; ++i) {
      to[i] = task.to[row + i / kBlockImages] + i % kBlockImages * task.to_image;
      if (reads && i % kBlockImages < task.images[row + i / kBlockImages]) prefetch_row(task, to[i]);
    }
    amx_blocks(sums, task, row, here);
    for (int r = 0; r < here; ++r) {
      block.to = to + r * kBlockImages;
      end_sums<true>(block, sums + r * kBlockImages * task.width, task.images[row + r]);
    }
  }
  hwy::FlushStream();
}
#endif

void DenseRows(const DenseTask& task, int count) {
  if (task.precision == Precision::kFp32) return rows_with<Floats>(task, count);
#if HWY_TARGET == HWY_AVX3
  if (task.blocks) return blocks_on_amx(task, count);
  if (task.half_rows) return rows_with<HalfRows>(task, count);
  if (native_amx() && amx_takes(task)) return rows_on_amx(task, count);
  if (native_bf16()) return rows_with<NativePairs>(task, count);
#endif
  rows_with<Pairs>(task, count);
}

void DenseWeightBlock(const DenseWeightTask& task) {
  if (task.precision == Precision::kFp32) return weight_with<Floats>(task);
#if HWY_TARGET == HWY_AVX3
  if (native_bf16()) return weight_with<NativePairs>(task);
#endif
  weight_with<Pairs>(task);
}

bool DenseTakesAmx() { return HWY_TARGET == HWY_AVX3 && native_amx(); }

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(DenseRows);
HWY_EXPORT(DenseWeightBlock);
HWY_EXPORT(DenseTakesAmx);
void dense_rows(const DenseTask& task, int count) { HWY_DYNAMIC_DISPATCH(DenseRows)(task, count); }
bool dense_takes_amx() { return HWY_DYNAMIC_DISPATCH(DenseTakesAmx)(); }
void dense_weight_block(const DenseWeightTask& task) { HWY_DYNAMIC_DISPATCH(DenseWeightBlock)(task); }
}  // namespace onespike::cpu
#endif
