#include "test/genes/gene_cases.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "test/ann/norm_cases.h"
#include "test/support/runner.h"

namespace onespike::test {

using oracle::Values;

namespace {

std::string interaction(const NetworkSpec& spec, size_t layer) {
  const std::string side = std::to_string(spec.layers[layer].kernel);
  return "genes." + side + "x" + side;
}

// Calls f(index of the weight, of the output's gene, of the interaction, of the input's gene) for every product that a
// layer's weights are sums of.
template <class F>
void each_product(const NetworkSpec& spec, size_t layer, int inputs, const F& f) {
  const int G = spec.genes, taps = spec.layers[layer].kernel * spec.layers[layer].kernel;
  for (int o = 0; o < spec.layers[layer].out; ++o)
    for (int c = 0; c < inputs; ++c)
      for (int u = 0; u < taps; ++u)
        for (int g = 0; g < G; ++g)
          for (int h = 0; h < G; ++h)
            f(size_t((o * inputs + c) * taps + u), size_t(o * G + g), size_t((u * G + g) * G + h), size_t(c * G + h));
}

// Genes as a network draws them, of numbers that floats hold exactly, with scales that differ.
Genome draw(const NetworkSpec& spec, Random& random) {
  Genome genes;
  const auto fill = [&](const std::string& name, int64_t count, double deviation) {
    Values& values = genes[name];
    if (!values.empty()) return;
    for (int64_t i = 0; i < count; ++i) values.push_back(float(random.normal() * deviation));
  };
  const int G = spec.genes;
  each_genetic(spec, [&](size_t l, size_t before, int inputs) {
    const LayerSpec& layer = spec.layers[l];
    const int taps = layer.kernel * layer.kernel;
    fill(layer_tensor(before, "genes"), int64_t(inputs) * G, std::sqrt(1.0 / G));
    fill(layer_tensor(l, "genes"), int64_t(layer.out) * G, std::sqrt(1.0 / G));
    fill(interaction(spec, l), int64_t(taps) * G * G, 1);
    genes[layer_tensor(l, "gene_scale")] = {float(random.uniform(0.7, 1.4) * std::sqrt(2.0 / (inputs * taps)))};
  });
  return genes;
}

}  // namespace

std::vector<CaseSpec> gene_specs() {
  std::vector<CaseSpec> specs = {
      network_spec(3, 7, 6, 3, {conv(12), pool(2), conv(20, 3, 1, 1, true), conv(7, 1, 1, 0), linear(9), output(4)}),
      network_spec(2, 8, 7, 4, {conv(5, 5, 1, 2), conv(85, 3, 2), conv(6), output(3, true)}),
      network_spec(1, 6, 6, 2, {normalised(conv(6)), normalised(conv(18)), pool(2), normalised(conv(10)), output(3)}),
  };
  specs.push_back(network_spec(
      2, 9, 8, 3,
      {current_pool(conv(6), 2), current_pool(normalised(conv(18)), 2), conv(5, 3, 1, 1, true), output(3)}));
  specs[0].genes = 5, specs[1].genes = 3, specs[2].genes = 21, specs[3].genes = 4;
  specs[2].norm_group = 3;
  return specs;
}

bool is_gene(const std::string& name) { return name.find("gene") != std::string::npos; }

std::string layer_tensor(size_t layer, const char* what) { return "layers." + std::to_string(layer) + "." + what; }

void grow(const NetworkSpec& spec, const Genome& genes, oracle::Parameters& parameters) {
  each_genetic(spec, [&](size_t l, size_t before, int inputs) {
    const Values &out = genes.at(layer_tensor(l, "genes")), &in = genes.at(layer_tensor(before, "genes")),
                 &between = genes.at(interaction(spec, l));
    const double scale = genes.at(layer_tensor(l, "gene_scale"))[0];
    Values& weight = parameters[l].weight;
    std::fill(weight.begin(), weight.end(), 0.0);
    each_product(spec, l, inputs,
                 [&](size_t w, size_t o, size_t u, size_t c) { weight[w] += scale * out[o] * between[u] * in[c]; });
  });
}

double mean_deviation(const NetworkSpec& spec) {
  double sum = 0;
  int count = 0;
  each_genetic(spec, [&](size_t l, size_t, int inputs) {
    sum += 2.0 / (inputs * spec.layers[l].kernel * spec.layers[l].kernel), ++count;
  });
  return std::sqrt(sum / count);
}

Genome push(const NetworkSpec& spec, const Genome& genes, const oracle::Parameters& gradient,
            std::map<std::string, double>* magnitude) {
  Genome pushed;
  for (const auto& [name, values] : genes) pushed[name].resize(values.size());
  each_genetic(spec, [&](size_t l, size_t before, int inputs) {
    const std::string out = layer_tensor(l, "genes"), in = layer_tensor(before, "genes"), u_name = interaction(spec, l),
                      scale_name = layer_tensor(l, "gene_scale");
    const double s = genes.at(scale_name)[0];
    const Values &x = genes.at(out), &y = genes.at(in), &between = genes.at(u_name), &d = gradient[l].weight;
    Values &dx = pushed[out], &dy = pushed[in], &db = pushed[u_name], &ds = pushed[scale_name];
    each_product(spec, l, inputs, [&](size_t w, size_t o, size_t u, size_t c) {
      dx[o] += s * d[w] * between[u] * y[c];
      dy[c] += s * d[w] * between[u] * x[o];
      db[u] += s * d[w] * x[o] * y[c];
      ds[0] += d[w] * x[o] * between[u] * y[c];
    });
    if (!magnitude) return;
    Values grown(d.size());
    each_product(spec, l, inputs,
                 [&](size_t w, size_t o, size_t u, size_t c) { grown[w] += x[o] * between[u] * y[c]; });
    for (size_t w = 0; w < d.size(); ++w) (*magnitude)[scale_name] += std::fabs(d[w] * grown[w]);
  });
  return pushed;
}

GeneCase gene_case(const CaseSpec& spec, int images, Mode mode, Random& random, const oracle::Options& options) {
  Genome genes;
  Case c = decided_case(spec, images, mode, random, 2e-5, options, [&](Case& drawn) {
    genes = draw(spec, random);
    grow(spec, genes, drawn.parameters);
  });
  return {std::move(c), std::move(genes)};
}

int tensor_of(const Network& network, const std::string& name) {
  for (size_t i = 0; i < network.tensors().size(); ++i)
    if (network.tensors()[i].name == name) return int(i);
  throw std::runtime_error("no tensor " + name);
}

bool is_derived(const Network& network, const std::string& name) {
  if (!name.ends_with(".weight")) return false;
  const std::string scale = name.substr(0, name.size() - std::string("weight").size()) + "gene_scale";
  return std::any_of(network.tensors().begin(), network.tensors().end(),
                     [&](const TensorInfo& info) { return info.name == scale; });
}

Values read(const Network& network, TensorKind kind, const std::string& name) {
  const int tensor = tensor_of(network, name);
  std::vector<float> values(size_t(network.tensors()[size_t(tensor)].size));
  expect_ok(network.read(kind, tensor, values.data()), "read " + name);
  return Values(values.begin(), values.end());
}

std::unique_ptr<Network> make_genetic(const GeneCase& g) {
  std::unique_ptr<Network> network;
  expect_ok(create_network(g.c.spec, &network), "create " + g.c.text());
  oracle::Parameters parameters = g.c.parameters;
  for (size_t i = 0; i < network->tensors().size(); ++i) {
    const std::string& name = network->tensors()[i].name;
    const Values* genes = is_gene(name) ? &g.genes.at(name) : nullptr;
    const oracle::Slice from = genes ? oracle::Slice{const_cast<double*>(genes->data()), int64_t(genes->size())}
                                     : oracle::find(parameters, name);
    expect(from.size == network->tensors()[i].size, name + " has " + std::to_string(from.size) + " numbers");
    const std::vector<float> values(from.data, from.data + from.size);
    expect_ok(network->write(TensorKind::kParameter, int(i), values.data()), "write " + name);
  }
  return network;
}

void expect_close(const Values& value, const Values& reference, double tolerance, const std::string& what) {
  expect(value.size() == reference.size(), what + ": sizes");
  const double off = distance(value.data(), reference.data(), int64_t(value.size()), 1e-12);
  expect(off <= tolerance, what + ": off by " + std::to_string(off));
}

}  // namespace onespike::test
