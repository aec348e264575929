// Genes fitted to weights: every step against a double-precision loop of gradients and Adam.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <numbers>

#include "test/ann/norm_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/genes/gene_cases.h"

namespace onespike::test {
namespace {

using oracle::Values;

// Writes the weights that genes are to be fitted to, of the layers which have genes.
void give_weights(Network& network, const oracle::Parameters& weights) {
  each_genetic(network.spec(), [&](size_t l, size_t, int) {
    const Values& weight = weights[l].weight;
    const std::vector<float> values(weight.begin(), weight.end());
    expect_ok(network.write(TensorKind::kGradient, tensor_of(network, layer_tensor(l, "weight")), values.data()),
              "write weights");
  });
}

oracle::Parameters random_weights(const GeneCase& g, Random& random) {
  oracle::Parameters weights = g.c.parameters;
  for (oracle::LayerParameters& p : weights)
    for (double& w : p.weight) w = double(float(random.normal()));
  return weights;
}

double fit(Network& network, int64_t steps, float learning_rate) {
  std::atomic<int64_t> progress{-1};
  double residual = NAN;
  expect_ok(network.fit_genes({steps, learning_rate}, no_stop(), &progress, &residual), "fit");
  expect(progress == steps, "every step is counted");
  return residual;
}

// The share of the squares of the given weights that is left, and as a gradient what the genes' weights have too much.
double distance(const NetworkSpec& spec, const Genome& genes, const oracle::Parameters& weights,
                oracle::Parameters* difference) {
  double left = 0, all = 0;
  *difference = weights;
  grow(spec, genes, *difference);
  each_genetic(spec, [&](size_t l, size_t, int) {
    for (size_t i = 0; i < weights[l].weight.size(); ++i) {
      const double given = weights[l].weight[i], off = (*difference)[l].weight[i] -= given;
      left += off * off, all += given * given;
    }
  });
  return left / all;
}

// Adam without decay on every number of the matrices, and on the logarithms of the scales.
void equals_oracle() {
  Random random(800);
  constexpr float kRate = 0.03f;
  for (const CaseSpec& spec : gene_specs()) {
    const GeneCase g = gene_case(spec, 2, Mode::kAnn, random, by_groups());
    const oracle::Parameters weights = random_weights(g, random);
    constexpr int kSteps = 4;
    const auto network = make_genetic(g);
    give_weights(*network, weights);
    const double residual = fit(*network, kSteps, kRate);
    Genome genes = g.genes, first, second;
    for (auto& [name, values] : genes) {
      if (name.ends_with("gene_scale")) values[0] = std::log(values[0]);
      first[name].resize(values.size()), second[name].resize(values.size());
    }
    const auto plain = [&] {
      Genome of_logarithms = genes;
      for (auto& [name, values] : of_logarithms)
        if (name.ends_with("gene_scale")) values[0] = std::exp(values[0]);
      return of_logarithms;
    };
    oracle::Parameters difference;
    for (int step = 1; step <= kSteps; ++step) {
      const Genome now = plain();
      distance(spec, now, weights, &difference);
      Genome slope = push(spec, now, difference);
      const double rate = kRate * (1 + std::cos(std::numbers::pi * (step - 1) / kSteps)) / 2;
      for (auto& [name, values] : genes)
        for (size_t i = 0; i < values.size(); ++i) {
          const double d = slope.at(name)[i] * (name.ends_with("gene_scale") ? now.at(name)[0] : 1);
          double &m = first.at(name)[i], &v = second.at(name)[i];
          m = 0.9 * m + 0.1 * d, v = 0.999 * v + 0.001 * d * d;
          values[i] -= rate * (m / (1 - std::pow(0.9, step))) / (std::sqrt(v / (1 - std::pow(0.999, step))) + 1e-8);
        }
    }
    const Genome fitted = plain();
    for (const auto& [name, values] : fitted)
      expect_close(read(*network, TensorKind::kParameter, name), values, 1e-4, name + " of " + g.c.text());
    expect_near(residual, distance(spec, fitted, weights, &difference), 1e-4, 0, "residual of " + g.c.text());
    each_genetic(spec, [&](size_t l, size_t, int) {
      oracle::Parameters grown = weights;
      grow(spec, fitted, grown);
      expect_close(read(*network, TensorKind::kParameter, layer_tensor(l, "weight")), grown[l].weight, 1e-4,
                   "weights follow");
    });
  }
}

// Weights of other genes are found again, and nothing else of the network changes but the state of its optimiser.
void finds_genes() {
  Random random(810);
  CaseSpec spec = network_spec(1, 5, 5, 2, {conv(12), conv(10, 3, 1, 1, true), conv(8, 1, 1, 0), output(3)});
  spec.genes = 4;
  const GeneCase g = gene_case(spec, 2, Mode::kAnn, random), other = gene_case(spec, 2, Mode::kAnn, random);
  const auto network = make_genetic(g);
  StepStats stats;
  OptimizerOptions adam;
  adam.kind = OptimizerKind::kAdam, adam.average = 0.5f, adam.learning_rate = 0;
  expect_ok(network->train(g.c.batch(), Mode::kAnn, adam, no_stop(), &stats), "train");
  const Values bias = read(*network, TensorKind::kParameter, "layers.1.bias");
  give_weights(*network, other.c.parameters);
  const double residual = fit(*network, 1500, 0.05f);
  expect(residual < 1e-3, "left " + std::to_string(residual));
  expect(read(*network, TensorKind::kParameter, "layers.1.bias") == bias, "a bias stays");
  expect(network->optimizer_steps() == 0 && !network->averaged(), "the optimiser begins anew");
  for (const TensorInfo& info : network->tensors())
    for (const TensorKind slot : {TensorKind::kSlot0, TensorKind::kSlot1})
      for (const double value : read(*network, slot, info.name)) expect(value == 0, "moments of " + info.name);
}

void threads_and_repetition() {
  std::vector<float> before;
  for (const int threads : {1, 3, 3}) {
    Random random(820);
    CaseSpec spec = gene_specs()[1];
    spec.on.threads = threads;
    const GeneCase g = gene_case(spec, 2, Mode::kAnn, random);
    const auto network = make_genetic(g);
    give_weights(*network, random_weights(g, random));
    fit(*network, 5, 0.02f);
    const std::vector<float> bits = read_bits(*network, TensorKind::kParameter);
    expect(before.empty() || bits == before, std::to_string(threads) + " threads");
    before = bits;
  }
}

void refused() {
  Random random(830);
  const GeneCase g = gene_case(gene_specs()[0], 2, Mode::kAnn, random);
  const auto network = make_genetic(g);
  give_weights(*network, random_weights(g, random));
  std::atomic<int64_t> progress{0};
  double residual = 0;
  const std::atomic<bool> stop{true};
  const std::vector<float> bits = read_bits(*network, TensorKind::kParameter);
  expect(network->fit_genes({10, 0.01f}, stop, &progress, &residual).code == Code::kAborted, "aborted");
  expect(progress == 0 && read_bits(*network, TensorKind::kParameter) == bits, "before its first step");
  give_weights(*network, random_weights(g, random));
  expect(network->fit_genes({3, HUGE_VALF}, no_stop(), &progress, &residual).code == Code::kState,
         "no finite distance");
  expect(read_bits(*network, TensorKind::kParameter) == bits, "a fit that fails leaves the genes as they were");
  oracle::Parameters none = g.c.parameters;
  for (oracle::LayerParameters& p : none) std::fill(p.weight.begin(), p.weight.end(), 0.0);
  give_weights(*network, none);
  expect(network->fit_genes({1, 0.01f}, no_stop(), &progress, &residual).code == Code::kState, "zeros have no share");
  CaseSpec dense = gene_specs()[0];
  dense.genes = 0;
  std::unique_ptr<Network> without;
  expect_ok(create_network(dense, &without), "create");
  expect(without->fit_genes({1, 0.01f}, no_stop(), &progress, &residual).code == Code::kArg, "no genes");
}

}  // namespace

void add_gene_fit_cases(Tests& tests) {
  tests.push_back({"genes fitted to weights: every step equals the oracle", equals_oracle});
  tests.push_back({"genes fitted to weights: bit-identical with any number of threads", threads_and_repetition});
  tests.push_back({"genes fitted to weights: refused and aborted", refused});
}

void add_gene_fit_tests(Tests& tests) {
  add_gene_fit_cases(tests);
  tests.push_back({"genes fitted to weights: those of other genes are found", finds_genes});
}

}  // namespace onespike::test
