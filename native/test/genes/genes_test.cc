// Genetic encoding: weights and gradients against double-precision loops over every gene, those against finite
// differences, and everything that training does with genes.
#include <algorithm>
#include <cmath>

#include "core/state/parameters.h"
#include "test/ann/norm_cases.h"
#include "test/allocation/failing_memory.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/genes/gene_cases.h"

namespace onespike::test {
namespace {

using oracle::Values;

// Every weight follows from the genes that the network has.
void expect_grown(const Network& network, TensorKind kind, const std::string& what) {
  const NetworkSpec& spec = network.spec();
  Genome genes;
  oracle::Parameters grown(spec.layers.size());
  for (const TensorInfo& info : network.tensors())
    if (is_gene(info.name)) genes[info.name] = read(network, kind, info.name);
  each_genetic(spec, [&](size_t l, size_t, int) {
    grown[l].weight.resize(read(network, kind, layer_tensor(l, "weight")).size());
  });
  grow(spec, genes, grown);
  each_genetic(spec, [&](size_t l, size_t, int) {
    expect_close(read(network, kind, layer_tensor(l, "weight")), grown[l].weight, 2e-6,
                 what + ": " + layer_tensor(l, "weight"));
  });
}

void equals_oracle(Mode mode) {
  Random random(700 + uint64_t(mode));
  for (const CaseSpec& spec : gene_specs()) {
    const oracle::Options options = mode == Mode::kAnn || mode == Mode::kBinary ? by_groups() : oracle::Options();
    const GeneCase g = gene_case(spec, 4, mode, random, options);
    const auto network = make_genetic(g);
    expect_grown(*network, TensorKind::kParameter, g.c.text());
    const oracle::Forward trace = oracle::forward(spec, g.c.parameters, mode, g.c.batch(), options);
    oracle::Parameters gradient = oracle::backward(spec, g.c.parameters, mode, g.c.batch(), trace, options);
    StepStats stats;
    expect_ok(network->gradients(g.c.batch(), mode, no_stop(), &stats), "gradients " + g.c.text());
    expect_near(stats.loss, trace.loss, 1e-5, 1e-6, "loss " + g.c.text());
    std::map<std::string, double> magnitude;
    const Genome pushed = push(spec, g.genes, gradient, &magnitude);
    double norm = 0;
    for (const TensorInfo& info : network->tensors()) {
      const Values value = read(*network, TensorKind::kGradient, info.name);
      const std::string what = info.name + " of " + g.c.text();
      const bool derived = is_derived(*network, info.name);
      for (const double x : value) norm += derived ? 0 : x * x;
      if (info.name.ends_with("gene_scale"))
        expect_near(value[0], pushed.at(info.name)[0], 2e-4, 1e-5 * magnitude.at(info.name), what);
      else if (is_gene(info.name)) expect_close(value, pushed.at(info.name), 1e-4, what);
      else if (const Values* weights = oracle::values_of(gradient, info.name))
        expect_close(value, *weights, 1e-4, what);
    }
    expect_near(stats.gradient_norm, std::sqrt(norm), 1e-5, 1e-9, "the norm of what is updated, " + g.c.text());
  }
}

// The loops above: every gene moved, and the loss of the oracle differenced over four points.
void is_the_derivative(Mode mode) {
  Random random(720);
  CaseSpec spec = network_spec(1, 5, 5, 2, {conv(3), conv(4, 3, 2), conv(3, 1, 1, 0), output(3)});
  spec.genes = 2, spec.surrogate = Surrogate::kArctan;
  oracle::Options options;
  if (mode == Mode::kSnn) options.spike = oracle::SpikeFunction::kPrimitive;
  GeneCase g = gene_case(spec, 2, mode, random, options);
  const oracle::Forward base = oracle::forward(spec, g.c.parameters, mode, g.c.batch(), options);
  const Genome pushed = push(spec, g.genes, oracle::backward(spec, g.c.parameters, mode, g.c.batch(), base, options));
  if (mode == Mode::kSnn) options.gates = &base;
  for (auto& [name, values] : g.genes)
    for (size_t i = 0; i < values.size(); ++i) {
      const double h = 1e-5, at = values[i];
      const auto loss_at = [&](double value) {
        values[i] = value;
        grow(spec, g.genes, g.c.parameters);
        return oracle::forward(spec, g.c.parameters, mode, g.c.batch(), options).loss;
      };
      const double slope =
          (loss_at(at - 2 * h) - 8 * loss_at(at - h) + 8 * loss_at(at + h) - loss_at(at + 2 * h)) / (12 * h);
      values[i] = at;
      expect_near(pushed.at(name)[i], slope, 1e-5, 1e-7, name + "[" + std::to_string(i) + "]");
    }
}

OptimizerOptions options_of(OptimizerKind kind, bool amsgrad = false) {
  OptimizerOptions o;
  o.kind = kind, o.amsgrad = amsgrad;
  o.learning_rate = o.neuron_learning_rate = 0.02f, o.weight_decay = 0.1f, o.clip_norm = 0.5f, o.average = 0.4f;
  return o;
}

// Genes are updated as weights are, interactions times the deviation of these, scales in their logarithm and undecayed.
void updates(OptimizerKind kind, bool amsgrad) {
  Random random(730);
  const GeneCase g = gene_case(gene_specs()[0], 4, Mode::kSnn, random);
  const auto network = make_genetic(g);
  oracle::OptimizerState state;
  StepStats stats;
  // A layer for every tensor: the oracle decays weights, and moves the logarithm of schedules.
  const auto of_kind = [&](TensorKind wanted) {
    oracle::Parameters all;
    for (const TensorInfo& info : network->tensors()) {
      if (!is_gene(info.name)) continue;
      oracle::LayerParameters& p = all.emplace_back();
      // One without weights is a pool to the oracle.
      p.weight = {0.0};
      (info.shape.empty() ? p.kappa : p.weight) = read(*network, wanted, info.name);
      if (info.name.starts_with("genes."))
        for (double& x : p.weight) x *= std::pow(mean_deviation(g.c.spec), wanted == TensorKind::kGradient ? -1 : 1);
      if (wanted == TensorKind::kGradient) p.threshold = p.leak = 0;
    }
    return all;
  };
  for (int step = 0; step < 4; ++step) {
    oracle::Parameters reference = of_kind(TensorKind::kParameter);
    expect_ok(network->gradients(g.c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
    oracle::Parameters gradient = of_kind(TensorKind::kGradient);
    OptimizerOptions o = options_of(kind, amsgrad);
    const double factor = std::min(1.0, double(o.clip_norm) / (stats.gradient_norm + 1e-6));
    for (oracle::LayerParameters& p : gradient)
      for (Values* values : {&p.weight, &p.kappa})
        for (double& x : *values) x *= factor;
    OptimizerOptions unclipped = o;
    unclipped.clip_norm = 0;
    oracle::optimizer_step(unclipped, reference, gradient, state);
    expect_ok(network->train(g.c.batch(), Mode::kSnn, o, no_stop(), &stats), "train");
    const oracle::Parameters value = of_kind(TensorKind::kParameter);
    for (size_t i = 0; i < value.size(); ++i) {
      const std::string what = "step " + std::to_string(step) + " tensor " + std::to_string(i);
      if (value[i].kappa.empty()) expect_close(value[i].weight, reference[i].weight, 3e-6, what);
      else expect_close(value[i].kappa, reference[i].kappa, 3e-6, what);
    }
    expect_grown(*network, TensorKind::kParameter, "parameters after a step");
    expect_grown(*network, TensorKind::kAverage, "average after a step");
  }
}

void train(Network& network, const GeneCase& g, Mode mode, int steps) {
  StepStats stats;
  for (int i = 0; i < steps; ++i)
    expect_ok(network.train(g.c.batch(), mode, options_of(OptimizerKind::kAdam), no_stop(), &stats), "train");
}

std::vector<float> logits(Network& network, const GeneCase& g, Mode mode, bool averaged) {
  std::vector<float> values(g.c.labels.size() * size_t(g.c.spec.layers.back().out));
  ForwardOutputs out;
  out.logits = values.data(), out.averaged = averaged;
  StepStats stats;
  expect_ok(network.forward(g.c.batch(), mode, out, no_stop(), &stats), "forward");
  return values;
}

// A network that takes over parameters, slots, average and counters continues as the one that it took them from.
void resumes(Mode mode) {
  Random random(740);
  GeneCase g = gene_case(gene_specs()[2], 5, Mode::kAnn, random, by_groups());
  g.c.spec.layers[1].dropout = 0.2f;
  const auto whole = make_genetic(g), stopped = make_genetic(g), continued = make_genetic(g);
  train(*whole, g, mode, 5), train(*stopped, g, mode, 2);
  using enum TensorKind;
  for (TensorKind kind : {kAverage, kSlot1, kSlot0, kParameter})
    for (size_t i = 0; i < stopped->tensors().size(); ++i) {
      const std::string& name = stopped->tensors()[i].name;
      const bool slot = kind == kSlot0 || kind == kSlot1;
      if (slot && (is_derived(*stopped, name) || name.find(".running_") != std::string::npos)) continue;
      std::vector<float> values(size_t(stopped->tensors()[i].size));
      expect_ok(stopped->read(kind, int(i), values.data()), "read " + name);
      expect_ok(continued->write(kind, int(i), values.data()), "write " + name);
    }
  continued->set_optimizer_steps(stopped->optimizer_steps());
  continued->set_random_step(stopped->random_step());
  expect(logits(*stopped, g, mode, true) == logits(*continued, g, mode, true), "the average, before more steps");
  expect(logits(*stopped, g, mode, false) == logits(*continued, g, mode, false), "the parameters");
  train(*continued, g, mode, 3);
  for (TensorKind kind : {kParameter, kSlot0, kSlot1, kAverage})
    expect(read_bits(*whole, kind) == read_bits(*continued, kind), "bit-identical: kind " + std::to_string(int(kind)));
}

void any_number_of_threads() {
  std::vector<float> first;
  for (int threads : {1, 3}) {
    Random random(750);
    CaseSpec spec = gene_specs()[1];
    spec.on.threads = threads;
    const GeneCase g = gene_case(spec, 4, Mode::kSnn, random);
    const auto network = make_genetic(g);
    train(*network, g, Mode::kSnn, 3);
    const std::vector<float> bits = read_bits(*network, TensorKind::kParameter);
    if (first.empty()) first = bits;
    expect(bits == first, std::to_string(threads) + " threads");
  }
}

// What computes with the average computes with weights that follow from the average of the genes.
void averaged() {
  Random random(760);
  const GeneCase g = gene_case(gene_specs()[0], 4, Mode::kSnn, random);
  const auto network = make_genetic(g), other = make_genetic(g);
  for (int round = 0; round < 3; ++round) {
    train(*network, g, Mode::kSnn, 1);
    const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
    for (size_t i = 0; i < network->tensors().size(); ++i) {
      std::vector<float> values(size_t(network->tensors()[i].size));
      expect_ok(network->read(TensorKind::kAverage, int(i), values.data()), "read");
      expect_ok(other->write(TensorKind::kParameter, int(i), values.data()), "write");
    }
    const std::vector<float> with = logits(*network, g, Mode::kSnn, true);
    expect(with == logits(*other, g, Mode::kSnn, false), "the logits of the average");
    expect(round == 0 || with != logits(*network, g, Mode::kSnn, false), "are not those of the parameters");
    expect(read_bits(*network, TensorKind::kParameter) == before, "which stay");
  }
}

// Genes drawn by a network give weights of the variance that dense layers begin with.
void drawn() {
  CaseSpec spec = network_spec(3, 8, 8, 2, {conv(64), conv(96), conv(64, 1, 1, 0), output(4)});
  spec.genes = 48, spec.seed = 3;
  std::unique_ptr<Network> network;
  expect_ok(create_network(spec, &network), "create");
  expect_grown(*network, TensorKind::kParameter, "drawn genes");
  each_genetic(spec, [&](size_t l, size_t, int inputs) {
    const int fan_in = inputs * spec.layers[l].kernel * spec.layers[l].kernel;
    double squares = 0;
    const Values weight = read(*network, TensorKind::kParameter, layer_tensor(l, "weight"));
    for (const double w : weight) squares += w * w;
    expect_near(squares / double(weight.size()) * fan_in, 2, 0.2, 0, "variance times fan-in of " + std::to_string(l));
  });
  const Values between = read(*network, TensorKind::kParameter, "genes.3x3");
  double squares = 0;
  for (const double x : between) squares += x * x;
  expect_near(squares / double(between.size()), 1, 0.05, 0, "variance of interactions");
}

void refused() {
  Random random(770);
  const GeneCase g = gene_case(gene_specs()[0], 2, Mode::kSnn, random);
  const auto network = make_genetic(g);
  expect(read(*network, TensorKind::kSlot0, "layers.2.gene_scale")[0] == 0, "read before the weights have followed");
  expect_grown(*network, TensorKind::kParameter, "written genes");
  const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
  const int weight = tensor_of(*network, "layers.2.weight"), scale = tensor_of(*network, "layers.2.gene_scale");
  const std::vector<float> sevens(size_t(network->tensors()[size_t(weight)].size), 7.0f);
  expect_ok(network->write(TensorKind::kParameter, weight, sevens.data()), "weights that follow from genes");
  expect(network->write(TensorKind::kSlot0, weight, sevens.data()).code == Code::kArg, "no slot of such weights");
  for (const float wrong : {0.0f, -1.0f, NAN, HUGE_VALF})
    expect(network->write(TensorKind::kParameter, scale, &wrong).code == Code::kArg, "a scale");
  expect(read_bits(*network, TensorKind::kParameter) == before, "nothing has changed");
  std::unique_ptr<Network> none;
  for (const int genes : {-1, 4097}) {
    CaseSpec spec = gene_specs()[0];
    spec.genes = genes;
    expect(create_network(spec, &none).code == Code::kArg, std::to_string(genes) + " genes");
  }
  CaseSpec single = network_spec(1, 6, 6, 2, {conv(3), linear(4), output(2)});
  single.genes = 4;
  expect(create_network(single, &none).code == Code::kArg, "the first convolution has weights of its own");
}

// Slots are those of genes, not of the weights that follow from them, and all memory is counted.
void memory() {
  Random random(780);
  CaseSpec spec = network_spec(1, 6, 6, 2, {conv(64), conv(64), conv(64), pool(3), output(2)});
  spec.genes = 4;
  const GeneCase g = gene_case(spec, 2, Mode::kSnn, random);
  const int64_t before = backend_bytes();
  const auto network = make_genetic(g);
  StepStats stats;
  const auto counted = [&](const char* what) {
    expect(network->memory_bytes() == backend_bytes() - before, what);
    return network->memory_bytes();
  };
  counted("created");
  expect_ok(network->gradients(g.c.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
  const int64_t without = counted("gradients");
  OptimizerOptions adam;
  adam.kind = OptimizerKind::kAdam;
  expect_ok(network->train(g.c.batch(), Mode::kSnn, adam, no_stop(), &stats), "train");
  const int64_t weights = 64 * 64 * 9 * int64_t(sizeof(float));
  expect(counted("trained") - without < weights, "two moments take less than one copy of one layer's weights");
}

}  // namespace

void add_gene_cases(Tests& tests) {
  for (const auto& [name, mode] :
       {std::pair{"ANN", Mode::kAnn}, std::pair{"binary", Mode::kBinary}, std::pair{"SNN", Mode::kSnn}})
    tests.push_back({std::string("genes: weights and gradients equal the oracle: ") + name,
                     [mode = mode] { equals_oracle(mode); }});
  using enum OptimizerKind;
  tests.push_back({"genes: updated by sgd", [] { updates(kSgd, false); }});
  tests.push_back({"genes: updated by adam", [] { updates(kAdam, false); }});
  tests.push_back({"genes: updated by adamw with amsgrad", [] { updates(kAdamW, true); }});
  tests.push_back({"genes: bit-identical after a resume: ANN", [] { resumes(Mode::kAnn); }});
  tests.push_back({"genes: bit-identical after a resume: SNN", [] { resumes(Mode::kSnn); }});
  tests.push_back({"genes: averaged", averaged});
}

void add_gene_tests(Tests& tests) {
  add_gene_cases(tests);
  tests.push_back({"genes: as they are drawn", drawn});
  tests.push_back({"genes: bit-identical with any number of threads", any_number_of_threads});
  tests.push_back({"genes: gradients are derivatives: ANN", [] { is_the_derivative(Mode::kAnn); }});
  tests.push_back({"genes: gradients are derivatives: SNN", [] { is_the_derivative(Mode::kSnn); }});
  tests.push_back({"genes: tensors and descriptions that are refused", refused});
  tests.push_back({"genes: memory", memory});
}

}  // namespace onespike::test
