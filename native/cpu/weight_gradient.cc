// Weight gradient of a convolution from events (SPEC section 5, identity 3): every input event adds the gradient rows that its taps see,
// at the time of the event, to the weight rows of its channel. One (channel, tap) row is summed in registers over a band.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/weight_gradient.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/kernels.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

template <int kWidth, bool kValued>
HWY_NOINLINE void channels(const WeightGradientTask& task, int tile_begin, int begin, int end) {
  constexpr int kCount = kWidth / kFloats;
  const EventBuckets& b = *task.buckets;
  const StageShape& s = *task.shape;
  const int stride = s.stride, kernel_h = s.kernel_h, kernel_w = s.kernel_w;
  const int64_t depth = s.src_cs;
  float* d_weight = task.d_weight + int64_t(tile_begin) * s.taps() * s.src_cs;
  const V scale = hn::Set(d, task.scale);

  for (int image = 0; image < task.n; ++image) {
    const float* gradient = task.gradient + int64_t(image) * task.timesteps * s.grad_step() + tile_begin;
    const uint32_t* starts = b.starts.data() + int64_t(image) * (b.buckets + 1);
    const uint32_t* cells = b.cells.data() + int64_t(image) * b.capacity;
    const float* values = kValued ? b.values.data() + int64_t(image) * b.capacity : nullptr;
    for (int band = 0; band < b.bands; ++band)
      for (int c = begin; c < end; ++c)
        for (int kind = 0; kind < b.classes; ++kind) {
          const int64_t bucket = (band * depth + c) * b.classes + kind;
          const uint32_t from = starts[bucket], to = starts[bucket + 1];
          if (from == to) continue;
          for (int ky = kind / stride, my = 0; ky < kernel_h; ky += stride, ++my)
            for (int kx = kind % stride, mx = 0; kx < kernel_w; kx += stride, ++mx) {
              Block<kCount> sum;
              sum.fill(hn::Zero(d));
              const int64_t shift = -(int64_t(my) * s.grad_w() + mx);
              for (uint32_t i = from; i < to; ++i) {
                const float* HWY_RESTRICT row = gradient + (int64_t(cells[i]) + shift) * s.out_cs;
#pragma GCC unroll 16
                for (int v = 0; v < kCount; ++v) {
                  const V g = hn::Load(d, row + v * kFloats);
                  sum.at[v] = kValued ? hn::MulAdd(hn::Set(d, values[i]), g, sum.at[v]) : hn::Add(sum.at[v], g);
                }
              }
              float* HWY_RESTRICT out = d_weight + ((int64_t(ky) * kernel_w + kx) * depth + c) * kWidth;
#pragma GCC unroll 16
              for (int v = 0; v < kCount; ++v)
                hn::Store(hn::MulAdd(scale, sum.at[v], hn::Load(d, out + v * kFloats)), d, out + v * kFloats);
            }
        }
  }
}

void WeightGradientChannels(const WeightGradientTask& task, Tile tile, int begin, int end) {
  with_width(tile.width, [&](auto width) {
    if (task.buckets->valued) channels<width.value, true>(task, tile.begin, begin, end);
    else channels<width.value, false>(task, tile.begin, begin, end);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(WeightGradientChannels);
void weight_gradient_channels(const WeightGradientTask& task, Tile tile, int begin, int end) {
  HWY_DYNAMIC_DISPATCH(WeightGradientChannels)(task, tile, begin, end);
}
}  // namespace onespike::cpu
#endif
