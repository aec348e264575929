#include "test/code/code_cases.h"

#include <algorithm>

namespace onespike::test {

SpikeCode ttfs(int window) {
  SpikeCode code;
  code.kind = CodeKind::kTtfs, code.window = window;
  return code;
}

SpikeCode radix(int bits) {
  SpikeCode code;
  code.kind = CodeKind::kRadix, code.bits = bits;
  return code;
}

SpikeCode one_spike_phase(float base, int period) {
  SpikeCode code;
  code.kind = CodeKind::kPhase, code.base = base, code.period = period;
  return code;
}

LayerSpec max_pool(int kernel) {
  LayerSpec layer = pool(kernel);
  layer.type = LayerType::kMaxPool;
  return layer;
}

CaseSpec with_code(CaseSpec spec, const SpikeCode& code) {
  spec.code = code;
  return spec;
}

void settle_codes(const NetworkSpec& spec, oracle::Parameters& parameters, Random& random) {
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    oracle::LayerParameters& p = parameters[l];
    p.threshold = p.leak = 0;
    if (is_pool(spec.layers[l].type) || spec.layers[l].output) continue;
    if (spec.code.kind == CodeKind::kTtfs) {
      p.threshold = float(random.uniform(1.5, 5.0) * std::max(1.0, spec.code.window / 8.0));
      p.leak = float(random.uniform(-1.0, 1.5));
    } else if (spec.code.kind == CodeKind::kRadix) {
      p.threshold = float(random.uniform(0.8, 2.0) / spec.code.levels());
    }
  }
}

}  // namespace onespike::test
