// The neuron of ops/lif-inl.h against the oracle's, both in double precision; what the kernels make of it is compared
// in parity_test.cc.
#include <cmath>
#include <limits>

#include "ops/lif.h"
#include "ops/readout.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

using A = ScalarArithmetic<double>;

// Neurons of one layer with weighted inputs that nobody computed.
struct Neurons {
  NetworkSpec spec;
  oracle::LayerParameters p;
  double initial = 0;  // U(0) / V
  int64_t count = 0;
  oracle::Values weighted;  // (T, count)
  oracle::LayerTrace trace;
  oracle::Values spikes;

  Neurons(int T, double threshold, double leak, double initial_in, Surrogate surrogate, Random& random)
      : spec(network_spec(1, 1, 1, T, {output(2)})), initial(initial_in), count(200) {
    spec.surrogate = surrogate, spec.surrogate_scale = 0.7f;
    p.threshold = threshold, p.leak = leak;
    weighted.resize(size_t(T * count));
    for (double& x : weighted) x = random.normal() * 0.6 + 0.1;
    double margin = std::numeric_limits<double>::infinity();
    oracle::integrate(spec, p, initial, weighted, oracle::SpikeFunction::kHeaviside, nullptr, trace, spikes, margin);
  }
};

void each_case(double initial, const std::function<void(const Neurons&, const std::string&)>& check) {
  Random random(61);
  for (int T : {1, 2, 5, 16})
    for (double leak : {1.0, 0.9, 0.5, 0.0})
      for (Surrogate surrogate : kSurrogates)
        check(Neurons(T, 0.3 + random.uniform(), leak, initial, surrogate, random),
              "T " + std::to_string(T) + ", leak " + std::to_string(leak) + ", U(0)/V " + std::to_string(initial) +
                  ", " + surrogate_name(surrogate));
}

void forward(double initial) {
  each_case(initial, [](const Neurons& n, const std::string& what) {
    const LifParams<A> lif{n.p.threshold, n.p.leak};
    for (int64_t j = 0; j < n.count; ++j) {
      LifState<A> neuron{n.initial * n.p.threshold, 0};
      for (int t = 1; t <= n.spec.timesteps; ++t) {
        // The input in four parts, as a kernel has it.
        const double in = n.weighted[(t - 1) * n.count + j], scale = 0.25, bias = 0.125 * in, current = 0.5 * in;
        const bool silent = neuron.fire_time == 0;
        const double u = lif_step<A>(neuron, lif, 0.375 * in / scale, scale, bias, current, t);
        if (silent) expect_near(u, n.trace.potential[(t - 1) * n.count + j], 1e-12, 1e-12, "U, " + what);
      }
      const int fired = n.trace.fired[j];
      expect(neuron.fire_time == (fired > n.spec.timesteps ? 0 : fired), "spike time, " + what);
    }
  });
}

// dL/dO drawn at random; of a neuron that has fired, later potentials are no numbers, as a kernel may find them.
void backward(double initial) {
  Random random(62);
  each_case(initial, [&](const Neurons& n, const std::string& what) {
    const int T = n.spec.timesteps;
    oracle::Values d_spikes(n.weighted.size()), d_potential(n.weighted.size());
    for (double& x : d_spikes) x = random.normal();
    oracle::LayerParameters gradient, magnitude;
    gradient.threshold = gradient.leak = magnitude.threshold = magnitude.leak = 0;
    const oracle::Values expected =
        oracle::integrate_backward(n.spec, n.p, n.initial, n.trace, d_spikes, d_potential, gradient, magnitude);
    LifSums<A> sums;
    for (int64_t j = 0; j < n.count; ++j) {
      const int fired = n.trace.fired[j];
      const auto potential = [&](int t) {
        return t == 0       ? n.initial * n.p.threshold
               : t <= fired ? n.trace.potential[(t - 1) * n.count + j]
                            : std::nan("");
      };
      double g = 0;
      for (int t = T; t >= 1; --t) {
        const int64_t at = (t - 1) * n.count + j;
        const double ratio = potential(t) / n.p.threshold;
        const double slope = oracle::surrogate_derivative(n.spec, ratio - 1, t, fired);
        lif_backward<A>(g, sums, d_spikes[at], slope, ratio, potential(t - 1), 1 / n.p.threshold, n.p.leak,
                        A::reached(fired, t));
        expect_near(g, expected[at], 1e-12, 1e-12, "g, " + what);
      }
      accumulate_initial<A>(sums, g, n.p.leak, n.initial);
    }
    expect_near(sums.threshold, gradient.threshold, 0, 1e-12 * magnitude.threshold,
                "gradient of the threshold, " + what);
    expect_near(sums.leak, gradient.leak, 0, 1e-12 * magnitude.leak + 1e-300, "gradient of the leak, " + what);
  });
}

