// Operands of the dense kernels: rounding to bf16, pairs of images, and panels of weights.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/dense/dense_pack.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <cstring>

#include "cpu/dense/dense.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

using DU = hn::Rebind<uint32_t, D>;
using U = hn::Vec<DU>;
constexpr DU du;
constexpr hn::Rebind<uint16_t, D> du16;

HWY_INLINE U pair(U low, U high) { return hn::Or(hn::ShiftRight<16>(low), hn::And(high, hn::Set(du, 0xffff0000u))); }

void ToBf16(uint16_t* HWY_RESTRICT to, const float* HWY_RESTRICT from, int64_t count) {
  for (int64_t i = 0; i < count; i += kFloats)
    hn::StoreU(hn::TruncateTo(du16, hn::ShiftRight<16>(round_bf16(hn::Load(d, from + i)))), du16, to + i);
}

void ToBlocks(uint16_t* HWY_RESTRICT to, const float* HWY_RESTRICT from, int64_t count) {
  for (int64_t k = 0; k < count; k += kBlockChannels, to += kBlockImages * kBlockChannels)
    if (from) ToBf16(to, from + k, kBlockChannels);
    else std::memset(to, 0, kBlockChannels * sizeof(uint16_t));
}

// Rows of `count` words from rows of a map.
void GatherFloats(uint32_t* HWY_RESTRICT to, const float* HWY_RESTRICT from, int64_t stride, int64_t rows,
                  int64_t count) {
  float* HWY_RESTRICT out = reinterpret_cast<float*>(to);
  for (int64_t row = 0; row < rows; ++row, from += stride, out += count) {
    int64_t i = 0;
    for (; i + kFloats <= count; i += kFloats) hn::StoreU(hn::LoadU(d, from + i), d, out + i);
    for (; i < count; ++i) out[i] = from[i];
  }
}

void PairFloats(uint32_t* HWY_RESTRICT to, const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, int64_t stride,
                int64_t rows, int64_t count) {
  for (int64_t row = 0; row < rows; ++row, to += count, a += stride, b += b ? stride : 0)
    for (int64_t i = 0; i < count; i += kFloats)
      hn::Store(pair(round_bf16(hn::Load(d, a + i)), b ? round_bf16(hn::Load(d, b + i)) : hn::Zero(du)), du, to + i);
}

void PairHalves(uint32_t* HWY_RESTRICT to, const uint16_t* HWY_RESTRICT a, const uint16_t* HWY_RESTRICT b,
                int64_t stride, int64_t rows, int64_t count) {
  for (int64_t row = 0; row < rows; ++row, to += count, a += stride, b += b ? stride : 0)
    for (int64_t i = 0; i < count; i += kFloats) {
      const U low = hn::PromoteTo(du, hn::LoadU(du16, a + i));
      const U high = b ? hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(du16, b + i))) : hn::Zero(du);
      hn::Store(hn::Or(low, high), du, to + i);
    }
}

void ForwardPanel(uint32_t* HWY_RESTRICT panel, const float* HWY_RESTRICT weight, int64_t depth, int width) {
  for (int64_t k = 0; k < depth; k += 2, weight += 2 * width, panel += width)
    for (int lane = 0; lane < width; lane += kFloats)
      hn::Store(pair(round_bf16(hn::Load(d, weight + lane)), round_bf16(hn::Load(d, weight + width + lane))), du,
                panel + lane);
}

// to[j][i] = from[i][j] for i < kLane, j < columns (a multiple of 4); rows are `from_stride` and `to_stride` words
// apart.
HWY_INLINE void transpose(uint32_t* HWY_RESTRICT to, int64_t to_stride, const uint32_t* HWY_RESTRICT from,
                          int64_t from_stride, int columns) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < kLane; ++i)
    for (int j = 0; j < columns; ++j) to[j * to_stride + i] = from[i * from_stride + j];
#else
  const hn::FixedTag<uint32_t, 4> d4;
  const hn::Repartition<uint64_t, decltype(d4)> d2;
  for (int i = 0; i < kLane; i += 4)
    for (int j = 0; j < columns; j += 4) {
      const uint32_t* HWY_RESTRICT at = from + i * from_stride + j;
      const auto r0 = hn::Load(d4, at), r1 = hn::Load(d4, at + from_stride), r2 = hn::Load(d4, at + 2 * from_stride),
                 r3 = hn::Load(d4, at + 3 * from_stride);
      const auto a = hn::BitCast(d2, hn::InterleaveLower(d4, r0, r1)),
                 b = hn::BitCast(d2, hn::InterleaveLower(d4, r2, r3));
      const auto c = hn::BitCast(d2, hn::InterleaveUpper(d4, r0, r1)),
                 e = hn::BitCast(d2, hn::InterleaveUpper(d4, r2, r3));
      uint32_t* HWY_RESTRICT out = to + j * to_stride + i;
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, a, b)), d4, out);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, a, b)), d4, out + to_stride);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, c, e)), d4, out + 2 * to_stride);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, c, e)), d4, out + 3 * to_stride);
    }
#endif
}

