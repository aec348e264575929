// Dropout and the rate encoder: what can be said of random numbers without knowing them. The mask that a training pass
// drew shows in its gradients (a dropped neuron has none), and with that mask the oracle must arrive at the same
// numbers.
#include <algorithm>
#include <cmath>
#include <set>

#include "ops/augment/draw.h"
#include "ops/dropout.h"
#include "ops/encoders.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

LayerSpec dropping(LayerSpec layer, float rate) {
  layer.dropout = rate;
  return layer;
}

// Neurons over 1x1 maps, each with a bias of its own, and a surrogate that is never zero: bias gradient 0 = dropped
// (or, in ANN mode, inactive, to which a mask makes no difference).
CaseSpec dropout_spec(float rate) {
  CaseSpec spec = network_spec(
      2, 3, 3, 4, {dropping(conv(45, 3, 1, 0, true), rate), dropping(linear(37, true), rate), output(5, true)});
  spec.surrogate = Surrogate::kArctan;
  return spec;
}

void mask_from_gradients(Mode mode, bool schedules = false) {
  const float rate = 0.4f;
  CaseSpec spec = dropout_spec(rate);
  spec.schedules = schedules;
  Random random(51);
  for (int attempt = 0, compared = 0; compared < 8; ++attempt) {
    expect(attempt < 400, "no case without a tie");
    const Case c = make_case(spec, 1, random);
    const auto network = make_network(c);
    network->set_random_step(uint64_t(attempt));
    StepStats stats;
    expect_ok(network->gradients(c.batch(), mode, no_stop(), &stats), "gradients");
    const oracle::Parameters value = read_parameters(*network, TensorKind::kGradient);
    oracle::Options options;
    options.dropout.resize(3);
    int dropped = 0;
    for (int l = 0; l < 2; ++l) {
      for (double g : value[l].bias) {
        options.dropout[l].push_back(g == 0.0 ? 0.0 : 1.0 / (1.0 - double(rate)));
        dropped += g == 0.0;
      }
    }
    const oracle::Forward trace = oracle::forward(spec, c.parameters, mode, c.batch(), options);
    if (trace.margin < 1e-5) continue;
    ++compared;
    expect(dropped > 10, "some neurons were dropped");
    expect_near(stats.loss, trace.loss, 1e-4, 1e-4, "loss " + c.text());
    expect_gradient(*network, c, mode, trace, options);
  }
}

// How often a neuron's bias gradient is zero, over many draws.
double zero_share(float rate, int images, int draws) {
  CaseSpec spec = dropout_spec(rate);
  spec.layers.erase(spec.layers.begin());
  Random random(52);
  Case c = make_case(spec, 1, random);
  for (int n = 1; n < images; ++n) {
    c.pixels.insert(c.pixels.end(), c.pixels.begin(), c.pixels.begin() + 18);
    c.labels.push_back(c.labels[0]);
  }
  const auto network = make_network(c);
  int zero = 0, all = 0;
  for (int draw = 0; draw < draws; ++draw) {
    network->set_random_step(uint64_t(draw));
    StepStats stats;
    expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
    const oracle::Parameters gradient = read_parameters(*network, TensorKind::kGradient);
    for (double g : gradient[0].bias) {
      zero += g == 0.0;
      ++all;
    }
  }
  return double(zero) / all;
}

void rates() {
  expect(zero_share(0.0f, 1, 3) == 0.0, "rate 0 drops nothing");
  expect_near(zero_share(0.3f, 1, 200), 0.3, 0, 0.02, "share dropped at rate 0.3");
  expect_near(zero_share(0.5f, 1, 200), 0.5, 0, 0.02, "share dropped at rate 0.5");
  // The same image twice in a batch: masks of images are independent.
  expect_near(zero_share(0.5f, 2, 200), 0.25, 0, 0.02, "share dropped in both of two images at rate 0.5");
  expect_near(zero_share(0.99f, 128, 60), std::pow(0.99, 128), 0, 0.04,
              "share dropped in each of 128 images at rate 0.99");
}

void training_only() {
  Random random(53);
  const Case with = decided_case(dropout_spec(0.5f), 3, Mode::kSnn, random);
  Case without = with;
  for (LayerSpec& layer : without.spec.layers) layer.dropout = 0.0f;
  const auto a = make_network(with), b = make_network(without);
  for (Mode mode : {Mode::kSnn, Mode::kAnn}) {
    std::vector<float> x(15), y(15);
    ForwardOutputs out;
    StepStats stats;
    out.logits = x.data();
    expect_ok(a->forward(with.batch(), mode, out, no_stop(), &stats), "forward");
    out.logits = y.data();
    expect_ok(b->forward(with.batch(), mode, out, no_stop(), &stats), "forward");
    expect(x == y, "dropout is for training alone");
  }
}

