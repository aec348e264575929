// Networks with a code, for tests.
#pragma once

#include "test/support/cases.h"

namespace onespike::test {

SpikeCode ttfs(int window);
SpikeCode radix(int bits);
SpikeCode one_spike_phase(float base, int period);
LayerSpec max_pool(int kernel = 2);
CaseSpec with_code(CaseSpec spec, const SpikeCode& code);

// Draws the parameters of a code: time constants and delays, or steps at which a few activations are clipped.
void settle_codes(const NetworkSpec& spec, oracle::Parameters& parameters, Random& random);

// Every kind of stage: kernels of 5 and of 1, strides, paddings, maximum and average pools, one channel, several tiles.
std::vector<CaseSpec> code_specs(const SpikeCode& code);
std::vector<SpikeCode> all_codes();

// What the hidden layers of a network send, layer by layer, as a trace holds it.
std::vector<std::vector<uint8_t>> traced_codes(Network& network, const Case& c, std::vector<float>* logits,
                                               StepStats* stats);

}  // namespace onespike::test
