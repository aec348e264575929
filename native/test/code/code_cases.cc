#include "test/code/code_cases.h"

#include <algorithm>

#include "test/ann/norm_cases.h"
#include "test/support/runner.h"

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

std::vector<CaseSpec> code_specs(const SpikeCode& code) {
  std::vector<CaseSpec> all = {
      // Kernels of 5, of 1, strides, padding, no padding, pools of 3, channels that fill no vector and several tiles.
      network_spec(1, 13, 11, 1, {conv(7, 5, 2, 2, true), max_pool(3), conv(67, 1, 1, 0), linear(9, true), output(4)}),
      network_spec(
          3, 8, 9, 1,
          {normalised(conv(16, 3, 1, 1, true)), max_pool(2), max_pool(2), pool(2), conv(5, 3, 1, 1), output(3, true)}),
      network_spec(2, 12, 12, 1, {max_pool(2), conv(12, 3, 2, 0, true), pool(2), normalised(linear(20)), output(5)}),
      network_spec(1, 6, 6, 1, {pool(3), linear(17, true), linear(8), output(2, true)}),
  };
  for (CaseSpec& spec : all) spec.norm_group = 3, spec.code = code;
  return all;
}

std::vector<SpikeCode> all_codes() {
  return {ttfs(8), ttfs(16), radix(4), radix(6), radix(1), one_spike_phase(1.5f, 7)};
}

std::vector<std::vector<uint8_t>> traced_codes(Network& network, const Case& c, std::vector<float>* logits,
                                               StepStats* stats) {
  std::vector<std::vector<uint8_t>> bytes;
  ForwardOutputs out;
  logits->resize(c.labels.size() * size_t(c.spec.layers.back().out));
  out.logits = logits->data();
  for (int i = 0; i + 1 < network.spiking_layers(); ++i)
    bytes.emplace_back(c.labels.size() * size_t(network.neurons(i)));
  for (std::vector<uint8_t>& layer : bytes) out.spike_times.push_back(layer.data());
  out.spike_times.push_back(nullptr);
  expect_ok(network.forward(c.batch(), Mode::kSnn, out, no_stop(), stats), "forward " + c.text());
  return bytes;
}

}  // namespace onespike::test
