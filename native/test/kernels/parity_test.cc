// The network against the oracle: spike times exactly, logits, potentials and loss within 1e-4, every gradient tensor
// within 1e-4 of its norm. No case holds a decision nearer than 1e-5 to a tie, so float32 must decide as double does.
#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <memory>

#include "core/backend/backend.h"
#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

constexpr double kTolerance = 1e-4;

// Per image the smallest |z| of its hidden neurons, over the steps up to the spike.
oracle::Values margins_of(const Case& c, const oracle::Forward& reference) {
  const size_t images = c.labels.size();
  oracle::Values margins(images, HUGE_VAL);
  for (size_t l = 0; l < c.spec.layers.size(); ++l) {
    const oracle::LayerTrace& trace = reference.layers[l];
    if (trace.fired.empty() || c.spec.layers[l].output) continue;
    const oracle::LayerParameters& p = c.parameters[l];
    const size_t neurons = trace.fired.size() / images;
    for (size_t j = 0; j < trace.fired.size(); ++j)
      for (int t = 1; t <= std::min(trace.fired[j], c.spec.timesteps); ++t) {
        const double theta = p.theta.empty() ? 1 : p.theta[size_t(t - 1)];
        const double u = trace.potential[size_t(t - 1) * trace.fired.size() + j];
        margins[j / neurons] = std::min(margins[j / neurons], std::fabs(u / (p.threshold * theta) - 1));
      }
  }
  return margins;
}

void compare_forward(const Case& c, Mode mode, Network& network, const oracle::Forward& reference) {
  const int64_t images = int64_t(c.labels.size());
  const int T = c.spec.timesteps, classes = c.spec.layers.back().out;
  const std::string potential = "potential " + c.text(), logit = "logit " + c.text();
  std::vector<float> logits(images * classes), potentials(images * T * classes), margins(images);
  std::vector<std::vector<uint8_t>> times(network.spiking_layers());
  ForwardOutputs out;
  out.logits = logits.data();
  if (mode == Mode::kSnn) {
    out.potentials = potentials.data();
    out.margins = margins.data();
    for (int s = 0; s < network.spiking_layers(); ++s) {
      times[s].assign(images * network.neurons(s), 255);
      out.spike_times.push_back(times[s].data());
    }
  }
  StepStats stats;
  expect_ok(network.forward(c.batch(), mode, out, no_stop(), &stats), "forward " + c.text());
  if (mode == Mode::kSnn) {
    for (int s = 0; s < network.spiking_layers(); ++s) {
      const int layer = network.layer_index(s);
      const std::vector<int>& fired = reference.layers[layer].fired;
      expect(times[s].size() == fired.size(), "neurons of layer " + std::to_string(layer) + " " + c.text());
      double spikes = 0.0;
      for (size_t j = 0; j < fired.size(); ++j) {
        const int expected = fired[j] <= T || c.spec.layers[layer].output ? fired[j] : 0;
        spikes += fired[j] <= T;
        if (times[s][j] != expected)
          expect(false, "spike time of layer " + std::to_string(layer) + " neuron " + std::to_string(j) +
                            ": expected " + std::to_string(expected) + " but received " + std::to_string(times[s][j]) +
                            " " + c.text());
      }
      if (s + 1 < network.spiking_layers())
        expect(stats.spikes.size() == size_t(network.spiking_layers() - 1) && stats.spikes[s] == spikes,
               "spike count " + c.text());
    }
    const oracle::Values nearest = margins_of(c, reference);
    for (int64_t n = 0; n < images; ++n)  // infinite without hidden neurons
      if (float(nearest[n]) != margins[n])
        expect_near(margins[n], nearest[n], kTolerance, kTolerance, "margin " + c.text());
    const oracle::Values& u = reference.layers.back().potential;
    for (int64_t n = 0; n < images; ++n)
      for (int t = 0; t < T; ++t)
        for (int k = 0; k < classes; ++k)
          expect_near(potentials[(n * T + t) * classes + k], u[(t * images + n) * classes + k], kTolerance, kTolerance,
                      potential);
  }
  double nearest = 1.0;  // between the best two logits of an image
  for (int64_t i = 0; i < images * classes; ++i)
    expect_near(logits[i], reference.logits[i], kTolerance, kTolerance, logit);
  for (int64_t n = 0; n < images && classes > 1; ++n) {
    oracle::Values row(&reference.logits[n * classes], &reference.logits[n * classes] + classes);
    std::partial_sort(row.begin(), row.begin() + 2, row.end(), std::greater<>());
    nearest = std::min(nearest, row[0] - row[1]);
  }
  expect_near(stats.loss, reference.loss, kTolerance, kTolerance, "loss " + c.text());
  if (nearest > kTolerance) expect(stats.correct == reference.correct, "correct predictions " + c.text());
  expect(stats.bad_layer == -1, "no bad layer " + c.text());
}

