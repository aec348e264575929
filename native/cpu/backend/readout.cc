// Logits, loss and the gradient of both, on the CPU.
#include <algorithm>

#include "cpu/backend/backend.h"
#include "ops/readout.h"

namespace onespike::cpu {
namespace {

// The output neurons of one image over all steps, K of them.
struct ImageReadout {
  const ReadoutTask& task;
  const ReadoutParams& p;
  int64_t image;
  const float* u;       // (T, out_cs) potentials
  const float* logits;  // (K)
  const uint8_t* times;
  float* step_logits;  // (K) scratch

  // Steps whose logits the loss sees, the last one always among them.
  int steps() const { return task.time_weights ? p.timesteps : 1; }

  // The loss. Writes the gradient at the logits of every step that it sees into `d` (steps, K), unless null.
  double loss(const Target& target, float* d) const {
    const int K = task.shape.out_c;
    double loss = 0;
    if (!task.time_weights) loss = cross_entropy(logits, K, target, d);
    for (int t = 1; task.time_weights && t <= p.timesteps; ++t) {
      const float weight = task.time_weights[t - 1];
      float* row = d ? d + (t - 1) * K : nullptr;
      if (weight != 0) {
        for (int k = 0; k < K; ++k) step_logits[k] = readout_logit_at(u + k, task.shape.out_cs, times[k], t, p);
        loss += weight * cross_entropy(step_logits, K, target, row);
      }
      for (int k = 0; row && k < K; ++k) row[k] = weight != 0 ? weight * row[k] : 0;
    }
    if (!task.teacher) return loss;
    const Distillation& distillation = task.inputs->distillation;
    float* last = d ? d + int64_t(steps() - 1) * K : nullptr;
    for (float* at = d; at != last; ++at) *at = float(distillation.rest() * *at);
    return distillation.rest() * loss + distillation_loss(logits, task.teacher + image * K, K, distillation, last);
  }
};

}  // namespace

KernelChoice CpuBackend::execute(const ReadoutTask& task) {
  const StageShape& s = task.shape;
  const int K = s.out_c, T = task.params.timesteps;
  ReadoutParams p = task.params;
  p.threshold = task.neuron[0], p.leak = task.neuron[1];
  const int rows = task.spiking ? T : 1;
  float* const scratch = d_logits_.reserve(size_t(T + 1) * size_t(K));
  NeuronGradient d;
  for (int64_t i = 0; i < task.n; ++i) {
    float* u = task.values + i * rows * s.out_cs;
    float* logits = task.logits + i * K;
    uint8_t* times = task.spiking ? task.times + i * s.out_cs : nullptr;
    for (int k = 0; k < K; ++k) {
      if (!task.spiking) {
        logits[k] = u[k];
        continue;
      }
      const int time = readout_time(u + k, s.out_cs, p);
      logits[k] = readout_logit(u + k, s.out_cs, time, p);
      times[k] = uint8_t(time);
    }
    if (!task.labels) continue;
    const Target target = task.target(i);
    const ImageReadout readout{task, p, i, u, logits, times, scratch};
    float* const d_logits = scratch + K;
    task.result->loss += readout.loss(target, task.backward ? d_logits : nullptr) * task.share;
    task.result->correct += argmax(logits, K) == target.label;
    if (!task.backward) continue;
    float* gradient = task.spiking ? task.a + i * rows * s.out_cs : task.d_values + i * s.out_cs;
    float* spike_a = task.spiking && task.d_values ? task.d_values + i * rows * s.out_cs : nullptr;
    const int skipped = rows - readout.steps();
    for (int k = 0; k < K; ++k) {
      const auto d_logit = [&](int t) {
        return t > skipped ? float(d_logits[(t - 1 - skipped) * K + k] * task.share) : 0.0f;
      };
      if (task.spiking)
        readout_backward(u + k, gradient + k, spike_a ? spike_a + k : nullptr, s.out_cs, d_logit, p, &d);
      else gradient[k] = d_logit(1);
    }
    // Padding channels carry no gradient.
    for (float* values : {gradient, spike_a})
      for (int row = 0; values && row < rows; ++row)
        std::fill(values + row * s.out_cs + K, values + (row + 1) * s.out_cs, 0.0f);
  }
  if (!task.backward || !task.spiking) return {};
  task.d_neuron[0] += float(d.threshold);
  task.d_neuron[1] += float(d.leak);
  return {};
}

}  // namespace onespike::cpu
