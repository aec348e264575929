// The binary activation: formulas at every border, the ANN against the oracle, and the spiking network of one time step
// that is equal to it.
#include <algorithm>
#include <cmath>

#include "ops/ann/binary.h"
#include "test/ann/norm_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

using Scalar = ScalarArithmetic<double>;

// theta * clip(floor(x / theta + 1/2), 0, 1), where a tie does not fire, and its straight-through gradient.
void formulas() {
  constexpr double V = 0.75, theta = 2 * V;
  const struct {
    double x, sent, d_x, d_theta;
  } all[] = {{-1, 0, 0, 0},
             {0.1, 0, 1, -0.1 / theta},
             {V, 0, 1, -V / theta},
             {V + 1e-9, theta, 1, 1 - (V + 1e-9) / theta},
             {1.2, theta, 1, 1 - 1.2 / theta},
             {theta, theta, 1, 0},
             {theta + 1e-9, theta, 0, 1},
             {7, theta, 0, 1}};
  for (const auto& one : all) {
    const std::string what = "x = " + std::to_string(one.x);
    expect(binary_forward<Scalar>(one.x, V) == one.sent, what + ": what is sent");
    double d_threshold = -9;
    expect_near(binary_backward<Scalar>(3.0, one.x, V, 0.0, d_threshold), 3 * one.d_x, 0, 1e-12, what + ": gradient");
    expect_near(d_threshold, 3 * 2 * one.d_theta, 0, 1e-8, what + ": gradient of the threshold, theta = 2 V");
    // A cost of firing: as much of what is sent, over theta, but theta itself makes no spike cheaper.
    const double cost = 4, fires = one.sent > 0;
    expect_near(binary_backward<Scalar>(3.0, one.x, V, cost / theta, d_threshold), (3 + cost / theta) * one.d_x, 0,
                1e-12, what + ": gradient with a cost");
    expect_near(d_threshold, 2 * (3 * one.d_theta + cost * (one.d_theta - fires) / theta), 0, 1e-8,
                what + ": gradient of the threshold with a cost");
  }
  expect(std::isnan(binary_forward<Scalar>(std::nan(""), V)), "what is not a number stays that");
}

std::vector<CaseSpec> specs() {
  std::vector<CaseSpec> all = {
      network_spec(3, 7, 6, 1,
                   {normalised(conv(12)), pool(2), normalised(conv(20, 3, 2, 1, true)), normalised(linear(30)),
                    output(6, true)}),
      network_spec(2, 9, 8, 1, {conv(5, 3, 2, 0, true), conv(67, 3, 1, 1), pool(2), linear(9, true), output(3)}),
      network_spec(2, 9, 8, 1,
                   {current_pool(conv(5, 3, 1, 1, true), 2), current_pool(normalised(conv(20)), 2), output(4)})};
  for (CaseSpec& spec : all) spec.norm_group = 4;
  return all;
}

Case decided_binary_case(const CaseSpec& spec, int images, Random& random, const oracle::Options& options = {}) {
  return decided_case(spec, images, Mode::kBinary, random, 1e-5, options, [&](Case& c) {
    for (oracle::LayerParameters& p : c.parameters) p.threshold = float(random.uniform(0.3, 0.9));
  });
}

void gradients() {
  Random random(601);
  for (const CaseSpec& spec : specs()) {
    const oracle::Options options = by_groups();
    const Case c = decided_binary_case(spec, 9, random, options);
    const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kBinary, c.batch(), options);
    expect_step(*make_network(c), c, Mode::kBinary, trace, options);
  }
}

void inference() {
  Random random(602);
  for (const CaseSpec& spec : specs()) {
    const Case c = decided_binary_case(spec, 5, random);
    const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kBinary, c.batch());
    const auto network = make_network(c);
    std::vector<float> logits(5 * size_t(spec.layers.back().out));
    ForwardOutputs out;
    out.logits = logits.data();
    StepStats stats;
    expect_ok(network->forward(c.batch(), Mode::kBinary, out, no_stop(), &stats), "forward " + c.text());
    for (size_t i = 0; i < logits.size(); ++i) expect_near(logits[i], trace.logits[i], 1e-4, 1e-4, "logit " + c.text());
  }
}

// With every weight times what the layer before it sends, 2 V, a leak of 1 and one time step, the spiking network has
// the logits of the ANN.
void one_time_step() {
  Random random(603);
  for (CaseSpec spec : specs()) {
    spec.alpha = 1, spec.beta = 0;
    const Case c = decided_binary_case(spec, 7, random);
    const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kBinary, c.batch());
    Case spiking = c;
    double sent = 1;
    for (size_t l = 0; l < spec.layers.size(); ++l) {
      if (spec.layers[l].type == LayerType::kAvgPool) continue;
      oracle::LayerParameters& p = spiking.parameters[l];
      for (double& w : p.weight) w = float(w * sent);
      // The running mean is that of what arrives, and so is its variance: both are in units of the input, which is the
      // same. The potential of the output layer is its logit.
      sent = 2 * p.threshold, p.leak = 1;
      if (spec.layers[l].output) p.threshold = 1;
    }
    const auto network = make_network(spiking);
    std::vector<float> logits(7 * size_t(spec.layers.back().out));
    ForwardOutputs out;
    out.logits = logits.data();
    StepStats stats;
    expect_ok(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats), "forward " + c.text());
    for (size_t i = 0; i < logits.size(); ++i) expect_near(logits[i], trace.logits[i], 1e-4, 1e-4, "logit " + c.text());
  }
}

void any_number_of_threads() {
  for (Precision precision : {Precision::kFp32, Precision::kMixed}) {
    expect_same_on_threads([&](int threads) {
      CaseSpec spec = specs()[0];
      spec.on.threads = threads, spec.on.precision = precision;
      spec.layers[2].dropout = 0.3f;
      Random random(604);
      const Case c = make_case(spec, 11, random);
      const auto network = make_network(c);
      OptimizerOptions sgd;
      sgd.learning_rate = 0.05f, sgd.neuron_learning_rate = 0.0125f;
      train(*network, c, Mode::kBinary, sgd, 3);
      return read_bits(*network, TensorKind::kParameter);
    });
  }
}

}  // namespace

void add_binary_cases(Tests& tests) {
  tests.push_back({"binary ANN: gradients equal the oracle's", gradients});
  tests.push_back({"binary ANN: inference equals the oracle's", inference});
  tests.push_back({"binary ANN: equal to the spiking network of one time step", one_time_step});
  tests.push_back({"binary ANN: bit-identical with any number of threads", any_number_of_threads});
}

void add_binary_tests(Tests& tests) {
  tests.push_back({"binary activation: formulas at every border", formulas});
  add_binary_cases(tests);
}

}  // namespace onespike::test
