#include "test/simulation/simulated_layers.h"

#include <algorithm>
#include <cmath>

namespace onespike::oracle {

Values weighted_sums(const SimulatedLayer& layer, Values map, bool ones) {
  for (size_t p = 0; p < layer.pools.size(); ++p) {
    const Shape &in = layer.before[p], &to = layer.before[p + 1];
    const int k = layer.pools[p];
    Values pooled(size_t(to.size()), 0.0);
    for (int c = 0; c < to.channels; ++c)
      for (int y = 0; y < to.height * k; ++y)
        for (int x = 0; x < to.width * k; ++x)
          pooled[size_t((c * to.height + y / k) * to.width + x / k)] +=
              map[size_t((c * in.height + y) * in.width + x)] / (ones ? 1 : k * k);
    map = std::move(pooled);
  }
  const Shape& in = layer.before.back();
  const bool linear = layer.spec.type == LayerType::kLinear;
  const int height = linear ? in.height : layer.spec.kernel, width = linear ? in.width : layer.spec.kernel;
  const int stride = linear ? 1 : layer.spec.stride, pad = linear ? 0 : layer.spec.padding;
  Values sums(size_t(layer.out.size()), 0.0);
  for (int o = 0; o < layer.out.channels; ++o)
    for (int oy = 0; oy < layer.out.height; ++oy)
      for (int ox = 0; ox < layer.out.width; ++ox)
        for (int c = 0; c < in.channels; ++c)
          for (int ky = 0; ky < height; ++ky)
            for (int kx = 0; kx < width; ++kx) {
              const int y = oy * stride + ky - pad, x = ox * stride + kx - pad;
              if (y < 0 || y >= in.height || x < 0 || x >= in.width) continue;
              const size_t w = size_t(((o * in.channels + c) * height + ky) * width + kx);
              sums[size_t((o * layer.out.height + oy) * layer.out.width + ox)] +=
                  (ones ? 1 : layer.weight[w]) * map[size_t((c * in.height + y) * in.width + x)];
            }
  return sums;
}

double input_value(const NetworkSpec& spec, int channel, int byte) {
  return (byte / 255.0 - double(spec.mean[size_t(channel)])) / double(spec.std[size_t(channel)]);
}

double largest_input(const NetworkSpec& spec) {
  double largest = 0;
  for (int c = 0; c < spec.channels; ++c)
    for (const int byte : {0, 255}) largest = std::max(largest, std::fabs(input_value(spec, c, byte)));
  return largest;
}

std::vector<SimulatedLayer> simulated_layers(const NetworkSpec& spec, const Parameters& parameters,
                                             const std::vector<double>& activations) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  std::vector<SimulatedLayer> layers;
  SimulatedLayer next;
  double before = largest_input(spec);
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    next.before.push_back(shapes[l]);
    if (spec.layers[l].type == LayerType::kAvgPool) {
      next.pools.push_back(spec.layers[l].kernel);
      continue;
    }
    const LayerParameters& p = parameters[l];
    next.spec = spec.layers[l], next.out = shapes[l + 1];
    next.weight = p.weight, next.bias = p.bias;
    next.bias.resize(size_t(next.out.channels), 0.0);
    const double after = layers.size() < activations.size() ? activations[layers.size()] : 1;
    const size_t row = next.weight.size() / next.bias.size();
    for (size_t o = 0; o < next.bias.size(); ++o) {
      double factor = 1;
      if (!p.norm_weight.empty()) {
        factor = p.norm_weight[o] / std::sqrt(p.running_var[o] + 1e-5);
        next.bias[o] = p.norm_bias[o] + factor * (next.bias[o] - p.running_mean[o]);
      }
      for (size_t i = o * row; i < (o + 1) * row; ++i) next.weight[i] *= factor * before / after;
      next.bias[o] /= after;
    }
    before = after;
    layers.push_back(std::move(next));
    next = {};
  }
  return layers;
}

}  // namespace onespike::oracle