void compare(const Case& c, Mode mode) {
  const oracle::Forward trace = oracle::forward(c.spec, c.parameters, mode, c.batch());
  const auto network = make_network(c);
  compare_forward(c, mode, *network, trace);
  const StepStats stats = expect_step(*network, c, mode, trace);
  expect_near(stats.gradient_norm, oracle::gradient_norm(read_parameters(*network, TensorKind::kGradient)), 1e-5, 1e-9,
              "gradient norm " + c.text());
}

void random_networks(Mode mode, uint64_t seed, int count, bool schedules = false, float initial = 0) {
  Random random(seed);
  for (int i = 0; i < count; ++i) {
    CaseSpec spec = random_spec(random);
    spec.schedules = schedules, spec.initial_potential = initial;
    const int images = random.between(1, 5);
    compare(decided_case(spec, images, mode, random), mode);
  }
}

void fixed_networks(const std::vector<CaseSpec>& specs, int images, uint64_t seed) {
  Random random(seed);
  for (const CaseSpec& spec : specs)
    for (Mode mode : {Mode::kSnn, Mode::kAnn}) compare(decided_case(spec, images, mode, random), mode);
}

void every_width() {
  std::vector<CaseSpec> specs;
  for (int width = 1; width <= 67; width += width < 20 ? 1 : 3)
    specs.push_back(
        network_spec(1 + width % 4, 4, 5, 3,
                     {conv(width), conv(width % 5 + 1, 3, 1, 1, true), linear(width, true), output(1 + width)}));
  fixed_networks(specs, 2, 21);
}

void every_geometry() {
  std::vector<CaseSpec> specs;
  for (int kernel : {1, 3, 5})
    for (int stride : {1, 2, 3})
      for (int padding : {0, 1, 2}) {
        specs.push_back(network_spec(2, 8, 7, 4, {conv(6, kernel, stride, padding, true), output(3)}));
        specs.push_back(network_spec(1, 9, 11, 3, {conv(5, 3, 1, 1), conv(7, kernel, stride, padding), output(4)}));
        specs.push_back(
            network_spec(1, 12, 13, 3, {conv(5, 3, 1, 1), pool(2), conv(7, kernel, stride, padding), output(4)}));
      }
  // Outputs that see nothing but padding.
  specs.push_back(network_spec(2, 3, 4, 3, {conv(5, 1, 1, 4, true), conv(4, 1, 2, 4, true), output(3)}));
  fixed_networks(specs, 2, 22);
}

void every_pool() {
  std::vector<CaseSpec> specs;
  for (int first : {2, 3})
    for (int second : {2, 3}) {
      specs.push_back(network_spec(2, 11, 10, 4, {pool(first), conv(9), output(3)}));
      specs.push_back(network_spec(2, 13, 14, 4, {pool(first), pool(second), conv(9), output(3)}));
      specs.push_back(network_spec(2, 13, 9, 4, {conv(9), pool(first), pool(second), output(3)}));
      specs.push_back(
          network_spec(1, 13, 13, 4, {conv(5), pool(first), conv(17, 3, 1, 1), pool(second), linear(6), output(3)}));
      specs.push_back(network_spec(1, 9, 9, 2, {pool(first), pool(second), output(3)}));
    }
  fixed_networks(specs, 2, 23);
}

void every_current_pool() {
  std::vector<CaseSpec> specs;
  for (int side : {2, 3})
    for (int kernel : {1, 3, 5})
      for (int stride : {1, 2}) {
        const LayerSpec inner = current_pool(conv(7, kernel, stride, 1, true), side);
        specs.push_back(network_spec(2, 11, 12, 4, {inner, output(3)}));
        specs.push_back(network_spec(1, 12, 13, 3, {conv(5), inner, output(4)}));
      }
  specs.push_back(
      network_spec(3, 9, 10, 3, {current_pool(conv(18), 2), pool(2), current_pool(conv(67, 3, 1, 1), 2), output(3)}));
  for (Encoder encoder : {Encoder::kDirect, Encoder::kTtfs}) {
    specs.push_back(network_spec(2, 8, 7, 4, {current_pool(conv(33), 2), linear(5), output(3)}));
    specs.back().encoder = encoder, specs.back().schedules = true;
  }
  fixed_networks(specs, 2, 25);
}

