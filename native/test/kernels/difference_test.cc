// The oracle against itself: its backward pass is the derivative of the network in which every spike is replaced by the
// smooth function behind the surrogate, while 'has fired before' stays what it was. Every single parameter is moved,
// and the loss differenced over four points.
#include <cmath>

#include "test/ann/norm_cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

void check_every_parameter(const Case& c, Mode mode, oracle::Options options, double tolerance) {
  oracle::Parameters parameters = c.parameters;
  const oracle::Forward base = oracle::forward(c.spec, parameters, mode, c.batch(), options);
  oracle::Parameters gradient = oracle::backward(c.spec, parameters, mode, c.batch(), base, options);
  if (mode == Mode::kSnn) options.gates = &base;
  const auto loss = [&] { return oracle::forward(c.spec, parameters, mode, c.batch(), options).loss; };
  for (size_t l = 0; l < c.spec.layers.size(); ++l) {
    if (c.spec.layers[l].type == LayerType::kAvgPool) continue;
    for (const char* kind : {"weight", "bias", "norm.weight", "norm.bias", "threshold", "leak", "kappa", "theta"}) {
      const std::string name = "layers." + std::to_string(l) + "." + kind;
      const oracle::Slice p = oracle::find(parameters, name), g = oracle::find(gradient, name);
      double largest = 0.0;
      for (int64_t i = 0; i < g.size; ++i) largest = std::max(largest, std::fabs(g.data[i]));
      for (int64_t i = 0; i < p.size; ++i) {
        const double h = 1e-5, at = p.data[i];
        const auto loss_at = [&](double value) {
          p.data[i] = value;
          return loss();
        };
        const double slope =
            (loss_at(at - 2 * h) - 8 * loss_at(at - h) + 8 * loss_at(at + h) - loss_at(at + 2 * h)) / (12 * h);
        p.data[i] = at;
        expect_near(g.data[i], slope, 0.0, tolerance * largest + 1e-9,
                    name + "[" + std::to_string(i) + "] of " + c.text());
      }
    }
  }
}

// Small networks that hold every kind of layer between them.
std::vector<CaseSpec> small_specs() {
  std::vector<CaseSpec> specs = {
      network_spec(2, 5, 4, 4, {conv(3, 3, 1, 1, true, 0.8), pool(2), linear(4, true, 0.9), output(3, true, 0.7)}),
      network_spec(1, 5, 5, 3,
                   {pool(2), conv(2, 1, 1, 0, false, 1.0), conv(3, 3, 2, 2, true, 0.5), output(2, false, 0.9)}),
      network_spec(1, 7, 6, 2, {conv(2, 5, 2, 1, true, 0.6), output(3)}),
      network_spec(2, 2, 2, 1, {linear(5, true), output(4, true)}),
      network_spec(1, 6, 5, 3, {current_pool(conv(3, 3, 1, 1, true, 0.8), 2), output(2, true)}),
  };
  specs[0].alpha = 0.7f;
  specs[0].beta = 0.4f;
  specs[2].alpha = 0.0f;
  specs[1].initial_potential = specs[4].initial_potential = 0.3f;
  return specs;
}

// The network whose gradient the surrogates are: spikes are smooth functions.
oracle::Options primitive() {
  oracle::Options options;
  options.spike = oracle::SpikeFunction::kPrimitive;
  return options;
}

void smooth_network(Surrogate surrogate) {
  Random random(11 + int(surrogate));
  for (CaseSpec spec : small_specs()) {
    spec.surrogate = surrogate;
    spec.surrogate_scale = 0.8f;
    spec.gamma = 0.5f;
    const oracle::Options smooth = primitive();
    // A kink of the rectangular primitive within reach of the differences would spoil them.
    const Case c = decided_case(spec, 2, Mode::kSnn, random, 1e-3, smooth);
    check_every_parameter(c, Mode::kSnn, smooth, surrogate == Surrogate::kTriangle ? 3e-4 : 1e-5);
  }
}

void encoders() {
  Random random(5);
  for (Encoder encoder : {Encoder::kDirect, Encoder::kTtfs, Encoder::kPhase, Encoder::kBurst, Encoder::kRadix}) {
    CaseSpec spec = small_specs()[0];
    spec.encoder = encoder;
    spec.surrogate = Surrogate::kArctan;
    check_every_parameter(make_case(spec, 2, random), Mode::kSnn, primitive(), 1e-5);
  }
}

