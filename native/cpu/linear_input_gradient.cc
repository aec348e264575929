// Input gradient of a linear layer (SPEC section 5, identity 2): Wt a(t) through the non-zero a(t), the leak carried in the
// sums, then the surrogate of the neurons below. The weights are read once per chunk, in the layout of the forward pass, and
// transposed a few KiB at a time: a transposed copy would double the memory of the layers that have most of the weights.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/linear_input_gradient.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "cpu/linear.h"
#include "cpu/neuron_backward-inl.h"
#include "cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

void LinearAccumulate(float* gradient, const float* potential, LinearEvents* events, int64_t image, int block, int timesteps, float leak,
                      const StageShape& s) {
  const hn::Rebind<uint32_t, D> d32;
  const V factor = hn::Set(d, leak);
  const auto lanes = hn::Iota(d32, 0);
  const int first = block * kLinearBlock, count = std::min(kLinearBlock, s.out_cs - first);
  float* HWY_RESTRICT g = gradient + image * timesteps * s.out_cs + first;
  const float* HWY_RESTRICT a = potential + image * timesteps * s.out_cs + first;
  for (int t = timesteps; t >= 1; --t) {
    const int64_t step = int64_t(t - 1) * s.out_cs;
    for (int c = 0; c < count; c += kFloats) {
      const V here = hn::Load(d, a + step + c);
      hn::Store(t < timesteps ? hn::MulAdd(factor, hn::Load(d, g + step + s.out_cs + c), here) : here, d, g + step + c);
    }
  }
  if (!events) return;
  float* HWY_RESTRICT values = events->list_values(block, image);
  uint32_t* HWY_RESTRICT outputs = events->list_outputs(block, image);
  uint32_t* HWY_RESTRICT starts = events->list_starts(block, image);
  uint32_t size = 0;
  for (int t = 1; t <= timesteps; ++t) {
    *starts++ = size;
    for (int c = 0; c < count; c += kFloats) {
      // Compressed in a register: a compressing store is microcode on Zen 4.
      const V here = hn::Load(d, a + int64_t(t - 1) * s.out_cs + c);
      const auto wanted = hn::Ne(here, hn::Zero(d));
      hn::StoreU(hn::Compress(here, wanted), d, values + size);
      hn::StoreU(hn::Compress(hn::Add(lanes, hn::Set(d32, uint32_t(c))), hn::RebindMask(d32, wanted)), d32, outputs + size);
      size += uint32_t(hn::CountTrue(d, wanted));
    }
  }
  *starts = size;
}

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
      const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1)), low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
      const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1)), high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
      float* out = to + o * kWidth + i;
      hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23)), d, out);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23)), d, out + kWidth);
      hn::Store(hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23)), d, out + 2 * kWidth);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23)), d, out + 3 * kWidth);
    }
#endif
}

// total += value * weight row over `count` events.
template <int kWidth>
HWY_INLINE void add_events(float* HWY_RESTRICT total, const float* HWY_RESTRICT weight, const uint32_t* HWY_RESTRICT outputs,
                           const float* HWY_RESTRICT values, uint32_t count) {
  constexpr int kVectors = kWidth / kFloats, kChains = kVectors < 4 ? 4 / kVectors : 1;
  Block<kVectors> sum[kChains];
#pragma GCC unroll 4
  for (int k = 0; k < kChains; ++k) sum[k].fill(hn::Zero(d));
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) sum[0].at[v] = hn::Load(d, total + v * kFloats);
  const auto add = [&](Block<kVectors>& into, uint32_t i) HWY_ATTR {
    const float* HWY_RESTRICT row = weight + int64_t(outputs[i]) * kWidth;
    const V value = hn::Set(d, values[i]);
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) into.at[v] = hn::MulAdd(value, hn::Load(d, row + v * kFloats), into.at[v]);
  };
  uint32_t i = 0;
  for (; i + kChains <= count; i += kChains)
#pragma GCC unroll 4
    for (int k = 0; k < kChains; ++k) add(sum[k], i + uint32_t(k));
  for (; i < count; ++i) add(sum[0], i);
#pragma GCC unroll 4
  for (int k = 1; k < kChains; ++k)
#pragma GCC unroll 16
    for (int v = 0; v < kVectors; ++v) sum[0].at[v] = hn::Add(sum[0].at[v], sum[k].at[v]);
#pragma GCC unroll 16
  for (int v = 0; v < kVectors; ++v) hn::Store(sum[0].at[v], d, total + v * kFloats);
}

// The leak and the surrogate: from (image, step, kWidth) sums of Wt a to a(t) of the neurons below.
template <Surrogate kind, int kWidth>
HWY_INLINE void finish(const LinearInputTask& task, int cell, int channel, float* HWY_RESTRICT sums, NeuronGradient* d_out) {
  const InputGradientTask& neurons = task.neurons;
  const StageShape &s = *neurons.shape, &below = *neurons.below;
  const int T = neurons.neuron.timesteps;
  const V leak = hn::Set(d, neurons.leak), scale = hn::Set(d, neurons.scale), never = hn::Set(d, float(T + 1));
  Sum d_threshold, d_leak;
  for (int64_t image = 0; image < task.events->n; ++image) {
    float* HWY_RESTRICT spikes = sums + image * T * kWidth;
    for (int v = 0; v < kWidth; v += kFloats) {
      V sum = hn::Zero(d);
      for (int t = T; t >= 1; --t) {
        sum = hn::MulAdd(leak, sum, hn::Load(d, spikes + (t - 1) * kWidth + v));
        hn::Store(sum, d, spikes + (t - 1) * kWidth + v);
      }
      for (int i = 0; i < s.pool; ++i)
        for (int j = 0; j < s.pool; ++j) {
          const int64_t at = below.out_cell(cell / s.in_w * s.pool + i, cell % s.in_w * s.pool + j) + channel + v;
          const V time = load_bytes(neurons.times + image * below.out_size() + at);
          const V fire_time = hn::IfThenElse(hn::Eq(time, hn::Zero(d)), never, time);
          const V share = neurons.mask ? hn::Mul(scale, load_bytes(neurons.mask + image * below.out_size() + at)) : scale;
          neuron_backward<kind>(neurons, spikes + v, kWidth, share, fire_time, neurons.potential + image * T * below.out_size() + at, d_threshold, d_leak);
        }
    }
  }
  d_out->threshold += d_threshold.total();
  d_out->leak += d_leak.total();
}

