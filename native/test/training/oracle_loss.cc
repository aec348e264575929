// The oracle: the loss of logits, with its options, and the cost of spikes.
#include <algorithm>
#include <cmath>

#include "test/support/oracle.h"

namespace onespike::oracle {
namespace {

// log softmax(row / temperature), row of K.
Values log_softmax(const double* row, int classes, double temperature) {
  const double top = *std::max_element(row, row + classes);
  double sum = 0.0;
  for (int k = 0; k < classes; ++k) sum += std::exp((row[k] - top) / temperature);
  Values result;
  for (int k = 0; k < classes; ++k) result.push_back((row[k] - top) / temperature - std::log(sum));
  return result;
}

// What the softmax of image n is compared with: y'_k = (1 - eps) y_k + eps / K, y shared by two labels where the image
// is mixed.
double target(const Batch& batch, const Options& options, int64_t n, int k, int classes) {
  const double share = batch.others ? batch.shares[n] : 1.0;
  double label = k == batch.labels[n] ? share : 0.0;
  if (batch.others && k == batch.others[n]) label += 1.0 - share;
  return (1.0 - options.label_smoothing) * label + options.label_smoothing / classes;
}

// The neurons (out) of an entry that a pool behind it does not drop.
std::vector<bool> read_neurons(const NetworkSpec& spec, size_t layer) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  const Shape& out = shapes[layer + 1];
  int pool = 1;
  size_t after = layer + 1;
  for (; after < spec.layers.size() && spec.layers[after].type == LayerType::kAvgPool; ++after)
    pool *= spec.layers[after].kernel;
  std::vector<bool> read;
  for (int64_t i = 0; i < out.size(); ++i)
    read.push_back(int(i / out.width % out.height) < shapes[after].height * pool &&
                   int(i % out.width) < shapes[after].width * pool);
  return read;
}

}  // namespace

double cost_of(const NetworkSpec& spec, const Options& options, size_t layer) {
  return options.spike_costs.empty() || spec.layers[layer].output ? 0.0 : options.spike_costs[layer];
}

double loss_of(const Batch& batch, const Options& options, const Values& step_logits, int classes, Values* d) {
  const int64_t rows = batch.count * classes, steps = int64_t(step_logits.size()) / rows;
  const double taught = options.teacher.empty() ? 0.0 : options.distillation, tau = options.temperature;
  if (d) d->assign(step_logits.size(), 0.0);
  double loss = 0.0;
  for (int64_t step = 0; step < steps; ++step) {
    const double weight =
        (options.time_weights.empty() ? 1.0 : options.time_weights[step]) * (1.0 - taught) / double(batch.count);
    for (int64_t n = 0; n < batch.count; ++n) {
      const int64_t at = step * rows + n * classes;
      const Values own = log_softmax(&step_logits[at], classes, 1.0);
      for (int k = 0; k < classes; ++k) {
        const double y = target(batch, options, n, k, classes);
        loss -= weight * y * own[k];
        if (d) (*d)[at + k] = weight * (std::exp(own[k]) - y);
      }
    }
  }
  for (int64_t n = 0; taught > 0.0 && n < batch.count; ++n) {
    const int64_t at = (steps - 1) * rows + n * classes;
    const Values own = log_softmax(&step_logits[at], classes, tau),
                 other = log_softmax(&options.teacher[n * classes], classes, tau);
    for (int k = 0; k < classes; ++k) {
      loss += taught * tau * tau * std::exp(other[k]) * (other[k] - own[k]) / double(batch.count);
      if (d) (*d)[at + k] += taught * tau * (std::exp(own[k]) - std::exp(other[k])) / double(batch.count);
    }
  }
  return loss;
}

double spike_cost(const NetworkSpec& spec, const Options& options, size_t layer, const Values& spikes) {
  const double cost = cost_of(spec, options, layer);
  if (cost == 0.0) return 0.0;
  const std::vector<bool> read = read_neurons(spec, layer);
  double sum = 0.0;
  for (size_t i = 0; i < spikes.size(); ++i) sum += read[i % read.size()] ? spikes[i] : 0.0;
  return cost * sum;
}

void add_spike_cost(const NetworkSpec& spec, const Options& options, size_t layer, Values& d_spikes) {
  const double cost = cost_of(spec, options, layer);
  if (cost == 0.0) return;
  const std::vector<bool> read = read_neurons(spec, layer);
  for (size_t i = 0; i < d_spikes.size(); ++i)
    if (read[i % read.size()]) d_spikes[i] += cost;
}

}  // namespace onespike::oracle
