// Networks whose weights follow from genes, with the weights and the gradients of genes as double-precision loops over
// every gene give them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test/support/cases.h"

namespace onespike::test {

using Genome = std::map<std::string, oracle::Values>;  // by tensor name

struct GeneCase {
  Case c;
  Genome genes;
};

// Kernels of several sizes, strides, pools between and before the neurons, channels that fill no vector and several
// tiles; more genes than channels and fewer.
std::vector<CaseSpec> gene_specs();

bool is_gene(const std::string& name);
std::string layer_tensor(size_t layer, const char* what);

// Calls f(layer, the convolution before it, its input channels) for every convolution but the first.
template <class F>
void each_genetic(const NetworkSpec& spec, const F& f) {
  int before = -1;
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    if (spec.layers[l].type != LayerType::kConv) continue;
    if (before >= 0) f(l, size_t(before), spec.layers[size_t(before)].out);
    before = int(l);
  }
}

// The weights of all layers that have genes.
void grow(const NetworkSpec& spec, const Genome& genes, oracle::Parameters& parameters);
// The gradient of the genes from that of the weights; of their scales, which normalisation makes small sums of large
// terms, `magnitude` the sums of absolute values.
Genome push(const NetworkSpec& spec, const Genome& genes, const oracle::Parameters& gradient,
            std::map<std::string, double>* magnitude = nullptr);

// The root of the mean variance that weights with genes begin with.
double mean_deviation(const NetworkSpec& spec);
// A decided case whose weights follow from genes drawn as a network draws them, and a network that holds both.
GeneCase gene_case(const CaseSpec& spec, int images, Mode mode, Random& random, const oracle::Options& options = {});
std::unique_ptr<Network> make_genetic(const GeneCase& g);

int tensor_of(const Network& network, const std::string& name);
bool is_derived(const Network& network,
                const std::string& name);  // whether a tensor is of weights that follow from genes
oracle::Values read(const Network& network, TensorKind kind, const std::string& name);
// Fails unless the distance of two tensors is at most `tolerance`.
void expect_close(const oracle::Values& value, const oracle::Values& reference, double tolerance,
                  const std::string& what);

}  // namespace onespike::test