template <int kWidth>
HWY_NOINLINE void input_gradient(const LinearInputTask& task, int cell, int channel, float* HWY_RESTRICT scratch, NeuronGradient* d_out) {
  const LinearEvents& events = *task.events;
  const StageShape& s = *task.neurons.shape;
  const int64_t rows = int64_t(s.taps()) * s.src_cs, first_row = int64_t(cell) * s.src_cs + channel;
  const int64_t lists = int64_t(events.n) * events.timesteps;
  float* HWY_RESTRICT weight = scratch;
  float* HWY_RESTRICT sums = scratch + kLinearBlock * kLinearTile;
  std::memset(sums, 0, sizeof(float) * lists * kWidth);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  // Weights of a block are far apart from those of the next, and the processor does not see them coming.
  const int64_t lines = int64_t(kWidth) * kLinearBlock * int64_t(sizeof(float)) / 64, lines_per_list = (lines + lists - 1) / lists;
  size_t next = 0;
  for (int block = 0; block < events.blocks; ++block) {
    const int begin = block * kLinearBlock, end = std::min(begin + kLinearBlock, s.out_cs);
    for (; next < tiles.size() && tiles[next].begin < end; ++next)
      transpose<kWidth>(weight + (tiles[next].begin - begin) * kWidth, task.weight + tiles[next].begin * rows + first_row * tiles[next].width, tiles[next].width);
    int64_t line = 0;
    for (int64_t image = 0; image < events.n; ++image) {
      const uint32_t* starts = events.list_starts(block, image);
      for (int t = 0; t < events.timesteps; ++t) {
        for (int64_t i = 0; i < lines_per_list; ++i, ++line) {
          const size_t ahead = next + size_t(line / (kWidth * 4));
          if (ahead < tiles.size()) hwy::Prefetch(task.weight + tiles[ahead].begin * rows + first_row * tiles[ahead].width + line % (kWidth * 4) * 16);
        }
        add_events<kWidth>(sums + (image * events.timesteps + t) * kWidth, weight, events.list_outputs(block, image) + starts[t],
                           events.list_values(block, image) + starts[t], starts[t + 1] - starts[t]);
      }
    }
  }
  switch (task.neurons.neuron.surrogate.kind) {
    case Surrogate::kTriangle: return finish<Surrogate::kTriangle, kWidth>(task, cell, channel, sums, d_out);
    case Surrogate::kExponential: return finish<Surrogate::kExponential, kWidth>(task, cell, channel, sums, d_out);
    case Surrogate::kRectangular: return finish<Surrogate::kRectangular, kWidth>(task, cell, channel, sums, d_out);
    case Surrogate::kArctan: return finish<Surrogate::kArctan, kWidth>(task, cell, channel, sums, d_out);
    case Surrogate::kFastSigmoid: return finish<Surrogate::kFastSigmoid, kWidth>(task, cell, channel, sums, d_out);
  }
}

void LinearInputGradient(const LinearInputTask& task, int cell, int channel, int width, float* scratch, NeuronGradient* d_out) {
  if (width == kLinearTile) input_gradient<kLinearTile>(task, cell, channel, scratch, d_out);
  else input_gradient<kLinearTile / 2>(task, cell, channel, scratch, d_out);
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(LinearAccumulate);
HWY_EXPORT(LinearInputGradient);
void linear_accumulate(float* gradient, const float* potential, LinearEvents* events, int64_t image, int block, int timesteps, float leak,
                       const StageShape& s) {
  HWY_DYNAMIC_DISPATCH(LinearAccumulate)(gradient, potential, events, image, block, timesteps, leak, s);
}
void linear_input_gradient(const LinearInputTask& task, int cell, int channel, int width, float* scratch, NeuronGradient* d) {
  HWY_DYNAMIC_DISPATCH(LinearInputGradient)(task, cell, channel, width, scratch, d);
}
size_t linear_scratch(int n, int timesteps) { return size_t(kLinearBlock + int64_t(n) * timesteps) * kLinearTile; }
void LinearEvents::reserve(int images, int steps, const StageShape& s) {
  n = images, timesteps = steps, blocks = (s.out_cs + kLinearBlock - 1) / kLinearBlock;
  capacity = int64_t(kLinearBlock) * steps + kLane;  // one vector of slack: a compressing store may write a whole one
  values.reserve(size_t(blocks * n * capacity));
  outputs.reserve(size_t(blocks * n * capacity));
  starts.reserve(size_t(int64_t(blocks) * n * (steps + 1)));
}
}  // namespace onespike::cpu
#endif
