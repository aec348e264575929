// The oracle's pieces that know no layer order: shapes, surrogates, encoders, neurons.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "test/support/oracle.h"

namespace onespike::oracle {

std::vector<Shape> layer_shapes(const NetworkSpec& spec) {
  std::vector<Shape> shapes = {{spec.channels, spec.height, spec.width}};
  for (const LayerSpec& layer : spec.layers) {
    const Shape in = shapes.back();
    const auto extent = [&](int size) {
      const int span = size + 2 * layer.padding - layer.kernel;
      return span < 0 ? 0 : (span / layer.stride + 1) / layer.pool;
    };
    if (layer.type == LayerType::kLinear) shapes.push_back({layer.out, 1, 1});
    else if (is_pool(layer.type)) shapes.push_back({in.channels, in.height / layer.kernel, in.width / layer.kernel});
    else shapes.push_back({layer.out, extent(in.height), extent(in.width)});
  }
  return shapes;
}

double surrogate_derivative(const NetworkSpec& spec, double z, int step, int fire_step) {
  const double gamma = spec.gamma, scale = spec.surrogate_scale;
  if (step > fire_step) return 0.0;
  switch (spec.surrogate) {
    case Surrogate::kTriangle: return gamma * std::max(0.0, 1.0 - std::fabs(z));
    case Surrogate::kExponential: return gamma * std::exp(-scale * (fire_step - step));
    case Surrogate::kRectangular: return std::fabs(z) < scale ? gamma : 0.0;
    case Surrogate::kArctan: return gamma / (1.0 + std::pow(std::numbers::pi / 2.0 * scale * z, 2));
    case Surrogate::kFastSigmoid: return gamma / std::pow(1.0 + scale * std::fabs(z), 2);
  }
  return 0.0;
}

double surrogate_primitive(const NetworkSpec& spec, double z) {
  const double gamma = spec.gamma, scale = spec.surrogate_scale;
  switch (spec.surrogate) {
    case Surrogate::kTriangle: {
      const double c = std::clamp(z, -1.0, 1.0);
      return gamma * (c < 0.0 ? 0.5 * (1.0 + c) * (1.0 + c) : 1.0 - 0.5 * (1.0 - c) * (1.0 - c));
    }
    case Surrogate::kRectangular: return gamma * (std::clamp(z, -scale, scale) + scale);
    case Surrogate::kArctan:
      return gamma * (2.0 / (std::numbers::pi * scale) * std::atan(std::numbers::pi / 2.0 * scale * z) + 1.0 / scale);
    case Surrogate::kFastSigmoid: return gamma * (z / (1.0 + scale * std::fabs(z)) + 1.0 / scale);
    case Surrogate::kExponential: break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

// What a pixel of intensity q sends at step t in the encodings by powers of two, as the papers state them.
double power_input(Encoder encoder, double q, int t, int T) {
  if (encoder == Encoder::kPhase) {
    const int j = 1 + (t - 1) % 8;
    return std::fmod(std::floor(q * 255 / std::pow(2.0, 8 - j) + 1e-9), 2.0) * std::pow(2.0, -j);
  }
  if (encoder == Encoder::kRadix) {
    const double largest = std::pow(2.0, T) - 1, n = std::floor(largest * q + 0.5);
    return std::fmod(std::floor(n / std::pow(2.0, T - t)), 2.0) * std::pow(2.0, T - t) / largest;
  }
  double rest = q, g = 1, sent = 0;
  for (int step = 1; step <= t; ++step) {
    sent = rest >= g / 8 ? g / 8 : 0;
    rest -= sent;
    g = sent > 0 ? 2 * g : 1;
  }
  return sent;
}

Values encode(const NetworkSpec& spec, Mode mode, const Batch& batch) {
  const bool powers = spec.code.kind == CodeKind::kRadix || spec.encoder == Encoder::kPhase ||
                      spec.encoder == Encoder::kBurst || spec.encoder == Encoder::kRadix;
  const int T = mode == Mode::kSnn ? spec.timesteps : 1, plane = spec.height * spec.width;
  const int64_t size = batch.count * spec.channels * plane;
  Values x(T * size, 0.0);
  for (int64_t i = 0; i < size; ++i) {
    const int c = int(i / plane) % spec.channels;
    if (mode == Mode::kCoded) {
      x[i] = coded_pixel(spec, batch.pixels[i], c);
      continue;
    }
    const double q = batch.pixels[i] / 255.0;
    const double analog = powers ? q : (q - double(spec.mean[c])) / double(spec.std[c]);
    const double share = std::clamp((q - spec.lo) / (spec.hi - spec.lo), 0.0, 1.0);
    // The first step that a coded spike may take: the hybrid code keeps step 1 for the analog value.
    const int first = spec.encoder == Encoder::kTtfs ? 1 : 2;
    const int when = int(std::floor(T + (first - T) * share + 0.5));
    for (int t = 1; t <= T; ++t) {
      const bool shows_value =
          is_dense(mode) || spec.encoder == Encoder::kDirect || (spec.encoder == Encoder::kHybrid && t == 1);
      x[(t - 1) * size + i] = shows_value ? analog
                              : powers    ? power_input(spec.encoder, q, t, T)
                              : when == t ? 1.0
                                          : 0.0;
    }
  }
  return x;
}

namespace {

double at_step(const Values& schedule, int t) { return schedule.empty() ? 1.0 : schedule[size_t(t - 1)]; }

// U(1) to U(T), which no spike changes, of neurons that have not fired. Returns their number.
int64_t integrate_silent(int T, const LayerParameters& p, double initial, const Values& weighted, LayerTrace& trace) {
  const int64_t count = int64_t(weighted.size()) / T;
  trace.potential.assign(weighted.size(), 0.0);
  trace.fired.assign(count, T + 1);
  for (int64_t j = 0; j < count; ++j) {
    double u = initial * p.threshold;
    for (int t = 1; t <= T; ++t) {
      const int64_t at = (t - 1) * count + j;
      u = p.leak * u + weighted[at];
      trace.potential[at] = u;
    }
  }
  return count;
}

}  // namespace

void integrate(const NetworkSpec& spec, const LayerParameters& p, double initial, const Values& weighted,
               SpikeFunction spike, const std::vector<int>* given, LayerTrace& trace, Values& spikes, double& margin) {
  const int T = spec.timesteps;
  const int64_t count = integrate_silent(T, p, initial, weighted, trace);
  spikes.assign(weighted.size(), 0.0);
  for (int64_t j = 0; j < count; ++j) {
    for (int t = 1; t <= T; ++t) {
      const int64_t at = (t - 1) * count + j;
      const double u = trace.potential[at], z = u / (p.threshold * at_step(p.theta, t)) - 1.0;
      const bool silent = given ? t <= (*given)[j] : t <= trace.fired[j];
      if (!silent) continue;
      margin = std::min(margin, std::fabs(z));
      // A potential of exactly zero is a neuron without input: it is no nearer to a jump than any other.
      if (spec.surrogate == Surrogate::kRectangular && u != 0.0)
        margin = std::min(margin, std::fabs(std::fabs(z) - double(spec.surrogate_scale)));
      if (!given && z > 0.0) trace.fired[j] = t;
      spikes[at] = spike == SpikeFunction::kHeaviside ? (z > 0.0 ? 1.0 : 0.0) : surrogate_primitive(spec, z);
    }
    if (given) trace.fired[j] = (*given)[j];
  }
}

Values integrate_backward(const NetworkSpec& spec, const LayerParameters& p, double initial, const LayerTrace& trace,
                          const Values& d_spikes, const Values& d_potential, LayerParameters& gradient,
                          LayerParameters& magnitude) {
  const int T = spec.timesteps;
  const int64_t count = int64_t(d_potential.size()) / T;
  Values d_weighted(d_spikes.size(), 0.0);
  for (int64_t j = 0; j < count; ++j) {
    double g = 0.0;
    for (int t = T; t >= 1; --t) {
      const int64_t at = (t - 1) * count + j;
      const double u = trace.potential[at], before = t > 1 ? trace.potential[at - count] : initial * p.threshold;
      const double theta = at_step(p.theta, t), reached = u / (p.threshold * theta);
      const double d_z = d_spikes[at] * surrogate_derivative(spec, reached - 1.0, t, trace.fired[j]);
      g = d_z / (p.threshold * theta) + p.leak * g + d_potential[at];
      gradient.threshold -= d_z * reached / p.threshold;
      // What kernels find of kappa is a difference of potentials, each of which a float has rounded.
      constexpr double kRounded = 0.05;
      if (!p.kappa.empty())
        magnitude.kappa[t - 1] +=
            kRounded * std::fabs(g) * (std::fabs(u) + std::fabs(p.leak * before)) / p.kappa[t - 1];
      gradient.leak += g * before;
      magnitude.threshold += std::fabs(d_z * reached / p.threshold);
      if (!p.theta.empty()) {
        gradient.theta[t - 1] -= d_z * reached / theta;
        magnitude.theta[t - 1] += std::fabs(d_z * reached / theta);
      }
      magnitude.leak += std::fabs(g * before);
      d_weighted[at] = g;
    }
    gradient.threshold += p.leak * initial * g;
    magnitude.threshold += std::fabs(p.leak * initial * g);
  }
  return d_weighted;
}

void integrate_relaxed(const NetworkSpec& spec, const LayerParameters& p, double initial, const Values& weighted,
                       LayerTrace& trace, Values& sent, double& margin) {
  const int T = spec.timesteps;
  const int64_t count = integrate_silent(T, p, initial, weighted, trace);
  sent.assign(weighted.size(), 0.0);
  for (int64_t j = 0; j < count; ++j) {
    const double reached = trace.potential[(T - 1) * count + j] / (p.threshold * at_step(p.theta, T));
    sent[j] = std::clamp(reached, 0.0, 1.0);
    if (reached != 0.0) margin = std::min({margin, std::fabs(reached), std::fabs(reached - 1.0)});
  }
}

Values relaxed_backward(const NetworkSpec& spec, const LayerParameters& p, double initial, const LayerTrace& trace,
                        const Values& d_sent, LayerParameters& gradient, LayerParameters& magnitude) {
  const int T = spec.timesteps;
  const int64_t count = int64_t(d_sent.size()) / T;
  const double theta = at_step(p.theta, T);
  Values d_potential(d_sent.size(), 0.0);
  for (int64_t j = 0; j < count; ++j) {
    const double reached = trace.potential[(T - 1) * count + j] / (p.threshold * theta);
    if (reached <= 0.0 || reached >= 1.0) continue;
    d_potential[(T - 1) * count + j] = d_sent[j] / (p.threshold * theta);
    gradient.threshold -= d_sent[j] * reached / p.threshold;
    magnitude.threshold += std::fabs(d_sent[j] * reached / p.threshold);
    if (p.theta.empty()) continue;
    gradient.theta[T - 1] -= d_sent[j] * reached / theta;
    magnitude.theta[T - 1] += std::fabs(d_sent[j] * reached / theta);
  }
  return integrate_backward(spec, p, initial, trace, Values(d_sent.size(), 0.0), d_potential, gradient, magnitude);
}

}  // namespace onespike::oracle
