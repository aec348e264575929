// The activity target: gradients against the oracle, the running mean, and its place in the state of training.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

// Additions that one spike in every neuron before entry `layer` makes there, product by product.
double additions(const LayerSpec& layer, const oracle::Shape& in, const oracle::Shape& out) {
  if (layer.type == LayerType::kLinear) return double(in.size()) * double(out.size());
  double count = 0;
  for (int y = 0; y < out.height; ++y)
    for (int x = 0; x < out.width; ++x)
      for (int i = 0; i < layer.kernel; ++i)
        for (int j = 0; j < layer.kernel; ++j) {
          const int iy = y * layer.stride + i - layer.padding, ix = x * layer.stride + j - layer.padding;
          count += iy >= 0 && iy < in.height && ix >= 0 && ix < in.width;
        }
  return count * in.channels * out.channels;
}

// The weight of a spike of every entry in the activity: the additions that it makes on average, over those that all
// neurons together can make. 0 for pools and the output layer.
std::vector<double> spike_weights(const NetworkSpec& spec) {
  const std::vector<oracle::Shape> shapes = oracle::layer_shapes(spec);
  std::vector<double> weights(spec.layers.size());
  double all = 0, pooled = 1;
  int from = -1;
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerSpec& layer = spec.layers[l];
    if (layer.type == LayerType::kAvgPool) {
      pooled *= layer.kernel * layer.kernel;
      continue;
    }
    if (from >= 0) {
      const double sum = pooled * additions(layer, shapes[l], shapes[l + 1]);
      weights[size_t(from)] = sum / double(shapes[size_t(from) + 1].size());
      all += sum;
    }
    from = int(l), pooled = 1;
  }
  for (double& w : weights) w /= all;
  return weights;
}

Case random_case(Random& random) {
  CaseSpec spec = random_spec(random);
  spec.schedules = random.chance(0.3);
  return decided_case(spec, random.between(1, 5), Mode::kSnn, random);
}

// A random network would have weighted inputs of 0, which are a tie to binary activations.
Case binary_case(Random& random) {
  const CaseSpec spec = random.pick(
      {network_spec(2, 9, 8, 1, {conv(5, 3, 2, 0, true), conv(67, 3, 1, 1, true), pool(2), linear(9), output(3)}),
       network_spec(3, 7, 6, 3, {conv(12, 3, 1, 1, true), pool(2), pool(2), linear(30, true), output(6)}),
       network_spec(1, 5, 5, 2, {linear(17, true), linear(33), output(4)})});
  return decided_case(spec, random.between(1, 5), Mode::kBinary, random, 1e-5, {}, [&](Case& c) {
    for (oracle::LayerParameters& p : c.parameters) p.threshold = float(random.uniform(0.3, 0.9));
  });
}

void equals_oracle(Mode mode) {
  Random random(101);
  for (int round = 0; round < cases(30); ++round) {
    const Case c = mode == Mode::kSnn ? random_case(random) : binary_case(random);
    LossOptions loss;
    loss.activity = {0.125f, random.pick({0.5f, 20.0f})};
    oracle::Options options;
    for (const double weight : spike_weights(c.spec))
      options.spike_costs.push_back(double(loss.activity.strength) * (0.625 - 0.125) * weight /
                                    double(c.labels.size()));
    const oracle::Forward trace = oracle::forward(c.spec, c.parameters, mode, c.batch(), options);
    const auto network = make_network(c);
    network->set_activity(0.625);
    StepStats stats;
    expect_ok(network->gradients(c.batch(), mode, no_stop(), &stats, loss), "gradients " + c.text());
    expect_near(stats.loss, oracle::forward(c.spec, c.parameters, mode, c.batch()).loss, 1e-4, 1e-4,
                "the loss is that of the logits");
    expect_gradient(*network, c, mode, trace, options);
    expect(network->activity() == 0.625, "no step was made");
  }
}

// Spikes of the binary mode are those of its activations, in training and in evaluations.
void binary_spikes() {
  Random random(106);
  for (int round = 0; round < cases(10); ++round) {
    const Case c = binary_case(random);
    const oracle::Forward trace = oracle::forward(c.spec, c.parameters, Mode::kBinary, c.batch());
    const auto network = make_network(c);
    StepStats trained, evaluated;
    expect_ok(network->gradients(c.batch(), Mode::kBinary, no_stop(), &trained), "gradients " + c.text());
    expect_ok(network->forward(c.batch(), Mode::kBinary, ForwardOutputs(), no_stop(), &evaluated),
              "forward " + c.text());
    for (size_t i = 0; i < trained.spikes.size(); ++i) {
      const auto layer = size_t(network->layer_index(int(i)));
      const double threshold = c.parameters[layer].threshold;
      const oracle::Values& x = trace.layers[layer].potential;
      const auto fired = std::count_if(x.begin(), x.end(), [&](double v) { return v > threshold; });
      expect(trained.spikes[i] == fired && evaluated.spikes[i] == fired,
             std::to_string(trained.spikes[i]) + " and " + std::to_string(evaluated.spikes[i]) + " spikes for " +
                 std::to_string(fired) + " " + c.text());
    }
  }
}

