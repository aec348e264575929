// Relaxed layers on the CPU: how they are split into tasks.
#include "cpu/backend/backend.h"
#include "cpu/relaxed.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const RelaxTask& task) {
  const int rows = task.shape.out_h;
  pool_.parallel_for(int64_t(task.n) * rows, [&](int64_t i) { relax_row(task, i / rows, int(i % rows)); });
  return {};
}

KernelChoice CpuBackend::execute(const RelaxGradientTask& task) {
  const int64_t rows = task.shape.out_h, count = task.n * rows;
  NeuronGradient* partial = partial_.reserve(size_t(count));
  pool_.parallel_for(count, [&](int64_t i) { partial[i] = relaxed_gradient_row(task, i / rows, int(i % rows)); });
  NeuronGradient all;
  for (int64_t i = 0; i < count; ++i) all.threshold += partial[i].threshold, all.leak += partial[i].leak;
  task.d_neuron[0] += float(all.threshold);
  task.d_neuron[1] += float(all.leak);
  return {};
}

}  // namespace onespike::cpu
