// What a forward pass leaves for who wants to see more than logits.
#include <algorithm>
#include <vector>

#include "core/passes/passes.h"

namespace onespike {

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
  if (!out.potentials) return;
  const StageShape& s = net.plan.stages.back();
  const int64_t T = net.plan.spec.timesteps;
  std::vector<float> potentials(size_t(n * T * s.out_cs));
  net.backend->download(potentials.data(), net.stages.back().potential.data(), potentials.size() * sizeof(float));
  for (int64_t row = 0; row < n * T; ++row)
    std::copy_n(potentials.data() + row * s.out_cs, s.out_c, out.potentials + (first * T + row) * s.out_c);
}

}  // namespace onespike