CaseSpec noisy_spec() {
  CaseSpec spec = network_spec(2, 7, 6, 3, {conv(9), pool(2), conv(17), linear(11), output(4)});
  spec.layers[0].dropout = 0.3f;
  spec.seed = 5;
  return spec;
}

LossOptions strong() {
  LossOptions loss;
  loss.activity = {0.05f, 30.0f};
  return loss;
}

// A group of steps, the mean over their spikes, and the same steps in two parts with the state carried over.
void running_mean(Mode mode) {
  Random random(102);
  const Case c = decided_case(noisy_spec(), 5, mode, random);
  const std::vector<double> weights = spike_weights(c.spec);
  const auto whole = make_network(c), first = make_network(c), second = make_network(c);
  double mean = 0;
  int step = 0;
  for (const StepStats& stats : train_group(*whole, c, 6, strong(), mode)) {
    double activity = 0;
    for (size_t i = 0; i < stats.spikes.size(); ++i)
      activity += stats.spikes[i] * weights[size_t(whole->layer_index(int(i)))] / 5;
    const double decay = std::min(0.9, step / (step + 10.0));
    mean = decay * mean + (1 - decay) * activity;
    ++step;
  }
  expect_near(whole->activity(), mean, 1e-6, 0, "the running mean");
  expect(mean > 0.05, "spikes cost something");

  train_group(*first, c, 3, strong(), mode);
  take_over(*second, *first, {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1});
  second->set_activity(first->activity());
  train_group(*second, c, 3, strong(), mode);
  expect(read_bits(*second, TensorKind::kParameter) == read_bits(*whole, TensorKind::kParameter), "bit-identical");
  expect(second->activity() == whole->activity(), "the same mean");
  second->reset_optimizer();
  expect(second->activity() == 0, "it is part of the state of the optimiser");
}

// Below the target nothing changes but the mean that is kept; without a strength there is none.
void below_the_target() {
  Random random(103);
  const Case c = decided_case(noisy_spec(), 5, Mode::kSnn, random);
  const auto plain = make_network(c), aimed = make_network(c);
  LossOptions loss;
  loss.activity = {1.0f, 30.0f};
  train_group(*plain, c, 4, {});
  train_group(*aimed, c, 4, loss);
  expect(read_bits(*plain, TensorKind::kParameter) == read_bits(*aimed, TensorKind::kParameter), "bit-identical");
  expect(plain->activity() == 0 && aimed->activity() > 0, "the mean is kept where it was asked for");
}

// Many steps bring it down.
void reaches_the_target(Mode mode) {
  Random random(104);
  const Case c = decided_case(noisy_spec(), 5, mode, random);
  const auto plain = make_network(c), aimed = make_network(c);
  LossOptions loss, watched;
  watched.activity = {1.0f, 1.0f};
  train_group(*plain, c, 100, watched, mode);
  loss.activity = {float(plain->activity() / 2), 1000.0f};
  train_group(*aimed, c, 100, loss, mode);
  expect(aimed->activity() < 0.75 * plain->activity(),
         "fewer spikes: " + std::to_string(aimed->activity()) + " for " + std::to_string(plain->activity()));
}

void steps_that_fail() {
  Random random(105);
  const Case c = decided_case(noisy_spec(), 5, Mode::kSnn, random);
  const auto network = make_network(c);
  train_group(*network, c, 2, strong());
  const double before = network->activity();
  std::vector<float> weight(static_cast<size_t>(network->tensors()[0].size));
  weight[0] = std::numeric_limits<float>::quiet_NaN();
  expect_ok(network->write(TensorKind::kParameter, 0, weight.data()), "write");
  StepStats stats;
  expect_ok(network->train(c.batch(), Mode::kSnn, adam(3e-3f), no_stop(), &stats, strong()),
            "a step that is not finite");
  expect(stats.bad_layer == 0 && network->activity() == before, "it leaves the mean as it was");
  expect(network->gradients(c.batch(), Mode::kAnn, no_stop(), &stats, strong()).code == Code::kArg,
         "an ANN sends no spikes");
  for (const ActivityOptions& wrong :
       {ActivityOptions{-0.1f, 1}, ActivityOptions{1.5f, 1}, ActivityOptions{0.1f, -1}, ActivityOptions{NAN, 1}}) {
    LossOptions loss;
    loss.activity = wrong;
    expect(network->gradients(c.batch(), Mode::kSnn, no_stop(), &stats, loss).code == Code::kArg, "out of range");
  }
}

}  // namespace

void add_activity_tests(Tests& tests) {
  for (const auto& [mode, name] : {std::pair{Mode::kSnn, ""}, std::pair{Mode::kBinary, " in binary mode"}}) {
    tests.push_back({std::string("activity target equals oracle") + name, [mode] { equals_oracle(mode); }});
    tests.push_back({std::string("activity target keeps a running mean") + name, [mode] { running_mean(mode); }});
    tests.push_back({std::string("activity comes down to its target") + name, [mode] { reaches_the_target(mode); }});
  }
  tests.push_back({"spikes of the binary mode", binary_spikes});
  tests.push_back({"activity below the target", below_the_target});
  tests.push_back({"activity of steps that fail", steps_that_fail});
}

}  // namespace onespike::test
