// The oracle's coded networks, step by step as the documents say it: of a window the first step at which the weighted
// input reaches the falling threshold, of radix the rounded quotient. And its maximum pools.
#include <algorithm>
#include <cmath>

#include "test/support/oracle.h"

namespace onespike::oracle {
namespace {

struct Clock {
  double constant, delay;
  int last;  // step of the window
};

Clock clock_of(const NetworkSpec& spec, const LayerParameters& p) {
  if (spec.code.kind == CodeKind::kPhase) return {1.0 / std::log(double(spec.code.base)), 0.0, spec.code.period - 1};
  return {p.threshold, p.leak, spec.code.window};
}

int top_of(const NetworkSpec& spec) { return int(std::pow(2.0, spec.code.bits)) - 1; }

void add(double term, double& gradient, double& magnitude) { gradient += term, magnitude += std::fabs(term); }

}  // namespace

Sent send(const NetworkSpec& spec, const LayerParameters& p, double v, double& margin) {
  if (spec.code.kind == CodeKind::kRadix) {
    const double edge = v / p.threshold + 0.5;
    margin = std::min(margin, std::fabs(edge - std::round(edge)));
    const double n = std::clamp(std::floor(edge), 0.0, double(top_of(spec)));
    return {int(n), n * p.threshold};
  }
  const Clock clock = clock_of(spec, p);
  int fired = -1;
  for (int k = 0; k <= clock.last; ++k) {
    const double border = std::exp(-(k + 0.5 - clock.delay) / clock.constant);
    margin = std::min(margin, std::fabs(v / border - 1.0));
    if (fired < 0 && v >= border) fired = k;
  }
  if (fired < 0) return {0, 0.0};
  return {fired + 1, std::exp((clock.delay - fired) / clock.constant)};
}

Values send_backward(const NetworkSpec& spec, const LayerParameters& p, const LayerTrace& trace, const Values& d,
                     LayerParameters& gradient, LayerParameters& magnitude) {
  Values d_v(d.size(), 0.0);
  for (size_t i = 0; i < d.size(); ++i) {
    const double v = trace.potential[i];
    const int code = trace.fired[i];
    if (spec.code.kind == CodeKind::kRadix) {
      const double top = top_of(spec) * p.threshold;
      if (v > 0.0 && v < top)
        d_v[i] = d[i], add(d[i] * (code - v / p.threshold), gradient.threshold, magnitude.threshold);
      if (v >= top) add(d[i] * top_of(spec), gradient.threshold, magnitude.threshold);
      continue;
    }
    if (code == 0) continue;
    const Clock clock = clock_of(spec, p);
    const double log_a = (clock.delay - (code - 1)) / clock.constant, a = std::exp(log_a);
    const bool clipped = clock.delay - clock.constant * std::log(v) < 0.0;
    if (!clipped) d_v[i] = d[i] * a / v;
    const double by_constant =
        clipped ? -a * clock.delay / (clock.constant * clock.constant) : a * (std::log(v) - log_a) / clock.constant;
    add(d[i] * by_constant, gradient.threshold, magnitude.threshold);
    if (clipped) add(d[i] * a / clock.constant, gradient.leak, magnitude.leak);
  }
  return d_v;
}

std::vector<int64_t> largest(const LayerSpec& layer, const Shape& in, const Shape& out, const Values& x) {
  std::vector<int64_t> where;
  for (int64_t row = 0; row < int64_t(x.size()); row += in.size())
    for (int c = 0; c < out.channels; ++c)
      for (int y = 0; y < out.height; ++y)
        for (int x_out = 0; x_out < out.width; ++x_out) {
          int64_t best = -1;
          for (int ky = 0; ky < layer.kernel; ++ky)
            for (int kx = 0; kx < layer.kernel; ++kx) {
              const int64_t at =
                  row + (int64_t(c) * in.height + y * layer.kernel + ky) * in.width + x_out * layer.kernel + kx;
              if (best < 0 || x[size_t(at)] > x[size_t(best)]) best = at;
            }
          where.push_back(best);
        }
  return where;
}

double coded_pixel(const NetworkSpec& spec, uint8_t byte, int channel) {
  const double q = byte / 255.0;
  if (spec.code.kind == CodeKind::kRadix) return std::floor(q * top_of(spec) + 0.5) / top_of(spec);
  return (q - double(spec.mean[channel])) / double(spec.std[channel]);
}

}  // namespace onespike::oracle
