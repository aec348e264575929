// Logits, loss and the gradient of both, on the CPU.
#include <algorithm>

#include "cpu/backend/backend.h"
#include "ops/readout.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const ReadoutTask& task) {
  const StageShape& s = task.shape;
  const int K = s.out_c, T = task.params.timesteps;
  ReadoutParams p = task.params;
  p.threshold = task.neuron[0], p.leak = task.neuron[1];
  const int rows = task.spiking ? T : 1;
  float* const of_image = d_logits_.reserve(size_t(K));
  NeuronGradient d;
  for (int64_t i = 0; i < task.n; ++i) {
    float* u = task.values + i * rows * s.out_cs;
    float* logits = task.logits + i * K;
    for (int k = 0; k < K; ++k) {
      if (!task.spiking) {
        logits[k] = u[k];
        continue;
      }
      const int time = readout_time(u + k, s.out_cs, p);
      logits[k] = readout_logit(u + k, s.out_cs, time, p);
      task.times[i * s.out_cs + k] = uint8_t(time);
    }
    if (!task.labels) continue;
    const Target target = task.target(i);
    float* d_logits = task.backward ? of_image : nullptr;
    task.result->loss += cross_entropy(logits, K, target, d_logits) * task.share;
    task.result->correct += argmax(logits, K) == target.label;
    if (!task.backward) continue;
    float* gradient = task.spiking ? task.a + i * rows * s.out_cs : task.d_values + i * s.out_cs;
    float* last_a = task.spiking && task.d_values ? task.d_values + i * s.out_cs : nullptr;
    for (int k = 0; k < K; ++k) {
      const float g = float(d_logits[k] * task.share);
      if (!task.spiking) {
        gradient[k] = g;
        continue;
      }
      const float part = readout_backward(u + k, gradient + k, s.out_cs, g, p, &d);
      if (last_a) last_a[k] = part;
    }
    if (last_a) std::fill(last_a + K, last_a + s.out_cs, 0.0f);
    // Padding channels carry no gradient.
    for (int row = 0; row < rows; ++row)
      std::fill(gradient + row * s.out_cs + K, gradient + (row + 1) * s.out_cs, 0.0f);
  }
  if (!task.backward || !task.spiking) return {};
  task.d_neuron[0] += float(d.threshold);
  task.d_neuron[1] += float(d.leak);
  return {};
}

}  // namespace onespike::cpu
