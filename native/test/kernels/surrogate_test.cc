// Surrogates as functions of one variable: each is the derivative of the smooth function it stands for, the oracle's
// and the kernels' formulas agree, and the spike itself is strict.
#include <algorithm>
#include <cmath>

#include "ops/surrogate.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

CaseSpec surrogate_spec(Surrogate surrogate, float gamma, float scale) {
  CaseSpec spec;
  spec.surrogate = surrogate;
  spec.gamma = gamma;
  spec.surrogate_scale = scale;
  return spec;
}

void derivative_of_primitive() {
  for (Surrogate surrogate : kSurrogates) {
    if (surrogate == Surrogate::kExponential) continue;
    for (float scale : {0.5f, 1.0f, 2.0f}) {
      const CaseSpec spec = surrogate_spec(surrogate, 0.3f, scale);
      for (double z = -3.0; z <= 3.0; z += 0.0371) {
        const double h = 1e-4;
        // Where the surrogate jumps, its primitive has no derivative.
        if (surrogate == Surrogate::kRectangular && std::fabs(std::fabs(z) - scale) < 3 * h) continue;
        const auto f = [&](double x) { return oracle::surrogate_primitive(spec, x); };
        const double slope = (f(z - 2 * h) - 8 * f(z - h) + 8 * f(z + h) - f(z + 2 * h)) / (12 * h);
        expect_near(oracle::surrogate_derivative(spec, z, 1, 1), slope, 1e-8, 2e-5,
                    "surrogate " + std::to_string(int(surrogate)) + " at z = " + std::to_string(z));
      }
    }
  }
}

void primitive_limits() {
  for (Surrogate surrogate :
       {Surrogate::kTriangle, Surrogate::kRectangular, Surrogate::kArctan, Surrogate::kFastSigmoid}) {
    const CaseSpec spec = surrogate_spec(surrogate, 0.3f, 1.0f);
    double previous = -1.0;
    for (double z = -4.0; z <= 4.0; z += 0.1) {
      const double value = oracle::surrogate_primitive(spec, z);
      expect(value >= previous, "a primitive never falls");
      previous = value;
    }
  }
  // The exponential surrogate depends on time alone, so it is the derivative of no function of z.
  expect(std::isnan(oracle::surrogate_primitive(surrogate_spec(Surrogate::kExponential, 0.3f, 1.0f), 0.0)),
         "no primitive");
}

void kernels_agree() {
  for (Surrogate surrogate : kSurrogates)
    for (float scale : {0.5f, 1.0f, 2.0f}) {
      const CaseSpec spec = surrogate_spec(surrogate, 0.3f, scale);
      const SurrogateParams params{surrogate, 0.3f, scale};
      for (int fire = 1; fire <= 6; ++fire)
        for (int t = 1; t <= fire; ++t)
          for (float z = -2.53f; z < 2.5f; z += 0.11f)
            expect_near(slope_at(z, fire, t, params), oracle::surrogate_derivative(spec, z, t, fire), 1e-5, 1e-7,
                        "surrogate " + std::to_string(int(surrogate)) + " at z = " + std::to_string(z));
    }
}

// One neuron whose potential is exactly its threshold stays silent; the next float above it fires.
void tie_is_silent() {
  CaseSpec spec = network_spec(1, 1, 1, 1, {output(2)});
  spec.mean = {0.0f};
  spec.std = {1.0f};
  spec.layers.insert(spec.layers.begin(), linear(2));
  Case c{spec, oracle::Parameters(2), {255}, {0}};
  c.parameters[0] = {{0.5, std::nextafter(0.5f, 1.0f)}, {}, 0.5, 1.0};
  c.parameters[1] = {{1.0, 1.0, 0.0, 1.0}, {}, 1.0, 1.0};
  const auto network = make_network(c);
  uint8_t times[2] = {9, 9};
  ForwardOutputs out;
  out.spike_times = {times, nullptr};
  StepStats stats;
  expect_ok(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats), "forward");
  expect(times[0] == 0, "a tie does not fire");
  expect(times[1] == 1, "the next float above the threshold fires");
}

}  // namespace

void add_surrogate_tests(Tests& tests) {
  tests.push_back({"surrogate is the derivative of its primitive", derivative_of_primitive});
  tests.push_back({"surrogate primitives rise, and the exponential has none", primitive_limits});
  tests.push_back({"surrogate of the kernels equals the oracle's", kernels_agree});
  tests.push_back({"spike at the threshold is silent", tie_is_silent});
}

}  // namespace onespike::test
