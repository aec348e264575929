#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/simulation/stage.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include "cpu/simulation/stage.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

#include "ops/simulation/neuron-inl.h"

// The exponent of g, a power of two from 1 on, plus 1; 0 where g is 0.
HWY_INLINE void store_codes(V g, uint8_t* HWY_RESTRICT to) {
  const hn::Rebind<int32_t, D> d32;
  const hn::Rebind<uint8_t, D> d8;
  const auto exponent = hn::Sub(hn::ShiftRight<23>(hn::BitCast(d32, g)), hn::Set(d32, 126));
  hn::StoreU(hn::DemoteTo(d8, hn::Max(exponent, hn::Zero(d32))), d8, to);
}

// What neurons do that are a vector of channels of one pixel, from their place in the output map on.
struct Neurons {
  const StageTask& task;
  const float* HWY_RESTRICT sums;  // of step 0 of the block; `stride` floats from step to step
  int stride;
  int64_t at;
  V bias;

  HWY_INLINE V input(int i, V current) const {
    const BlockStep& step = task.step[i];
    const V sum = hn::MulAdd(hn::Set(d, step.scale), hn::Load(d, sums + i * stride), current);
    return hn::MulAdd(hn::Set(d, step.bias), bias, sum);
  }
  HWY_INLINE V current() const { return task.current ? hn::Load(d, task.current + at) : hn::Zero(d); }
  HWY_INLINE uint8_t* codes(int i) const { return task.codes + i * task.stage->shape.out_size() + at; }

  HWY_INLINE void subtract() const {
    V u = hn::Load(d, task.potential + at);
    const V always = current(), one = hn::Set(d, 1.0f);
    for (int i = 0; i < task.steps; ++i) {
      const auto fires = subtract_step<VectorArithmetic>(u, input(i, always), hn::Set(d, task.step[i].threshold));
      store_bytes(hn::IfThenElseZero(fires, one), codes(i));
    }
    hn::Store(u, d, task.potential + at);
  }

  HWY_INLINE void burst() const {
    V u = hn::Load(d, task.potential + at), g = hn::Load(d, task.memory + at);
    const V always = current();
    for (int i = 0; i < task.steps; ++i)
      store_codes(burst_step<VectorArithmetic>(u, g, input(i, always), hn::Set(d, task.step[i].threshold)), codes(i));
    hn::Store(u, d, task.potential + at);
    hn::Store(g, d, task.memory + at);
  }

  HWY_INLINE void first_spike() const {
    V u = hn::Load(d, task.potential + at), fired = hn::Load(d, task.memory + at);
    for (int i = 0; i < task.steps + task.tail; ++i) {
      if (i < task.steps) u = hn::Add(u, input(i, hn::Zero(d)));
      first_spike_step<VectorArithmetic>(u, fired, hn::Set(d, task.step[i].threshold), task.first + i);
    }
    hn::Store(u, d, task.potential + at);
    hn::Store(fired, d, task.memory + at);
  }

  HWY_INLINE void keep() const {
    for (int i = 0; i < task.steps; ++i)
      hn::Store(hn::Load(d, sums + i * stride), d, task.sums + i * task.stage->shape.out_size() + at);
  }

  HWY_INLINE void run() const {
    switch (task.kind) {
      case NeuronKind::kSums: return keep();
      case NeuronKind::kSubtract: return subtract();
      case NeuronKind::kBurst: return burst();
      case NeuronKind::kFirstSpike: return first_spike();
    }
  }
};

// One output row of a tile of channels.
template <int kWidth, bool kValued>
HWY_NOINLINE void row(const StageTask& task, int channel, int y) {
  constexpr int kCount = kWidth / kFloats;
  const StageShape& s = task.stage->shape;
  const EventBlock& events = *task.events;
  const float* const weight = task.stage->weight.get() + int64_t(channel) * s.taps() * s.src_cs;
  HWY_ALIGN float sums[kBlockSteps * kWidth];
  for (int x = 0; x < s.out_w; ++x) {
    const Window& window = task.stage->columns[size_t(x)];
    const int64_t shift = (int64_t(window.tap) - window.begin) * s.src_cs;
    for (int i = 0; i < task.steps; ++i) {
      const uint32_t* const starts = events.starts(i, y) + window.begin;
      Block<kCount> sum;
      sum.fill(hn::Zero(d));
      add_rows<kWidth, kValued>(sum, weight, events.ids(), events.values(), starts[0], starts[window.count], shift);
#pragma GCC unroll 16
      for (int v = 0; v < kCount; ++v) hn::Store(sum.at[v], d, sums + i * kWidth + v * kFloats);
    }
    for (int v = 0; v < kCount; ++v) {
      const int lane = channel + v * kFloats;
      Neurons{task, sums + v * kFloats, kWidth, s.out_cell(y, x) + lane, hn::Load(d, task.stage->bias.get() + lane)}
          .run();
    }
  }
}

void RunStage(const StageTask& task) {
  for (const Tile& tile : task.stage->tiles)
    for (int y = 0; y < task.stage->shape.out_h; ++y)
      with_width(tile.width, [&](auto width) {
        if (task.events->valued()) row<width.value, true>(task, tile.begin, y);
        else row<width.value, false>(task, tile.begin, y);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(RunStage);
void run_stage(const StageTask& task) { HWY_DYNAMIC_DISPATCH(RunStage)(task); }
}  // namespace onespike::cpu
#endif
