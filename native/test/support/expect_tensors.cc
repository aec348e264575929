// Tensors of a network against those of the oracle.
#include <algorithm>
#include <cmath>

#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {

double distance(const double* a, const double* b, int64_t size, double tiny) {
  double difference = 0.0, norm = 0.0;
  for (int64_t i = 0; i < size; ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), tiny);
}

void expect_tensors(const Network& network, oracle::Parameters value, oracle::Parameters reference, double tolerance,
                    double tiny, const std::string& what) {
  for (const TensorInfo& info : network.tensors()) {
    const oracle::Slice a = oracle::find(value, info.name), b = oracle::find(reference, info.name);
    const double off = distance(a.data, b.data, a.size, tiny);
    expect(off <= tolerance, what + " " + info.name + ": off by " + std::to_string(off) +
                                 " of its norm, first elements " + std::to_string(a.data[0]) + " for " +
                                 std::to_string(b.data[0]));
  }
}

void expect_gradient(const Network& network, const Case& c, Mode mode, const oracle::Forward& trace,
                     const oracle::Options& options) {
  oracle::Parameters magnitude;
  oracle::Parameters reference = oracle::backward(c.spec, c.parameters, mode, c.batch(), trace, options, &magnitude);
  oracle::Parameters value = read_parameters(network, TensorKind::kGradient);
  for (const TensorInfo& info : network.tensors()) {
    const oracle::Slice a = oracle::find(value, info.name), b = oracle::find(reference, info.name);
    // Sums over all neurons of a layer; those of one step have fewer terms whose roundings cancel.
    const double share = info.shape.empty() ? 1e-5 : 3e-5;
    const oracle::Slice terms = oracle::find(magnitude, info.name);
    const bool sums = terms.size > 0;
    for (int64_t i = 0; i < terms.size; ++i)
      expect_near(a.data[i], b.data[i], 1e-4, share * terms.data[i] + 1e-9,
                  "gradient " + info.name + "[" + std::to_string(i) + "] " + c.text());
    const double off = sums ? 0.0 : distance(a.data, b.data, a.size, 1e-5);
    if (!(off <= 1e-4))
      expect(false, "gradient " + info.name + ": off by " + std::to_string(off) + " of its norm " + c.text());
  }
}

StepStats expect_step(Network& network, const Case& c, Mode mode, const oracle::Forward& trace,
                      const oracle::Options& options, const LossOptions& loss) {
  StepStats stats;
  const Mode pass = mode == Mode::kCoded ? Mode::kSnn : mode;
  expect_ok(network.gradients(c.batch(), pass, no_stop(), &stats, loss), "gradients " + c.text());
  expect_near(stats.loss, trace.loss, 1e-4, 1e-4, "loss " + c.text());
  expect_gradient(network, c, mode, trace, options);
  return stats;
}

}  // namespace onespike::test
