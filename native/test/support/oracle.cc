#include "test/support/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace onespike::oracle {
namespace {

// The linear map of one layer entry: y (N, out) = W x (N, in) + b, and its two adjoints. `visit` enumerates every
// product of a convolution or linear layer as (output, input, weight) offsets within one image, so that the map and
// both adjoints are the same loop. Where a convolution has a pool, every output of the window counts `share` of one.
template <class Visit>
void products(const LayerSpec& layer, const Shape& in, const Shape& out, Visit visit) {
  if (layer.type == LayerType::kLinear) {
    for (int64_t o = 0; o < out.size(); ++o)
      for (int64_t i = 0; i < in.size(); ++i) visit(o, i, o * in.size() + i);
    return;
  }
  const int k = layer.kernel, side = layer.pool;
  for (int o = 0; o < out.channels; ++o)
    for (int y = 0; y < side * out.height; ++y)
      for (int x = 0; x < side * out.width; ++x)
        for (int c = 0; c < in.channels; ++c)
          for (int ky = 0; ky < k; ++ky)
            for (int kx = 0; kx < k; ++kx) {
              const int iy = y * layer.stride + ky - layer.padding, ix = x * layer.stride + kx - layer.padding;
              if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
              visit((int64_t(o) * out.height + y / side) * out.width + x / side,
                    (int64_t(c) * in.height + iy) * in.width + ix, ((int64_t(o) * in.channels + c) * k + ky) * k + kx);
            }
}

double share_of(const LayerSpec& layer) { return 1.0 / (double(layer.pool) * layer.pool); }

// The same for an average pool, which has no weights: every pair of (output, input) that belong together.
template <class Visit>
void pool_pairs(const LayerSpec& layer, const Shape& in, const Shape& out, Visit visit) {
  for (int c = 0; c < out.channels; ++c)
    for (int y = 0; y < out.height; ++y)
      for (int x = 0; x < out.width; ++x)
        for (int ky = 0; ky < layer.kernel; ++ky)
          for (int kx = 0; kx < layer.kernel; ++kx)
            visit((int64_t(c) * out.height + y) * out.width + x,
                  (int64_t(c) * in.height + y * layer.kernel + ky) * in.width + x * layer.kernel + kx);
}

// The weight of row r of (T * N).
double step_weight(const Values& kappa, int64_t r, int64_t rows) {
  return kappa.empty() ? 1.0 : kappa[size_t(r / (rows / int64_t(kappa.size())))];
}

// An ANN has no steps.
const Values& schedule_of(const LayerParameters& p, Mode mode) {
  static const Values none;
  return mode == Mode::kSnn ? p.kappa : none;
}

// U(0) / V: the output layer begins with nothing.
double initial_of(const NetworkSpec& spec, const LayerSpec& layer) {
  return layer.output ? 0.0 : spec.initial_potential;
}

bool is_relaxed(const Options& options, size_t layer) { return !options.relaxed.empty() && options.relaxed[layer]; }

// Rows are images of all time steps: (T * N, in) -> (T * N, out). `kappa` (T) weighs the products of each step; empty:
// with 1.
Values apply(const LayerSpec& layer, const LayerParameters& p, const Values& kappa, const Shape& in, const Shape& out,
             const Values& x) {
  const int64_t rows = int64_t(x.size()) / in.size(), plane = int64_t(out.height) * out.width;
  Values y(rows * out.size(), 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    const double* xr = &x[r * in.size()];
    double* yr = &y[r * out.size()];
    if (layer.type == LayerType::kAvgPool) {
      const double share = 1.0 / (double(layer.kernel) * layer.kernel);
      pool_pairs(layer, in, out, [&](int64_t o, int64_t i) { yr[o] += share * xr[i]; });
      continue;
    }
    if (layer.type == LayerType::kMaxPool) continue;
    const double weight = step_weight(kappa, r, rows) * share_of(layer);
    products(layer, in, out, [&](int64_t o, int64_t i, int64_t w) { yr[o] += weight * p.weight[w] * xr[i]; });
    if (layer.bias)
      for (int64_t o = 0; o < out.size(); ++o) yr[o] += p.bias[o / plane];
  }
  if (layer.type == LayerType::kMaxPool) {
    const std::vector<int64_t> where = largest(layer, in, out, x);
    for (size_t i = 0; i < where.size(); ++i) y[i] = x[size_t(where[i])];
  }
  return y;
}

// Adds to the parameter gradient and returns the gradient at the input. The products of a step together are one term of
// the gradient of its weight, as they reach one neuron; `magnitude` receives their absolute values.
Values apply_backward(const LayerSpec& layer, const LayerParameters& p, const Values& kappa, const Shape& in,
                      const Shape& out, const Values& x, const Values& dy, LayerParameters& gradient,
                      LayerParameters& magnitude) {
  const int64_t rows = int64_t(x.size()) / in.size(), plane = int64_t(out.height) * out.width;
  Values dx(x.size(), 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    const double *xr = &x[r * in.size()], *dyr = &dy[r * out.size()];
    double* dxr = &dx[r * in.size()];
    if (layer.type == LayerType::kAvgPool) {
      const double share = 1.0 / (double(layer.kernel) * layer.kernel);
      pool_pairs(layer, in, out, [&](int64_t o, int64_t i) { dxr[i] += share * dyr[o]; });
      continue;
    }
    if (layer.type == LayerType::kMaxPool) continue;
    const double share = share_of(layer), weight = step_weight(kappa, r, rows) * share;
    Values arrived(size_t(out.size()), 0.0);
    products(layer, in, out, [&](int64_t o, int64_t i, int64_t w) {
      gradient.weight[w] += weight * dyr[o] * xr[i];
      dxr[i] += weight * p.weight[w] * dyr[o];
      arrived[o] += share * p.weight[w] * xr[i];
    });
    for (int64_t o = 0; !kappa.empty() && o < out.size(); ++o) {
      const size_t step = size_t(r / (rows / int64_t(kappa.size())));
      gradient.kappa[step] += dyr[o] * arrived[o];
      magnitude.kappa[step] += std::fabs(dyr[o] * arrived[o]);
    }
    if (layer.bias)
      for (int64_t o = 0; o < out.size(); ++o) gradient.bias[o / plane] += dyr[o];
  }
  if (layer.type == LayerType::kMaxPool) {
    const std::vector<int64_t> where = largest(layer, in, out, x);
    for (size_t i = 0; i < where.size(); ++i) dx[size_t(where[i])] += dy[i];
  }
  return dx;
}

}  // namespace

