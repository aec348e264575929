// The binary activation on the CPU.
#include <algorithm>
#include <atomic>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/dense/binary.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const BinaryForwardTask& task) {
  std::atomic<int64_t> fired = 0;
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    fired += binary_range(task.out + at, task.x + at, std::min(kRange, task.count - at), task.neuron[0]);
  });
  *task.spikes += fired;
  return {};
}

KernelChoice CpuBackend::execute(const BinaryBackwardTask& task) {
  const float cost = task.cost ? *task.cost : 0;
  double* sums = sums_.reserve(size_t(ranges(task.count)));
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    sums[i] =
        binary_gradient_range(task.d_out + at, task.x + at, std::min(kRange, task.count - at), task.neuron[0], cost);
  });
  double sum = 0;
  for (int64_t i = 0; i < ranges(task.count); ++i) sum += sums[i];
  task.d_neuron[0] += float(sum);
  return {};
}

}  // namespace onespike::cpu
