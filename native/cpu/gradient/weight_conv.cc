// Weight gradient of a convolution from events (docs/MATHEMATICS.md, "The weight gradient"): every input event adds the
// gradient rows that its taps see, at the time of the event, to the weight rows of its channel. One (channel, tap) row
// is summed in registers over a band.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/gradient/weight_conv.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>

#include "cpu/gradient/weight_conv.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Taps of one row that are summed at once: they read adjacent cells. 3 times 4 of AVX-512's 32 registers.
constexpr int kTapsAtOnce = kFloats == 16 ? 3 : 1;

// d_weight of `kTaps` taps, `tap_step` floats apart, += the cells of events [from, to) and those before them.
template <int kWidth, int kTaps, bool kValued>
HWY_INLINE void add_cells(float* HWY_RESTRICT d_weight, int64_t tap_step, const float* HWY_RESTRICT gradient,
                          const uint32_t* HWY_RESTRICT cells, const float* HWY_RESTRICT values, uint32_t from,
                          uint32_t to, V scale) {
  constexpr int kCount = kWidth / kFloats;
  Block<kCount> sum[kTaps];
#pragma GCC unroll 3
  for (int k = 0; k < kTaps; ++k) sum[k].fill(hn::Zero(d));
  for (uint32_t i = from; i < to; ++i) {
    const float* HWY_RESTRICT cell = gradient + int64_t(cells[i]) * kWidth;
    const V value = kValued ? hn::Set(d, values[i]) : hn::Zero(d);
#pragma GCC unroll 3
    for (int k = 0; k < kTaps; ++k)
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) {
        const V g = hn::Load(d, cell - k * kWidth + v * kFloats);
        sum[k].at[v] = kValued ? hn::MulAdd(value, g, sum[k].at[v]) : hn::Add(sum[k].at[v], g);
      }
  }
#pragma GCC unroll 3
  for (int k = 0; k < kTaps; ++k) {
    float* HWY_RESTRICT out = d_weight + k * tap_step;
#pragma GCC unroll 16
    for (int v = 0; v < kCount; ++v)
      hn::Store(hn::MulAdd(scale, sum[k].at[v], hn::Load(d, out + v * kFloats)), d, out + v * kFloats);
  }
}

template <int kWidth, bool kValued>
HWY_NOINLINE void channels(const ConvWeightTask& task, int begin, int end) {
  const EventBuckets& b = *task.buckets;
  const StageShape& s = *task.shape;
  const int stride = s.stride, kinds = b.kinds();
  const int64_t row = int64_t(s.src_cs) * kWidth, tap_step = stride * row;
  const V scale = hn::Set(d, task.scale);
  for (int group = 0; group < b.groups(); ++group)
    for (int band = 0; band < b.bands(); ++band) {
      const uint32_t* starts = b.starts(group, band);
      for (int bucket = begin * kinds; bucket < end * kinds; ++bucket) {
        const uint32_t from = starts[bucket], to = starts[bucket + 1];
        if (from == to) continue;
        const int c = bucket / kinds, kind = bucket % kinds;
        for (int ky = kind / stride, my = 0; ky < s.kernel_h; ky += stride, ++my) {
          const int first = kind % stride, taps = (s.kernel_w - first + stride - 1) / stride;
          const float* gradient = task.gradient + group * task.group_size - int64_t(my) * s.grad_w() * kWidth;
          float* out = task.d_weight + (int64_t(ky) * s.kernel_w + first) * row + int64_t(c) * kWidth;
          for (int tap = 0; tap < taps;
               tap += kTapsAtOnce, gradient -= kTapsAtOnce * kWidth, out += kTapsAtOnce * tap_step) {
            const int count = std::min(kTapsAtOnce, taps - tap);
            if (count == 1)
              add_cells<kWidth, 1, kValued>(out, tap_step, gradient, b.cells(), b.values(), from, to, scale);
            if (kTapsAtOnce > 1 && count == 2)
              add_cells<kWidth, 2, kValued>(out, tap_step, gradient, b.cells(), b.values(), from, to, scale);
            if (kTapsAtOnce > 2 && count == 3)
              add_cells<kWidth, 3, kValued>(out, tap_step, gradient, b.cells(), b.values(), from, to, scale);
          }
        }
      }
    }
}

void ConvWeightChannels(const ConvWeightTask& task, int width, int begin, int end) {
  with_width(width, [&](auto constant) {
    if (task.buckets->valued()) channels<constant.value, true>(task, begin, end);
    else channels<constant.value, false>(task, begin, end);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(ConvWeightChannels);
void conv_weight_channels(const ConvWeightTask& task, int width, int begin, int end) {
  HWY_DYNAMIC_DISPATCH(ConvWeightChannels)(task, width, begin, end);
}
}  // namespace onespike::cpu
#endif
