#include "test/ann/norm_cases.h"

#include <stdexcept>

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

void size_tensor(oracle::LayerParameters& p, const TensorInfo& info) {
  const std::string kind = info.name.substr(info.name.rfind('.'));
  const bool norm = info.name.find(".norm.") != std::string::npos;
  if (!norm && kind == ".weight") p.weight.resize(size_t(info.size));
  if (!norm && kind == ".bias") p.bias.resize(size_t(info.size));
  if (kind == ".kappa") p.kappa.resize(size_t(info.size));
  if (kind == ".theta") p.theta.resize(size_t(info.size));
  for (oracle::Values* values : {&p.norm_weight, &p.norm_bias, &p.running_mean, &p.running_var})
    if (norm) values->resize(size_t(info.size));
}

Case decided_norm_case(const CaseSpec& spec, int images, Random& random, double margin) {
  oracle::Options options;
  options.groups = true;
  for (int attempt = 0; attempt < 200; ++attempt) {
    Case c = make_case(spec, images, random);
    if (oracle::forward(spec, c.parameters, Mode::kAnn, c.batch(), options).margin >= margin) return c;
  }
  throw std::runtime_error("no case without a tie in 200 attempts " + describe(spec, images));
}

}  // namespace onespike::test