void dropout_masks() {
  Random random(6);
  CaseSpec spec = small_specs()[0];
  spec.surrogate = Surrogate::kFastSigmoid;
  oracle::Options smooth = primitive();
  smooth.dropout.resize(spec.layers.size());
  smooth.dropout[0] = oracle::Values(2 * 3 * 5 * 4, 1.25);
  for (double& mask : smooth.dropout[0])
    if (random.chance(0.2)) mask = 0.0;
  check_every_parameter(make_case(spec, 2, random), Mode::kSnn, smooth, 1e-5);
}

void schedules(Encoder encoder) {
  Random random(8);
  for (CaseSpec spec : small_specs()) {
    spec.schedules = true;
    spec.encoder = encoder;
    spec.surrogate = Surrogate::kArctan;
    check_every_parameter(make_case(spec, 2, random), Mode::kSnn, primitive(), 1e-5);
  }
}

void ann() {
  Random random(7);
  for (const CaseSpec& spec : small_specs())
    check_every_parameter(decided_case(spec, 2, Mode::kAnn, random, 1e-3), Mode::kAnn, {}, 1e-6);
}

void label_smoothing() {
  Random random(8);
  for (CaseSpec spec : small_specs()) {
    spec.surrogate = Surrogate::kArctan;
    oracle::Options smooth = primitive();
    smooth.label_smoothing = 0.3;
    check_every_parameter(make_case(spec, 2, random), Mode::kSnn, smooth, 1e-5);
    oracle::Options dense;
    dense.label_smoothing = 0.3;
    check_every_parameter(decided_case(spec, 2, Mode::kAnn, random, 1e-3), Mode::kAnn, dense, 1e-6);
  }
}

// The logits of a teacher, beside the label.
void distillation() {
  Random random(12);
  for (CaseSpec spec : small_specs()) {
    oracle::Options smooth = primitive();
    smooth.distillation = 0.6, smooth.temperature = 2.5, smooth.label_smoothing = 0.1;
    for (int i = 0; i < 2 * spec.layers.back().out; ++i) smooth.teacher.push_back(2 * random.normal());
    spec.surrogate = Surrogate::kArctan;
    check_every_parameter(make_case(spec, 2, random), Mode::kSnn, smooth, 1e-5);
    oracle::Options dense = smooth;
    dense.spike = {};
    check_every_parameter(decided_case(spec, 2, Mode::kAnn, random, 1e-3), Mode::kAnn, dense, 1e-6);
  }
}

void loss_over_time() {
  Random random(13);
  for (const bool schedules : {false, true})
    for (CaseSpec spec : small_specs()) {
      oracle::Options smooth = primitive();
      double sum = 0;
      for (int t = 0; t < spec.timesteps; ++t)
        smooth.time_weights.push_back(random.uniform()), sum += smooth.time_weights.back();
      for (double& w : smooth.time_weights) w /= sum;
      spec.surrogate = Surrogate::kArctan;
      spec.schedules = schedules;
      check_every_parameter(make_case(spec, 2, random), Mode::kSnn, smooth, 1e-5);
    }
}

// Layers that send numbers in place of spikes: all of them, or every other one.
void relaxed_layers() {
  Random random(15);
  for (const bool schedules : {false, true})
    for (const int which : {0, 1, 2})
      for (CaseSpec spec : small_specs()) {
        oracle::Options smooth = primitive();
        int hidden = 0;
        for (const LayerSpec& layer : spec.layers)
          smooth.relaxed.push_back(
              !is_pool(layer.type) && !layer.output && (which == 0 || hidden++ % 2 == which - 1) ? 1 : 0);
        spec.surrogate = Surrogate::kArctan;
        spec.schedules = schedules;
        check_every_parameter(decided_case(spec, 2, Mode::kSnn, random, 1e-3, smooth), Mode::kSnn, smooth, 1e-5);
      }
}

// A price for every spike of a layer.
void spike_costs() {
  Random random(14);
  for (CaseSpec spec : small_specs()) {
    oracle::Options smooth = primitive();
    for (size_t l = 0; l < spec.layers.size(); ++l) smooth.spike_costs.push_back(random.uniform(0.0, 0.3));
    spec.surrogate = Surrogate::kArctan;
    check_every_parameter(make_case(spec, 2, random), Mode::kSnn, smooth, 1e-5);
  }
}

