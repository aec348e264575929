// Layers with batch normalisation in random cases.
#pragma once

#include <string>
#include <vector>

#include "test/support/cases.h"

namespace onespike::test {

LayerSpec normalised(LayerSpec layer);  // the same layer with batch normalisation

// Gamma, beta and running statistics of a layer, and room for those that a network has.
void draw_norm(oracle::LayerParameters& p, int channels, Random& random);
void size_norm(oracle::LayerParameters& p, const TensorInfo& info);

// As decided_case, for an ANN that is normalised by groups of images.
Case decided_norm_case(const CaseSpec& spec, int images, Random& random, double margin = 1e-5);

}  // namespace onespike::test