void every_length() {
  std::vector<CaseSpec> specs;
  for (int T : {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 33})
    specs.push_back(network_spec(2, 5, 5, T, {conv(4), conv(18), pool(2), linear(5), output(3)}));
  fixed_networks(specs, 1, 24);
}

void every_surrogate_and_encoder() {
  std::vector<CaseSpec> specs;
  for (Surrogate surrogate : {Surrogate::kTriangle, Surrogate::kExponential, Surrogate::kRectangular,
                              Surrogate::kArctan, Surrogate::kFastSigmoid})
    for (Encoder encoder :
         {Encoder::kHybrid, Encoder::kDirect, Encoder::kTtfs, Encoder::kPhase, Encoder::kBurst, Encoder::kRadix}) {
      CaseSpec spec = network_spec(3, 6, 6, 5, {conv(8), pool(2), conv(6), linear(9), output(4)});
      spec.surrogate = surrogate;
      spec.encoder = encoder;
      spec.surrogate_scale = 0.7f;
      spec.gamma = 0.4f;
      if (encoder == Encoder::kTtfs || encoder == Encoder::kPhase) spec.initial_potential = 0.25f;
      specs.push_back(spec);
    }
  fixed_networks(specs, 2, 25);
}

void every_scheduled_shape() {
  std::vector<CaseSpec> specs = {
      network_spec(3, 6, 6, 1, {conv(8, 3, 1, 1, true), pool(2), linear(9), output(4)}),
      network_spec(2, 5, 5, 20, {conv(4), conv(18, 3, 1, 1, true), pool(2), linear(5), output(3, true)}),
      network_spec(3, 11, 9, 5, {conv(20, 5, 2, 2), conv(33, 5, 2, 1, true), linear(7, true), output(5)}),
      network_spec(2, 4, 4, 6, {linear(30, true), linear(70), output(17, true)}),
      network_spec(2, 13, 14, 4, {pool(2), conv(9), pool(3), linear(6), output(3)}),
      network_spec(1, 6, 7, 7, {conv(1), conv(1, 3, 1, 1, true), output(2)}),
      network_spec(1, 3, 3, 3, {output(3, true)}),
      // More gradients than one block of a linear layer.
      network_spec(2, 4, 4, 4, {conv(5), pool(2), linear(530), linear(43), output(3)})};
  for (Encoder encoder : {Encoder::kDirect, Encoder::kTtfs})
    for (Surrogate surrogate : kSurrogates) {
      CaseSpec spec = network_spec(3, 6, 6, 5, {conv(8), pool(2), conv(6, 3, 1, 1, true), linear(9), output(4)});
      spec.surrogate = surrogate, spec.encoder = encoder, spec.initial_potential = 0.25f;
      specs.push_back(spec);
    }
  for (CaseSpec& spec : specs) spec.schedules = true;
  for (const int threads : {1, 3}) {
    for (CaseSpec& spec : specs) spec.on.threads = threads;
    fixed_networks(specs, 3, 31);
  }
  // Several chunks in a block.
  CaseSpec many = network_spec(2, 4, 4, 3, {conv(5, 3, 1, 1, true), pool(2), linear(6, true), output(3, true)});
  many.schedules = true;
  fixed_networks({many}, 70, 32);
}

// More images than pass through a network at once.
void large_batches() {
  fixed_networks({network_spec(2, 4, 4, 3, {conv(5, 3, 1, 1, true), pool(2), linear(6, true), output(3, true)})}, 70,
                 27);
  fixed_networks({network_spec(1, 3, 3, 2, {linear(4), output(2)})}, 131, 28);
  // Outputs of linear layers that the input gradient takes in several blocks, the last of them not full.
  fixed_networks({network_spec(2, 4, 4, 7, {conv(5), pool(2), linear(530), linear(1043), output(3)})}, 3, 29);
}

void silent_and_saturated() {
  // Thresholds that no potential reaches, and thresholds that nearly every potential passes at once.
  for (double scale : {50.0, 1e-2}) {
    Random random(26);
    Case c = make_case(network_spec(2, 6, 6, 4, {conv(10), pool(2), linear(12), output(3)}), 3, random);
    for (oracle::LayerParameters& p : c.parameters) p.threshold = float(p.threshold * scale);
    if (oracle::forward(c.spec, c.parameters, Mode::kSnn, c.batch()).margin >= 1e-5) compare(c, Mode::kSnn);
  }
}

