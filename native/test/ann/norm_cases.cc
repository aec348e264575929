#include "test/ann/norm_cases.h"

namespace onespike::test {

LayerSpec normalised(LayerSpec layer) {
  layer.norm = true;
  return layer;
}

void draw_norm(oracle::LayerParameters& p, int channels, Random& random) {
  for (int c = 0; c < channels; ++c) {
    p.norm_weight.push_back(float(random.uniform(0.5, 1.5)));
    p.norm_bias.push_back(float(random.normal() * 0.3));
    p.running_mean.push_back(float(random.normal() * 0.3));
    p.running_var.push_back(float(random.uniform(0.5, 2.0)));
  }
}

oracle::Options by_groups() {
  oracle::Options options;
  options.groups = true;
  return options;
}

}  // namespace onespike::test