// The output neuron: it integrates past its spike, and its last potential has a gradient of its own.
void readout() {
  Random random(63);
  each_case(0, [&](const Neurons& n, const std::string& what) {
    const int T = n.spec.timesteps;
    ReadoutParams params{T, 0.8f, 0.6f, float(n.p.threshold), float(n.p.leak), {}};
    params.surrogate = {n.spec.surrogate, n.spec.gamma, n.spec.surrogate_scale};
    oracle::LayerParameters p = n.p, gradient, magnitude;
    p.threshold = params.threshold, p.leak = params.leak;
    gradient.threshold = gradient.leak = magnitude.threshold = magnitude.leak = 0;
    NeuronGradient sums;
    oracle::LayerTrace trace = n.trace;
    for (double& u : trace.potential) u = float(u);
    for (int64_t j = 0; j < n.count; ++j) {
      std::vector<float> u(static_cast<size_t>(T));
      for (int t = 0; t < T; ++t) u[size_t(t)] = float(trace.potential[t * n.count + j]);
      trace.fired[j] = T + 1;
      for (int t = T; t >= 1; --t)
        if (double(u[size_t(t - 1)]) > double(params.threshold)) trace.fired[j] = t;
      const int time = readout_time(u.data(), 1, params);
      expect(time == trace.fired[j], "spike time, " + what);
      const double logit = params.alpha * double(u[size_t(T - 1)]) / params.threshold + params.beta * (T + 1.0 - time);
      expect_near(readout_logit(u.data(), 1, time, params), logit, 1e-6, 1e-6, "logit, " + what);
    }
    oracle::Values d_logit(size_t(n.count)), d_spikes(n.weighted.size()), d_potential(n.weighted.size());
    for (double& x : d_logit) x = float(random.normal());
    for (int64_t j = 0; j < n.count; ++j) {
      const int64_t last = (T - 1) * n.count + j;
      d_potential[last] = d_logit[j] * params.alpha / params.threshold;
      gradient.threshold -= d_potential[last] * trace.potential[last] / params.threshold;
      for (int t = 1; t <= T; ++t) d_spikes[(t - 1) * n.count + j] = d_logit[j] * params.beta * (T + 1 - t);
    }
    const oracle::Values g =
        oracle::integrate_backward(n.spec, p, 0, trace, d_spikes, d_potential, gradient, magnitude);
    for (int64_t j = 0; j < n.count; ++j) {
      std::vector<float> u(static_cast<size_t>(T));
      for (int t = 0; t < T; ++t) u[size_t(t)] = float(trace.potential[t * n.count + j]);
      readout_backward(
          u.data(), u.data(), nullptr, 1, [&](int t) { return t == T ? float(d_logit[j]) : 0.0f; }, params, &sums);
      for (int t = 1; t <= T; ++t) {
        const double later = t < T ? g[t * n.count + j] : 0.0, at = g[(t - 1) * n.count + j];
        expect_near(u[size_t(t - 1)], at - p.leak * later, 1e-4, 1e-5, "a, " + what);
      }
    }
    expect_near(sums.threshold, gradient.threshold, 1e-5, 1e-5 * magnitude.threshold,
                "gradient of the threshold, " + what);
    expect_near(sums.leak, gradient.leak, 1e-5, 1e-5 * magnitude.leak, "gradient of the leak, " + what);
  });
}

// A potential that is exactly the threshold stays silent, and nothing fires twice.
void ties() {
  const LifParams<A> lif{0.5, 1.0};
  LifState<A> tie, above;
  lif_step<A>(tie, lif, 0.5, 1, 0, 0, 1);
  expect(tie.fire_time == 0 && tie.u == 0.5, "a tie does not fire");
  lif_step<A>(above, lif, std::nextafter(0.5, 1.0), 1, 0, 0, 1);
  expect(above.fire_time == 1, "the next number above the threshold fires");
  for (double leak : {1.0, 0.5, 0.0}) {
    LifState<A> neuron;
    for (int t = 1; t <= 3; ++t) lif_step<A>(neuron, {0.5, leak}, 2, 1, 0, 0, t);
    expect(neuron.fire_time == 1, "one spike, leak " + std::to_string(leak));
  }
}

// Where the potential is known to within a bound, the answer is the exact one or doubt.
void bounds() {
  Random random(64);
  int doubts = 0, answers = 0;
  for (int i = 0; i < 5000; ++i) {
    const double above = random.normal(), bound = std::fabs(random.normal()) * 0.3,
                 exact = above + bound * random.uniform(-1, 1);
    double known = 0, u = 0;
    int time = 0, expected = 0;
    lif_fire_within<A>(known, time, above, bound, 7);
    lif_fire<A>(u, expected, exact, 0.0, 7);
    doubts += time == kInDoubt, answers += time != kInDoubt;
    if (time == kInDoubt) expect(std::fabs(above) <= bound, "doubt within the bound alone");
    else expect(time == expected, "a decided neuron is decided as the exact one");
    expect(time == 0 ? known == above : known < 0 && std::isinf(known), "what the next step starts from");
  }
  expect(doubts > 500 && answers > 2000, "both happen");
  double known = 0;
  int time = 0;
  lif_fire_within<A>(known, time, 0.0, 0.0, 1);
  expect(time == kInDoubt, "a tie is left in doubt");
}

void leak() { expect(carry_leak<A>(0.5, 4.0, 1.0) == 3.0, "g(t) = a(t) + leak * g(t+1)"); }

}  // namespace

void add_lif_tests(Tests& tests) {
  for (const double initial : {0.0, 0.5}) {
    const std::string begins = initial > 0 ? ", U(0) = V / 2" : "";
    tests.push_back({"neuron equals the oracle's: forward" + begins, [initial] { forward(initial); }});
    tests.push_back({"neuron equals the oracle's: backward" + begins, [initial] { backward(initial); }});
  }
  tests.push_back({"neuron equals the oracle's: output layer", readout});
  tests.push_back({"neuron at the threshold is silent, and fires once", ties});
  tests.push_back({"neuron within bounds is decided exactly or left in doubt", bounds});
  tests.push_back({"neuron carries its leak back", leak});
}

}  // namespace onespike::test