Forward forward(const NetworkSpec& spec, const Parameters& parameters, Mode mode, const Batch& batch,
                const Options& options) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  const int T = mode == Mode::kSnn ? spec.timesteps : 1;
  Forward out;
  double costs = 0.0;
  out.margin = std::numeric_limits<double>::infinity();
  out.layers.resize(spec.layers.size());
  Values x = options.input ? *options.input : encode(spec, mode, batch);
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerSpec& layer = spec.layers[l];
    const LayerParameters& p = parameters[l];
    LayerTrace& trace = out.layers[l];
    trace.input = x;
    Values y = apply(layer, p, schedule_of(p, mode), shapes[l], shapes[l + 1], x);
    const int64_t count = batch.count * shapes[l + 1].size();
    if (layer.norm) normalise(spec, p, shapes[l + 1], batch.count, options.groups, y, trace);
    if (is_pool(layer.type)) {
      x = y;
    } else if (is_dense(mode)) {
      trace.potential = y;
      if (layer.output) {
        out.step_logits = y;
      } else {
        trace.fired.assign(size_t(count), 0);
        double magnitude = 0.0;
        for (double v : y) magnitude += std::fabs(v) / double(count);
        for (size_t i = 0; i < y.size(); ++i) {
          double& v = y[i];
          if (mode == Mode::kCoded) {
            const Sent sent = send(spec, p, v, out.margin);
            v = sent.value, trace.fired[i] = sent.code;
            continue;
          }
          if (v != 0.0) out.margin = std::min(out.margin, std::fabs(v) / magnitude);
          if (mode == Mode::kAnn) v = std::max(v, 0.0);
          else v = activate(p, v, out.margin);
        }
        x = y;
      }
    } else if (is_relaxed(options, l)) {
      integrate_relaxed(spec, p, initial_of(spec, layer), y, trace, x, out.margin);
    } else {
      integrate(spec, p, initial_of(spec, layer), y, options.spike,
                options.gates ? &options.gates->layers[l].fired : nullptr, trace, x, out.margin);
      costs += spike_cost(spec, options, l, x);
      if (layer.output)
        for (int step = options.time_weights.empty() ? T : 1; step <= T; ++step)
          for (int64_t j = 0; j < count; ++j) {
            double logit = spec.alpha * trace.potential[(step - 1) * count + j] / p.threshold;
            for (int t = 1; t <= step; ++t) logit += double(spec.beta) * (step + 1 - t) * x[(t - 1) * count + j];
            out.step_logits.push_back(logit);
          }
    }
    if (l < options.dropout.size() && !options.dropout[l].empty())
      for (size_t i = 0; i < x.size(); ++i) x[i] *= options.dropout[l][i % count];
  }
  const int classes = spec.layers.back().out;
  out.logits.assign(out.step_logits.end() - std::ptrdiff_t(batch.count * classes), out.step_logits.end());
  out.loss = std::numeric_limits<double>::quiet_NaN();
  if (!batch.labels) return out;
  out.loss = loss_of(batch, options, out.step_logits, classes, nullptr) + costs;
  for (int64_t n = 0; n < batch.count; ++n) {
    const auto row = out.logits.begin() + std::ptrdiff_t(n * classes);
    out.correct += std::max_element(row, row + classes) - row == batch.labels[n];
  }
  return out;
}

