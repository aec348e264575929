// Gradients of schedules (docs/MATHEMATICS.md, "Schedules"): what a step weighed is found again from the potentials.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/schedule.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <cstring>

#include "cpu/schedule.h"
#include "cpu/simd/channels-inl.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

void ScheduleRow(const ScheduleTask& task, int64_t image, int y, float* HWY_RESTRICT g, double* HWY_RESTRICT sums) {
  const StageShape& s = *task.shape;
  const int T = task.timesteps;
  const int64_t size = s.out_size(), row = int64_t(s.out_w) * s.out_cs;
  const int64_t first = image * T * size + s.out_cell(y, 0), neuron = image * size + s.out_cell(y, 0);
  const V leak = hn::Set(d, task.leak), zero = hn::Zero(d);
  std::memset(g, 0, size_t(row) * sizeof(float));
  for (int t = T; t >= 1; --t) {
    const float *u = task.potential + first + (t - 1) * size, *a = task.a + first + (t - 1) * size;
    const V now = hn::Set(d, float(t));
    Sum arrived, reached;
    for (int64_t x = 0; x < row; x += s.out_cs) {
      V of_kappa = zero, of_theta = zero;
      for (int64_t i = x; i < x + s.out_cs; i += kFloats) {
        const V potential = hn::Load(d, u + i),
                before = t > 1 ? hn::Load(d, u + i - size) : in_channels(task.start, int(i - x), s.out_c);
        const V bias = task.bias ? hn::Load(d, task.bias + (i - x)) : zero;
        V spike = hn::Load(d, a + i);
        const V carried = carry_leak<VectorArithmetic>(leak, hn::Load(d, g + i), spike);
        hn::Store(carried, d, g + i);
        if (task.spike_a) spike = hn::Load(d, task.spike_a + first + (t - 1) * size + i);
        V kappa = hn::Mul(carried, hn::Sub(hn::NegMulAdd(leak, before, potential), bias)),
          theta = hn::Mul(spike, potential);
        if (task.times) {
          // After its spike a neuron has no potential, and a(t) and g(t) are 0.
          const V time = load_bytes(task.times + neuron + i);
          const auto live = hn::Or(hn::Eq(time, zero), hn::Ge(time, now));
          kappa = hn::IfThenElseZero(live, kappa), theta = hn::IfThenElseZero(live, theta);
        }
        of_kappa = hn::Add(of_kappa, kappa), of_theta = hn::Add(of_theta, theta);
      }
      arrived.add(of_kappa), reached.add(of_theta);
    }
    sums[t - 1] = arrived.total(), sums[T + t - 1] = reached.total();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(ScheduleRow);
void schedule_row(const ScheduleTask& task, int64_t image, int y, float* g, double* sums) {
  HWY_DYNAMIC_DISPATCH(ScheduleRow)(task, image, y, g, sums);
}
}  // namespace onespike::cpu
#endif