// Mixed precision multiplies bf16 by spikes and sums in 32 bits: with weights that bf16 holds exactly, spike times are
// exact. Gradients are rounded to 2^-9 and weights are not, and most of that cancels.
void mixed_networks(uint64_t seed, int count, bool schedules = false, float initial = 0) {
  Random random(seed);
  for (int done = 0, attempt = 0; done < count; ++attempt) {
    expect(attempt < 50 * count, "no case without a tie");
    CaseSpec spec = random_spec(random);
    spec.on.precision = Precision::kMixed, spec.schedules = schedules, spec.initial_potential = initial;
    Case c = make_case(spec, random.between(1, 5), random);
    for (oracle::LayerParameters& p : c.parameters)
      for (double& w : p.weight) w = std::bit_cast<float>((std::bit_cast<uint32_t>(float(w)) + 0x8000) & 0xffff0000);
    const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kSnn, c.batch());
    if (trace.margin < 1e-5) continue;
    ++done;
    const auto network = make_network(c);
    compare_forward(c, Mode::kSnn, *network, trace);
    StepStats stats;
    expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients " + c.text());
    oracle::Parameters value = read_parameters(*network, TensorKind::kGradient), terms,
                       reference = oracle::backward(spec, c.parameters, Mode::kSnn, c.batch(), trace, {}, &terms);
    for (const TensorInfo& info : network->tensors()) {
      if (oracle::find(terms, info.name).size > 0) continue;  // thresholds, leaks, schedules: large terms cancel
      const oracle::Slice a = oracle::find(value, info.name), b = oracle::find(reference, info.name);
      const double off = distance(a.data, b.data, a.size, 1e-6);
      // g and a are rounded to bf16, by up to 2^-9 each, and their terms cancel: 0.0159 is the most that was seen.
      expect(off < 2e-2, info.name + " is off by " + std::to_string(off) + " of its norm " + c.text());
    }
  }
}

}  // namespace

void add_parity_cases(Tests& tests) {
  const auto add = [&](const std::string& what, std::function<void()> run) {
    tests.push_back({"network equals oracle: " + what, std::move(run)});
  };
  add("every channel count", every_width);
  add("every kernel, stride and padding", every_geometry);
  add("pools first, chained and with leftovers", every_pool);
  add("pools of currents", every_current_pool);
  add("T from 1 to 33", every_length);
  add("every surrogate and encoder", every_surrogate_and_encoder);
  add("silent and saturated layers", silent_and_saturated);
  add("large batches", large_batches);
  for (uint64_t seed = 1; seed <= 10; ++seed)
    add("random networks " + std::to_string(seed), [seed] { random_networks(Mode::kSnn, 100 + seed, cases(40)); });
  add("every shape with schedules", every_scheduled_shape);
  for (uint64_t seed = 1; seed <= 5; ++seed)
    add("random networks with schedules " + std::to_string(seed),
        [seed] { random_networks(Mode::kSnn, 400 + seed, cases(40), true); });
  // No power of two, so that a neuron without input is at no kink of a surrogate.
  for (const bool schedules : {false, true})
    add(std::string("random networks with an initial potential") + (schedules ? " and schedules" : ""),
        [schedules] { random_networks(Mode::kSnn, 600 + schedules, cases(40), schedules, 0.375f); });
  add("random networks with schedules in mixed precision", [] { mixed_networks(500, cases(40), true); });
  add("random networks with an initial potential in mixed precision",
      [] { mixed_networks(502, cases(40), false, 0.375f); });
  for (uint64_t seed = 1; seed <= 3; ++seed)
    add("random networks in mixed precision " + std::to_string(seed),
        [seed] { mixed_networks(300 + seed, cases(40)); });
  for (uint64_t seed = 1; seed <= 3; ++seed)
    add("random ANNs " + std::to_string(seed), [seed] { random_networks(Mode::kAnn, 200 + seed, cases(40)); });
}

void add_parity_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  Tests all;
  add_parity_cases(all);
  for (size_t target = 0; target < targets.size(); ++target)
    for (const Test& test : all) tests.push_back({test.name + ", " + targets[target], on_cpu_target(target, test.run)});
}

}  // namespace onespike::test
