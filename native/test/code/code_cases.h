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

}  // namespace onespike::test
