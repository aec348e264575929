// Batch normalisation (cpu/dense/norm.h); the formulas are those of ops/ann/norm.h. What limits it is memory, so every
// pass reads a map once and keeps the numbers of a few channels in registers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/dense/norm.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/dense/norm.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

#include "ops/ann/norm-inl.h"

// Calls run(lane, number of vectors) over the channels of a block: four vectors at a time while there are as many, so
// that a row of a map is read in whole cache lines.
template <class F>
HWY_INLINE void each_channels(int width, const F& run) {
  int lane = 0;
  for (; lane + 4 * kFloats <= width; lane += 4 * kFloats) run(lane, std::integral_constant<int, 4>());
  for (; lane < width; lane += kFloats) run(lane, std::integral_constant<int, 1>());
}

template <int kVectors>
HWY_INLINE void load_channels(V (&to)[kVectors], const float* HWY_RESTRICT from) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) to[v] = hn::LoadU(d, from + v * kFloats);
}

template <int kVectors>
HWY_INLINE void zero_channels(V (&to)[kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) to[v] = hn::Zero(d);
}

// Twice over the rows, which stay in the cache: the deviations are from the block's own mean.
template <int kVectors>
HWY_INLINE void moments_lanes(Moments* moments, const float* HWY_RESTRICT y, const NormBlock& block) {
  V sum[kVectors], square[kVectors];
  zero_channels(sum), zero_channels(square);
  for (int row = 0; row < block.rows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], hn::Load(d, y + row * block.stride + v * kFloats));
  const V share = hn::Set(d, 1 / float(block.rows));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Mul(sum[v], share);
  for (int row = 0; row < block.rows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const V off = hn::Sub(hn::Load(d, y + row * block.stride + v * kFloats), sum[v]);
      square[v] = hn::MulAdd(off, off, square[v]);
    }
  HWY_ALIGN float means[kFloats], squares[kFloats];
  for (int v = 0; v < kVectors; ++v) {
    hn::Store(sum[v], d, means), hn::Store(square[v], d, squares);
    for (int i = 0; i < kFloats; ++i) moments[v * kFloats + i] = {double(block.rows), means[i], squares[i]};
  }
}

void NormMoments(Moments* moments, const float* y, const NormBlock& block) {
  each_channels(block.width,
                [&](int lane, auto vectors) HWY_ATTR { moments_lanes<vectors>(moments + lane, y + lane, block); });
}

template <int kVectors>
HWY_INLINE void forward_lanes(float* HWY_RESTRICT out, const float* HWY_RESTRICT y, const NormChannels& c, int lane,
                              bool relu, const NormBlock& block) {
  V mean[kVectors], inverse[kVectors], weight[kVectors], bias[kVectors];
  load_channels(mean, c.mean + lane), load_channels(inverse, c.inverse + lane);
  load_channels(weight, c.weight + lane), load_channels(bias, c.bias + lane);
  const V least = relu ? hn::Zero(d) : hn::Set(d, -HUGE_VALF);
  for (int row = 0; row < block.rows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = row * block.stride + lane + v * kFloats;
      const V x = HWY_NAMESPACE::norm_forward<VectorArithmetic>(
          HWY_NAMESPACE::standardised<VectorArithmetic>(hn::Load(d, y + at), mean[v], inverse[v]), weight[v], bias[v]);
      // A NaN stays one: a maximum would hide it.
      hn::Store(hn::IfThenElse(hn::Lt(x, least), least, x), d, out + at);
    }
}

void NormRows(float* out, const float* y, const NormChannels& channels, bool relu, const NormBlock& block) {
  each_channels(block.width,
                [&](int lane, auto vectors) HWY_ATTR { forward_lanes<vectors>(out, y, channels, lane, relu, block); });
}