Parameters backward(const NetworkSpec& spec, const Parameters& parameters, Mode mode, const Batch& batch,
                    const Forward& trace, const Options& options, Parameters* magnitude) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  const int T = mode == Mode::kSnn ? spec.timesteps : 1, classes = spec.layers.back().out;
  Parameters gradient = parameters;
  for (LayerParameters& g : gradient) {
    std::fill(g.weight.begin(), g.weight.end(), 0.0);
    for (Values* values : {&g.bias, &g.norm_weight, &g.norm_bias, &g.running_mean, &g.running_var, &g.kappa, &g.theta})
      std::fill(values->begin(), values->end(), 0.0);
    g.threshold = g.leak = 0.0;
  }
  Parameters terms(spec.layers.size());
  for (size_t l = 0; l < terms.size(); ++l) {
    terms[l].threshold = terms[l].leak = 0.0;
    terms[l].kappa.assign(parameters[l].kappa.size(), 0.0), terms[l].theta.assign(parameters[l].theta.size(), 0.0);
  }
  Values d_logits;
  loss_of(batch, options, trace.step_logits, classes, &d_logits);

  Values dx;  // gradient at the output of the entry in turn, (T, N, out)
  for (int l = int(spec.layers.size()) - 1; l >= 0; --l) {
    const LayerSpec& layer = spec.layers[l];
    const LayerParameters& p = parameters[l];
    const LayerTrace& at = trace.layers[l];
    const int64_t count = batch.count * shapes[l + 1].size();
    if (size_t(l) < options.dropout.size() && !options.dropout[l].empty())
      for (size_t i = 0; i < dx.size(); ++i) dx[i] *= options.dropout[l][i % count];
    Values dy = dx;  // at the weighted input
    if (is_dense(mode) && layer.output) {
      dy = d_logits;
    } else if (mode == Mode::kCoded && !is_pool(layer.type)) {
      dy = send_backward(spec, p, at, dx, gradient[l], terms[l]);
    } else if (mode == Mode::kBinary && layer.type != LayerType::kAvgPool) {
      dy = activate_backward(p, at.potential, dx, cost_of(spec, options, size_t(l)), gradient[l], terms[l]);
    } else if (mode == Mode::kAnn && !is_pool(layer.type)) {
      for (int64_t j = 0; j < count; ++j) dy[j] = at.potential[j] > 0.0 ? dx[j] : 0.0;
    } else if (is_relaxed(options, size_t(l))) {
      dy = relaxed_backward(spec, p, initial_of(spec, layer), at, dx, gradient[l], terms[l]);
    } else if (!is_pool(layer.type)) {
      Values d_potential(T * count, 0.0);  // beside what comes through the spikes
      if (layer.output) {
        dx.assign(T * count, 0.0);
        const int first = T + 1 - int(int64_t(d_logits.size()) / count);
        for (int64_t i = 0; i < int64_t(d_logits.size()); ++i) {
          const int step = first + int(i / count);
          const int64_t j = i % count, now = (step - 1) * count + j;
          d_potential[now] = d_logits[i] * spec.alpha / p.threshold;
          const double through_logit = d_potential[now] * at.potential[now] / p.threshold;
          gradient[l].threshold -= through_logit;
          terms[l].threshold += std::fabs(through_logit);
          for (int t = 1; t <= step; ++t) dx[(t - 1) * count + j] += d_logits[i] * spec.beta * (step + 1 - t);
        }
      }
      add_spike_cost(spec, options, size_t(l), dx);
      dy = integrate_backward(spec, p, initial_of(spec, layer), at, dx, d_potential, gradient[l], terms[l]);
    }
    if (layer.norm) normalise_backward(spec, p, shapes[l + 1], batch.count, options.groups, at, dy, gradient[l]);
    dx = apply_backward(layer, p, schedule_of(p, mode), shapes[l], shapes[l + 1], at.input, dy, gradient[l], terms[l]);
  }
  if (magnitude) *magnitude = terms;
  return gradient;
}

void settle_thresholds(const NetworkSpec& spec, Parameters& parameters, const Batch& batch,
                       const std::function<void(int, const Values&, LayerParameters&)>& choose) {
  const std::vector<Shape> shapes = layer_shapes(spec);
  Values x = encode(spec, Mode::kSnn, batch);
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    Values y = apply(spec.layers[l], parameters[l], parameters[l].kappa, shapes[l], shapes[l + 1], x);
    if (spec.layers[l].type == LayerType::kAvgPool) {
      x = y;
      continue;
    }
    LayerTrace trace;
    if (spec.layers[l].norm) normalise(spec, parameters[l], shapes[l + 1], batch.count, false, y, trace);
    choose(int(l), y, parameters[l]);
    double margin = 0.0;
    integrate(spec, parameters[l], initial_of(spec, spec.layers[l]), y, SpikeFunction::kHeaviside, nullptr, trace, x,
              margin);
  }
}

}  // namespace onespike::oracle