// Batch normalisation of the ANN by groups of images, through mean and variance; of the spiking network by constants.
void normalisation() {
  Random random(8);
  for (CaseSpec spec : small_specs()) {
    for (LayerSpec& layer : spec.layers) layer.norm = layer.type != LayerType::kAvgPool && !layer.output;
    spec.norm_group = 3;
    check_every_parameter(decided_case(spec, 5, Mode::kAnn, random, 1e-3, by_groups()), Mode::kAnn, by_groups(), 1e-6);
    spec.surrogate = Surrogate::kArctan;
    check_every_parameter(make_case(spec, 2, random), Mode::kSnn, primitive(), 1e-5);
  }
}

void two_labels() {
  Random random(9);
  for (CaseSpec spec : small_specs()) {
    spec.surrogate = Surrogate::kArctan;
    Case c = make_case(spec, 2, random);
    c.others = {1, 0}, c.shares = {0.6f, 0.75f};
    check_every_parameter(c, Mode::kSnn, primitive(), 1e-5);
  }
}

// One neuron and one class pair by hand: the exponential surrogate has no primitive to difference.
void exponential_by_hand() {
  CaseSpec spec = network_spec(1, 1, 1, 3, {linear(1, false, 1.0), output(2, false, 1.0)});
  spec.surrogate = Surrogate::kExponential;
  spec.encoder = Encoder::kDirect;
  spec.surrogate_scale = 0.5f;
  spec.alpha = 1.0f;
  spec.beta = 0.0f;
  spec.mean = {0.0f};
  spec.std = {1.0f};
  // Potential 0.4, 0.8, 1.2: fires at step 3. Logits 2 and 0 (weights 2 and 0, V = 1).
  const Case c{spec, {{{0.4}, {}, 1.0, 1.0}, {{2.0, 0.0}, {}, 1.0, 1.0}}, {255}, {1}};
  const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kSnn, c.batch());
  expect(trace.layers[0].fired[0] == 3, "fires at step 3");
  expect_near(trace.logits[0], 2.0, 0, 1e-12, "logit");
  const double d_spike = 2.0 / (1.0 + std::exp(-2.0));  // weight times softmax of class 0, the same at every step
  double expected = 0.0;
  for (int t = 1; t <= 3; ++t) expected += d_spike * double(spec.gamma) * std::exp(-0.5 * (3 - t)) * t;  // dU(t)/dw = t
  const oracle::Parameters gradient = oracle::backward(spec, c.parameters, Mode::kSnn, c.batch(), trace);
  expect_near(gradient[0].weight[0], expected, 1e-12, 0, "gradient of the weight");
}

}  // namespace

void add_difference_tests(Tests& tests) {
  tests.push_back({"oracle gradient equals differences: triangle", [] { smooth_network(Surrogate::kTriangle); }});
  tests.push_back({"oracle gradient equals differences: rectangular", [] { smooth_network(Surrogate::kRectangular); }});
  tests.push_back({"oracle gradient equals differences: arctan", [] { smooth_network(Surrogate::kArctan); }});
  tests.push_back(
      {"oracle gradient equals differences: fast-sigmoid", [] { smooth_network(Surrogate::kFastSigmoid); }});
  tests.push_back({"oracle gradient equals differences: other encoders", encoders});
  tests.push_back({"oracle gradient equals differences: dropout mask", dropout_masks});
  tests.push_back({"oracle gradient equals differences: schedules", [] { schedules(Encoder::kHybrid); }});
  tests.push_back(
      {"oracle gradient equals differences: schedules of a direct code", [] { schedules(Encoder::kDirect); }});
  tests.push_back({"oracle gradient equals differences: ANN", ann});
  tests.push_back({"oracle gradient equals differences: batch normalisation", normalisation});
  tests.push_back({"oracle gradient equals differences: label smoothing", label_smoothing});
  tests.push_back({"oracle gradient equals differences: two labels", two_labels});
  tests.push_back({"oracle gradient equals differences: distillation", distillation});
  tests.push_back({"oracle gradient equals differences: loss over time", loss_over_time});
  tests.push_back({"oracle gradient equals differences: relaxed layers", relaxed_layers});
  tests.push_back({"oracle gradient equals differences: costs of spikes", spike_costs});
  tests.push_back({"oracle gradient of the exponential surrogate, by hand", exponential_by_hand});
}

}  // namespace onespike::test
