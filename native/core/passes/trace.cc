// What a forward pass leaves for who wants to see more than logits.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/passes/passes.h"

namespace onespike {
namespace {

// The smallest |z| of the hidden neurons of each image, z = U(t)/V - 1 (docs/MATHEMATICS.md, "The neuron"), over the
// steps up to the spike: what a decision depended on.
void fetch_margins(NetworkState& net, int n, float* margins) {
  std::fill_n(margins, n, std::numeric_limits<float>::infinity());
  const int T = net.plan.spec.timesteps;
  std::vector<float> potentials, theta(size_t(T), 1.0f);
  std::vector<uint8_t> times;
  for (size_t i = 0; i + 1 < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    const NeuronParams neuron = net.neuron(i);
    float threshold;
    net.backend->download(&threshold, neuron.neuron, sizeof threshold);
    if (neuron.theta) net.backend->download(theta.data(), neuron.theta, theta.size() * sizeof(float));
    const int64_t size = s.out_size();
    potentials.resize(size_t(n * T * size)), times.resize(size_t(n * size));
    net.backend->download(potentials.data(), net.stages[i].potential.data(), potentials.size() * sizeof(float));
    net.backend->download(times.data(), net.times(i), times.size());
    for (int64_t image = 0; image < n; ++image)
      for (int t = 1; t <= T; ++t) {
        const float* u = &potentials[size_t((image * T + t - 1) * size)];
        const uint8_t* fired = &times[size_t(image * size)];
        const float inverse = 1 / (threshold * theta[size_t(t - 1)]);
        for (int64_t cell = 0; cell < s.out_cells(); ++cell, u += s.out_cs, fired += s.out_cs)
          for (int c = 0; c < s.out_c; ++c)
            if (fired[c] == 0 || fired[c] >= t) margins[image] = std::min(margins[image], std::abs(u[c] * inverse - 1));
      }
  }
}

}  // namespace

void fetch_trace(NetworkState& net, int64_t first, int n, const ForwardOutputs& out) {
  std::vector<uint8_t> times;
  for (size_t i = 0; i < out.spike_times.size(); ++i) {
    if (!out.spike_times[i]) continue;
    const StageShape& s = net.plan.stages[i];
    times.resize(size_t(n * s.out_size()));
    net.backend->download(times.data(), net.times(i), times.size());
    for (uint8_t& time : times) time = net.plan.spec.code.trace(time);
    uint8_t* to = out.spike_times[i] + first * s.out_cells() * s.out_c;
    for (int image = 0; image < n; ++image)
      for (int c = 0; c < s.out_c; ++c)
        for (int64_t cell = 0; cell < s.out_cells(); ++cell)
          *to++ = times[size_t((image * s.out_cells() + cell) * s.out_cs + c)];
  }
  if (out.margins) fetch_margins(net, n, out.margins + first);
  if (!out.potentials) return;
  const StageShape& s = net.plan.stages.back();
  const int64_t T = net.plan.spec.timesteps;
  std::vector<float> potentials(size_t(n * T * s.out_cs));
  net.backend->download(potentials.data(), net.stages.back().potential.data(), potentials.size() * sizeof(float));
  for (int64_t row = 0; row < n * T; ++row)
    std::copy_n(potentials.data() + row * s.out_cs, s.out_c, out.potentials + (first * T + row) * s.out_c);
}

}  // namespace onespike
