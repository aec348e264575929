// Layers with batch normalisation in random cases.
#pragma once

#include <string>
#include <vector>

#include "test/support/cases.h"

namespace onespike::test {

LayerSpec normalised(LayerSpec layer);  // the same layer with batch normalisation

// Gamma, beta and running statistics of a layer.
void draw_norm(oracle::LayerParameters& p, int channels, Random& random);
// Gives a tensor of a layer, weights and biases included, the size that it has in a network.
void size_tensor(oracle::LayerParameters& p, const TensorInfo& info);

// As decided_case, for an ANN that is normalised by groups of images.
Case decided_norm_case(const CaseSpec& spec, int images, Random& random, double margin = 1e-5);

}  // namespace onespike::test
