// Layers with batch normalisation in random cases.
#pragma once

#include <string>
#include <vector>

#include "test/support/cases.h"

namespace onespike::test {

LayerSpec normalised(LayerSpec layer);  // the same layer with batch normalisation

// Gamma, beta and running statistics of a layer.
void draw_norm(oracle::LayerParameters& p, int channels, Random& random);

// The oracle of an ANN in training: statistics of groups of images.
oracle::Options by_groups();

}  // namespace onespike::test