void counters_decide() {
  for (Encoder encoder : {Encoder::kHybrid, Encoder::kRate}) {
    Random random(54);
    CaseSpec spec = dropout_spec(encoder == Encoder::kRate ? 0.0f : 0.5f);
    spec.encoder = encoder;
    const Case c = make_case(spec, 2, random);
    const auto network = make_network(c);
    const auto gradient_at = [&](uint64_t step) {
      network->set_random_step(step);
      StepStats stats;
      expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
      return read_bits(*network, TensorKind::kGradient);
    };
    const std::vector<float> first = gradient_at(7);
    expect(first == gradient_at(7), "the same counter gives the same gradient");
    expect(first != gradient_at(8), "the next counter gives another");
  }
}

// A training step moves the counter on, so that the next one draws anew.
void training_counts() {
  Random random(55);
  const Case c = make_case(dropout_spec(0.5f), 2, random);
  const auto network = make_network(c);
  OptimizerOptions still;
  still.learning_rate = still.neuron_learning_rate = 0.0f;
  StepStats stats;
  network->set_random_step(3);
  expect_ok(network->train(c.batch(), Mode::kSnn, still, no_stop(), &stats), "train");
  const double first = stats.loss;
  expect(network->random_step() == 4, "the random counter counts training steps");
  expect_ok(network->train(c.batch(), Mode::kSnn, still, no_stop(), &stats), "train");
  expect(stats.loss != first, "the second step draws another mask");
}

// Every pixel drives one neuron that forgets at once and needs one positive spike: its spike time is geometric with the
// pixel's value as probability.
void rate_encoder() {
  const int side = 8, T = 6, images = 60, pixels = side * side;
  CaseSpec spec = network_spec(1, side, side, T, {linear(pixels, false, 0.0), output(2)});
  spec.encoder = Encoder::kRate;
  spec.mean = {0.5f};
  spec.std = {0.4f};
  Case c{spec, oracle::Parameters(2), {}, {}};
  c.parameters[0] = {oracle::Values(pixels * pixels, 0.0), {}, 0.5, 0.0};
  for (int i = 0; i < pixels; ++i) c.parameters[0].weight[i * pixels + i] = 1.0;
  c.parameters[1] = {oracle::Values(2 * pixels, 0.1), {}, 1.0, 0.0};
  for (int i = 0; i < images * pixels; ++i) c.pixels.push_back(uint8_t((i % pixels) * 4));
  c.labels.assign(images, 0);
  const auto network = make_network(c);
  std::vector<std::vector<int>> count(pixels, std::vector<int>(T + 1, 0));
  for (uint64_t draw = 0; draw < 20; ++draw) {
    network->set_random_step(draw);
    std::vector<uint8_t> times(images * pixels);
    ForwardOutputs out;
    out.spike_times = {times.data(), nullptr};
    StepStats stats;
    expect_ok(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats), "forward");
    for (size_t i = 0; i < times.size(); ++i) ++count[i % pixels][times[i]];
  }
  for (int i = 0; i < pixels; ++i) {
    const double x = (i * 4 / 255.0 - 0.5) / double(0.4f), p = std::clamp(x, 0.0, 1.0);
    for (int t = 1; t <= T; ++t)
      expect_near(count[i][t] / (20.0 * images), p * std::pow(1.0 - p, t - 1), 0, 0.06,
                  "share of pixel " + std::to_string(i) + " at step " + std::to_string(t));
  }
}