template <int kVectors>
HWY_INLINE void sums_lanes(double* sums, const float* HWY_RESTRICT g, const float* HWY_RESTRICT y,
                           const NormChannels& c, int lane, const NormBlock& block) {
  V mean[kVectors], inverse[kVectors], sum[kVectors], product[kVectors];
  load_channels(mean, c.mean + lane), load_channels(inverse, c.inverse + lane);
  zero_channels(sum), zero_channels(product);
  for (int row = 0; row < block.rows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = row * block.stride + lane + v * kFloats;
      const V x = hn::Load(d, g + at);
      sum[v] = hn::Add(sum[v], x);
      product[v] = hn::MulAdd(
          x, HWY_NAMESPACE::standardised<VectorArithmetic>(hn::Load(d, y + at), mean[v], inverse[v]), product[v]);
    }
  HWY_ALIGN float values[kFloats], products[kFloats];
  for (int v = 0; v < kVectors; ++v) {
    hn::Store(sum[v], d, values), hn::Store(product[v], d, products);
    for (int i = 0; i < kFloats; ++i) {
      const int channel = lane + v * kFloats + i;
      sums[2 * channel] = values[i], sums[2 * channel + 1] = products[i];
    }
  }
}

void NormSums(double* sums, const float* g, const float* y, const NormChannels& channels, const NormBlock& block) {
  each_channels(block.width,
                [&](int lane, auto vectors) HWY_ATTR { sums_lanes<vectors>(sums, g, y, channels, lane, block); });
}

template <int kVectors>
HWY_INLINE void gradient_lanes(float* HWY_RESTRICT g, const float* HWY_RESTRICT y, const NormChannels& c,
                               const float* d_mean, const float* d_standard, int lane, const NormBlock& block) {
  V mean[kVectors], inverse[kVectors], weight[kVectors], of_mean[kVectors], of_standard[kVectors];
  load_channels(mean, c.mean + lane), load_channels(inverse, c.inverse + lane), load_channels(weight, c.weight + lane);
  load_channels(of_mean, d_mean + lane), load_channels(of_standard, d_standard + lane);
  for (int row = 0; row < block.rows; ++row)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = row * block.stride + lane + v * kFloats;
      const V standard = HWY_NAMESPACE::standardised<VectorArithmetic>(hn::Load(d, y + at), mean[v], inverse[v]);
      hn::Store(HWY_NAMESPACE::norm_backward<VectorArithmetic>(hn::Load(d, g + at), standard, weight[v], inverse[v],
                                                               of_mean[v], of_standard[v]),
                d, g + at);
    }
}

void NormGradientRows(float* g, const float* y, const NormChannels& channels, const float* d_mean,
                      const float* d_standard, const NormBlock& block) {
  each_channels(block.width, [&](int lane, auto vectors) HWY_ATTR {
    gradient_lanes<vectors>(g, y, channels, d_mean, d_standard, lane, block);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(NormMoments);
HWY_EXPORT(NormRows);
HWY_EXPORT(NormSums);
HWY_EXPORT(NormGradientRows);

void norm_moments(Moments* moments, const float* weighted, const NormBlock& block) {
  HWY_DYNAMIC_DISPATCH(NormMoments)(moments, weighted, block);
}
void norm_rows(float* out, const float* weighted, const NormChannels& channels, bool relu, const NormBlock& block) {
  HWY_DYNAMIC_DISPATCH(NormRows)(out, weighted, channels, relu, block);
}
void norm_sums(double* sums, const float* d, const float* weighted, const NormChannels& channels,
               const NormBlock& block) {
  HWY_DYNAMIC_DISPATCH(NormSums)(sums, d, weighted, channels, block);
}
void norm_gradient_rows(float* d, const float* weighted, const NormChannels& channels, const float* d_mean,
                        const float* d_standard, const NormBlock& block) {
  HWY_DYNAMIC_DISPATCH(NormGradientRows)(d, weighted, channels, d_mean, d_standard, block);
}
}  // namespace onespike::cpu
#endif