void TransposeRows(float* HWY_RESTRICT to, int64_t to_stride, const float* HWY_RESTRICT from, int64_t stride, int rows,
                   int columns) {
  for (int row = 0; row < rows; row += kLane)
    transpose(reinterpret_cast<uint32_t*>(to) + row, to_stride, reinterpret_cast<const uint32_t*>(from) + row * stride,
              stride, columns);
}

// Sixteen cells at a time; those of the last sixteen that there are not become zeros.
void TransposePairs(uint32_t* HWY_RESTRICT to, int64_t to_stride, const uint16_t* a, const uint16_t* b, int64_t stride,
                    int cells, int channels) {
  HWY_ALIGN uint32_t block[kLane * kLane];
  for (int cell = 0; cell < cells; cell += kLane, to += kLane, a += kLane * stride, b += b ? kLane * stride : 0) {
    const int count = cells - cell < kLane ? cells - cell : kLane;
    if (count < kLane) std::memset(block + count * kLane, 0, size_t(kLane - count) * kLane * sizeof(uint32_t));
    for (int c = 0; c < channels; c += kLane) {
      PairHalves(block, a + c, b ? b + c : nullptr, stride, count, kLane);
      transpose(to + c * to_stride, to_stride, block, kLane, kLane);
    }
  }
}

// panel[o][c] = weight[c][o], c < width, o < columns.
void TransposedPanel(void* panel, const float* weight, int columns, int width, Precision precision) {
  uint32_t* to = static_cast<uint32_t*>(panel);
  for (int c = 0; c < width; c += kLane) {
    const float* from = weight + int64_t(c) * columns;
    if (precision == Precision::kFp32) {
      transpose(to + c, width, reinterpret_cast<const uint32_t*>(from), columns, columns);
      continue;
    }
    // Neighbours in a row of weights are neighbours of the sum: they are pairs before they are transposed.
    HWY_ALIGN uint16_t halves[kLane * kMaxTile];
    ToBf16(halves, from, int64_t(kLane) * columns);
    transpose(to + c, width, reinterpret_cast<const uint32_t*>(halves), columns / 2, columns / 2);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(ToBf16);
HWY_EXPORT(ToBlocks);
HWY_EXPORT(GatherFloats);
HWY_EXPORT(PairFloats);
HWY_EXPORT(PairHalves);
HWY_EXPORT(ForwardPanel);
HWY_EXPORT(TransposePairs);
HWY_EXPORT(TransposeRows);
HWY_EXPORT(TransposedPanel);

void to_bf16(uint16_t* to, const float* from, int64_t count) { HWY_DYNAMIC_DISPATCH(ToBf16)(to, from, count); }
void to_blocks(uint16_t* to, const float* from, int64_t count) { HWY_DYNAMIC_DISPATCH(ToBlocks)(to, from, count); }
void gather_rows(uint32_t* to, const float* from, int64_t stride, int64_t rows, int64_t count) {
  HWY_DYNAMIC_DISPATCH(GatherFloats)(to, from, stride, rows, count);
}
void gather_pairs(uint32_t* to, const float* a, const float* b, int64_t stride, int64_t rows, int64_t count) {
  HWY_DYNAMIC_DISPATCH(PairFloats)(to, a, b, stride, rows, count);
}
void gather_pairs(uint32_t* to, const uint16_t* a, const uint16_t* b, int64_t stride, int64_t rows, int64_t count) {
  HWY_DYNAMIC_DISPATCH(PairHalves)(to, a, b, stride, rows, count);
}
void transpose_pairs(uint32_t* to, int64_t to_stride, const uint16_t* a, const uint16_t* b, int64_t stride, int cells,
                     int channels) {
  HWY_DYNAMIC_DISPATCH(TransposePairs)(to, to_stride, a, b, stride, cells, channels);
}
void transpose_rows(float* to, int64_t to_stride, const float* from, int64_t stride, int rows, int columns) {
  HWY_DYNAMIC_DISPATCH(TransposeRows)(to, to_stride, from, stride, rows, columns);
}
void pack_forward_panel(uint32_t* panel, const float* weight, int64_t depth, int width) {
  HWY_DYNAMIC_DISPATCH(ForwardPanel)(panel, weight, depth, width);
}

int64_t gradient_panel_words(int width, Precision precision, const StageShape& s) {
  return (s.linear ? 1 : s.taps()) * words(s.out_cs, precision) * width;
}

void pack_gradient_panel(void* panel, const float* weight, int64_t row, int width, Precision precision,
                         const StageShape& s) {
  const std::vector<int> order_y = s.linear ? std::vector<int>{0} : backward_taps(s.kernel_h, s.stride);
  const std::vector<int> order_x = s.linear ? std::vector<int>{0} : backward_taps(s.kernel_w, s.stride);
  const std::vector<Tile> outputs = tiles_of(s.out_cs);
  uint32_t* to = static_cast<uint32_t*>(panel);
  for (int y : order_y)
    for (int x : order_x)
      for (const Tile& out : outputs) {
        const int64_t tap = int64_t(y) * s.kernel_w + x;
        const float* from = weight + int64_t(out.begin) * s.taps() * s.src_cs + (tap * s.src_cs + row) * out.width;
        HWY_DYNAMIC_DISPATCH(TransposedPanel)(to, from, out.width, width, precision);
        to += words(out.width, precision) * width;
      }
}

}  // namespace onespike::cpu
#endif