// What the rate encoder draws for a network's batch, seen through an output layer with one unit per pixel, weight 1 and
// no memory: its potentials are the input.
oracle::Values drawn_input(const Case& c, uint64_t random_step) {
  Case probe = c;
  const int pixels = int(oracle::layer_shapes(c.spec)[0].size()), T = c.spec.timesteps, images = int(c.labels.size());
  probe.labels.assign(images, 0);
  probe.spec.layers = {output(pixels, false, 0.0)}, probe.spec.schedules = false;
  probe.parameters = {{oracle::Values(int64_t(pixels) * pixels, 0.0), {}, 1.0, 0.0}};
  for (int i = 0; i < pixels; ++i) probe.parameters[0].weight[int64_t(i) * pixels + i] = 1.0;
  const auto network = make_network(probe);
  network->set_random_step(random_step);
  std::vector<float> potentials(int64_t(images) * T * pixels);
  ForwardOutputs out;
  out.potentials = potentials.data();
  StepStats stats;
  expect_ok(network->forward(probe.batch(), Mode::kSnn, out, no_stop(), &stats), "forward");
  oracle::Values input(potentials.size());
  for (int n = 0; n < images; ++n)
    for (int t = 0; t < T; ++t)
      for (int i = 0; i < pixels; ++i)
        input[(int64_t(t) * images + n) * pixels + i] = potentials[(int64_t(n) * T + t) * pixels + i];
  return input;
}

void rate_gradients(bool schedules) {
  Random random(56);
  for (int round = 0; round < 30; ++round) {
    CaseSpec spec = random_spec(random);
    spec.encoder = Encoder::kRate, spec.schedules = schedules;
    spec.seed = uint64_t(round);
    oracle::Values input;
    oracle::Options options;
    options.input = &input;
    for (int attempt = 0;; ++attempt) {
      expect(attempt < 100, "no case without a tie " + describe(spec, 3));
      const Case c = make_case(spec, 3, random);
      input = drawn_input(c, uint64_t(attempt));
      const oracle::Forward trace = oracle::forward(spec, c.parameters, Mode::kSnn, c.batch(), options);
      if (trace.margin < 1e-5) continue;
      const auto network = make_network(c);
      network->set_random_step(uint64_t(attempt));
      StepStats stats;
      expect_ok(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
      expect_near(stats.loss, trace.loss, 1e-4, 1e-4, "loss " + c.text());
      expect_gradient(*network, c, Mode::kSnn, trace, options);
      break;
    }
  }
}

// No two uses of the generator draw the same numbers, whatever image and layer they are for.
void separate_streams() {
  const uint64_t seed = 7;
  for (int l = 0; l < 64; ++l) {
    const Rng mask = Dropout::rng(seed, 3, 0, l), spikes = rate_rng(seed, 3, l);
    int equal = 0;
    for (uint64_t position = 0; position < 256; ++position) equal += mask.bits(position) == spikes.bits(position);
    expect(equal == 0, "dropout of layer " + std::to_string(l) + " shares " + std::to_string(equal) +
                           " of 256 draws with the rate encoder of image " + std::to_string(l));
  }
  std::set<uint64_t> keys;
  size_t uses = 0;
  const auto add = [&](const Rng& rng) { keys.insert(rng.key), ++uses; };
  for (uint64_t step = 0; step < 5; ++step) {
    Augment augment;
    augment.seed = seed, augment.step = step;
    add(crop_rng(augment)), add(change_rng(augment)), add(cutout_rng(augment));
    for (int image = 0; image < 80; ++image) {
      add(rate_rng(seed, step, image)), add(mix_rng(augment, uint64_t(image)));
      for (int layer = 0; layer < 40; ++layer) add(Dropout::rng(seed, step, image, layer));
    }
  }
  expect(keys.size() == uses, std::to_string(uses - keys.size()) + " of " + std::to_string(uses) + " keys are shared");
}

}  // namespace

void add_random_tests(Tests& tests) {
  tests.push_back({"random streams of dropout, rate encoder and crops are apart", separate_streams});
  tests.push_back({"dropout mask accounts for loss and gradients: SNN", [] { mask_from_gradients(Mode::kSnn); }});
  tests.push_back(
      {"dropout mask accounts for loss and gradients: schedules", [] { mask_from_gradients(Mode::kSnn, true); }});
  tests.push_back({"dropout mask accounts for loss and gradients: ANN", [] { mask_from_gradients(Mode::kAnn); }});
  tests.push_back({"dropout drops its rate, each image by itself", rates});
  tests.push_back({"dropout is for training alone", training_only});
  tests.push_back({"random counters decide dropout and rate encoding", counters_decide});
  tests.push_back({"random counter counts training steps", training_counts});
  tests.push_back({"rate encoder: loss and gradients of what it drew", [] { rate_gradients(false); }});
  tests.push_back({"rate encoder: loss and gradients with schedules", [] { rate_gradients(true); }});
  tests.push_back({"rate encoder spikes with the pixel's probability", rate_encoder});
}

}  // namespace onespike::test
