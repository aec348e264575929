// The binary activation on the CPU.
#include <algorithm>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/dense/binary.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const BinaryForwardTask& task) {
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    binary_range(task.out + at, task.x + at, std::min(kRange, task.count - at), task.neuron[0]);
  });
  return {};
}

KernelChoice CpuBackend::execute(const BinaryBackwardTask& task) {
  double* sums = sums_.reserve(size_t(ranges(task.count)));
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t at = i * kRange;
    sums[i] = binary_gradient_range(task.d_out + at, task.x + at, std::min(kRange, task.count - at), task.neuron[0]);
  });
  double sum = 0;
  for (int64_t i = 0; i < ranges(task.count); ++i) sum += sums[i];
  task.d_neuron[0] += float(sum);
  return {};
}

}  // namespace onespike::cpu
