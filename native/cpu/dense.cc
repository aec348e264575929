// Dense kernels: the ANN, and the analog input. Blocks of six rows by four vectors (two where there are 16 registers) stay
// in registers; six broadcasts and four loads feed 24 multiply-adds, so the multiplier and not the cache is the limit.
// Convolution needs no im2col: a row is an output pixel, and a tap is an offset into the zero-bordered input.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/dense.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

constexpr int kRows = 6;
constexpr int kBlock = kDenseVectors * kFloats;  // channels of one register block

// A NaN stays one: a maximum would hide it.
HWY_INLINE V relu(V x) { return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x); }

template <int kCount, int kVectors>
HWY_INLINE void forward_block(const DenseTask& task, int64_t first, int width, int lane) {
  Block<kVectors> sum[kCount];
  const float* HWY_RESTRICT a[kCount];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r) {
    a[r] = task.a + task.base[first + r];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r].at[v] = task.bias ? hn::Load(d, task.bias + lane + v * kFloats) : hn::Zero(d);
  }
  const float* HWY_RESTRICT w = task.weight + lane;
  for (int tap = 0; tap < task.taps; ++tap) {
    const int64_t offset = task.tap_offset[tap];
    for (int k = 0; k < task.depth; ++k, w += width) {
      V b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) b[v] = hn::Load(d, w + v * kFloats);
#pragma GCC unroll 6
      for (int r = 0; r < kCount; ++r) {
        const V x = hn::Set(d, a[r][offset + k]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r].at[v] = hn::MulAdd(x, b[v], sum[r].at[v]);
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v)
      hn::Store(task.relu ? relu(sum[r].at[v]) : sum[r].at[v], d, task.out + (first + r) * task.out_stride + lane + v * kFloats);
}

template <int kVectors>
HWY_INLINE void forward_lanes(const DenseTask& task, int64_t first, int64_t rows, int width, int lane) {
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) forward_block<kRows, kVectors>(task, first + r, width, lane);
  for (; r + 2 <= rows; r += 2) forward_block<2, kVectors>(task, first + r, width, lane);
  for (; r < rows; ++r) forward_block<1, kVectors>(task, first + r, width, lane);
}

void DenseRows(const DenseTask& task, int64_t first, int64_t rows, int width) {
  int lane = 0;
  for (; lane + kBlock <= width; lane += kBlock) forward_lanes<kDenseVectors>(task, first, rows, width, lane);
  for (; lane < width; lane += kFloats) forward_lanes<1>(task, first, rows, width, lane);
}

template <int kCount, int kVectors>
HWY_INLINE void weight_block(float* HWY_RESTRICT d_weight, const float* HWY_RESTRICT a, const int64_t* HWY_RESTRICT base,
                             const float* HWY_RESTRICT d_out, int64_t out_stride, int64_t rows, int width) {
  Block<kVectors> sum[kCount];
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r].at[v] = hn::Load(d, d_weight + r * width + v * kFloats);
  for (int64_t p = 0; p < rows; ++p, d_out += out_stride) {
    const float* HWY_RESTRICT from = a + base[p];
    V b[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) b[v] = hn::Load(d, d_out + v * kFloats);
#pragma GCC unroll 6
    for (int r = 0; r < kCount; ++r) {
      const V x = hn::Set(d, from[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r].at[v] = hn::MulAdd(x, b[v], sum[r].at[v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) hn::Store(sum[r].at[v], d, d_weight + r * width + v * kFloats);
}

template <int kVectors>
HWY_INLINE void weight_lanes(float* d_weight, const float* a, const int64_t* base, int64_t offset, int k_begin, int k_end,
                             const float* d_out, int64_t out_stride, int64_t rows, int width, int lane) {
  int k = k_begin;
  const auto row = [&](int k) { return d_weight + int64_t(k) * width + lane; };
  for (; k + kRows <= k_end; k += kRows) weight_block<kRows, kVectors>(row(k), a + offset + k, base, d_out + lane, out_stride, rows, width);
  for (; k + 2 <= k_end; k += 2) weight_block<2, kVectors>(row(k), a + offset + k, base, d_out + lane, out_stride, rows, width);
  for (; k < k_end; ++k) weight_block<1, kVectors>(row(k), a + offset + k, base, d_out + lane, out_stride, rows, width);
}

void DenseWeightRows(float* d_weight, const float* a, const int64_t* base, int64_t offset, int k_begin, int k_end, const float* d_out,
                     int64_t out_stride, int64_t rows, int width) {
  int lane = 0;
  for (; lane + kBlock <= width; lane += kBlock)
    weight_lanes<kDenseVectors>(d_weight, a, base, offset, k_begin, k_end, d_out, out_stride, rows, width, lane);
  for (; lane < width; lane += kFloats) weight_lanes<1>(d_weight, a, base, offset, k_begin, k_end, d_out, out_stride, rows, width, lane);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(DenseRows);
HWY_EXPORT(DenseWeightRows);
void dense_rows(const DenseTask& task, int64_t first, int64_t rows, int width) { HWY_DYNAMIC_DISPATCH(DenseRows)(task, first, rows, width); }
void dense_weight_rows(float* d_weight, const float* a, const int64_t* base, int64_t offset, int k_begin, int k_end, const float* d_out,
                       int64_t out_stride, int64_t rows, int width) {
  HWY_DYNAMIC_DISPATCH(DenseWeightRows)(d_weight, a, base, offset, k_begin, k_end, d_out, out_stride, rows, width);
}
}  // namespace onespike::cpu
#endif
