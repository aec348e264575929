// The oracle's batch normalisation, two passes over the numbers of a channel and the derivative of each of them, and
// its binary activation.
#include <algorithm>
#include <cmath>

#include "test/support/oracle.h"

namespace onespike::oracle {
namespace {

constexpr double kEpsilon = 1e-5;

// Calls f(position) for the numbers of a channel in (T, N, out), of images [begin, end).
template <class F>
void each_number(const Shape& out, int64_t images, int64_t size, const NormGroup& group, int channel, const F& f) {
  const int64_t plane = int64_t(out.height) * out.width;
  for (int64_t row = 0; row * out.size() < size; ++row)
    if (row % images >= group.begin && row % images < group.end)
      for (int64_t i = 0; i < plane; ++i) f(row * out.size() + channel * plane + i);
}

}  // namespace

std::vector<NormGroup> norm_groups(const NetworkSpec& spec, int64_t images) {
  std::vector<NormGroup> groups;
  for (int64_t begin = 0; begin < images; begin += spec.norm_group)
    groups.push_back({begin, std::min<int64_t>(begin + spec.norm_group, images)});
  if (groups.size() > 1 && 2 * (groups.back().end - groups.back().begin) < spec.norm_group) {
    groups[groups.size() - 2].end = images;
    groups.pop_back();
  }
  return groups;
}

void normalise(const NetworkSpec& spec, const LayerParameters& p, const Shape& out, int64_t images, bool groups,
               Values& y, LayerTrace& trace) {
  const std::vector<NormGroup> parts = groups ? norm_groups(spec, images) : std::vector<NormGroup>{{0, images}};
  trace.standard = trace.inverse = Values(y.size(), 0.0);
  trace.mean = trace.variance = Values(size_t(out.channels), 0.0);
  for (const NormGroup& group : parts)
    for (int c = 0; c < out.channels; ++c) {
      double mean = p.running_mean[c], variance = p.running_var[c];
      if (groups) {
        double count = 0.0, square = 0.0;
        mean = 0.0;
        each_number(out, images, int64_t(y.size()), group, c, [&](int64_t at) { mean += y[at], count += 1.0; });
        mean /= count;
        each_number(out, images, int64_t(y.size()), group, c,
                    [&](int64_t at) { square += (y[at] - mean) * (y[at] - mean); });
        variance = square / count;
        trace.mean[c] += mean / double(parts.size());
        trace.variance[c] += (count > 1.0 ? square / (count - 1.0) : 0.0) / double(parts.size());
      }
      each_number(out, images, int64_t(y.size()), group, c, [&](int64_t at) {
        trace.inverse[at] = 1.0 / std::sqrt(variance + kEpsilon);
        trace.standard[at] = (y[at] - mean) * trace.inverse[at];
        y[at] = p.norm_weight[c] * trace.standard[at] + p.norm_bias[c];
      });
    }
}

void normalise_backward(const NetworkSpec& spec, const LayerParameters& p, const Shape& out, int64_t images,
                        bool groups, const LayerTrace& trace, Values& d, LayerParameters& gradient) {
  for (const NormGroup& group : groups ? norm_groups(spec, images) : std::vector<NormGroup>{{0, images}})
    for (int c = 0; c < out.channels; ++c) {
      double count = 0.0, sum = 0.0, product = 0.0;
      each_number(out, images, int64_t(d.size()), group, c,
                  [&](int64_t at) { count += 1.0, sum += d[at], product += d[at] * trace.standard[at]; });
      gradient.norm_weight[c] += product;
      gradient.norm_bias[c] += sum;
      // Through the mean and through the variance, where they are the group's own.
      const double through_mean = groups ? sum / count : 0.0, through_variance = groups ? product / count : 0.0;
      each_number(out, images, int64_t(d.size()), group, c, [&](int64_t at) {
        d[at] = p.norm_weight[c] * trace.inverse[at] * (d[at] - through_mean - trace.standard[at] * through_variance);
      });
    }
}

double activate(const LayerParameters& p, double x, double& margin) {
  const double theta = 2.0 * p.threshold;
  for (double border : {0.0, p.threshold, theta}) margin = std::min(margin, std::fabs(x - border));
  return x > p.threshold ? theta : 0.0;
}

// h = theta * q(y), y = clip(x / theta, 0, 1): straight through, dq/dy = 1. The loss has `cost` * q beside what reads
// h.
Values activate_backward(const LayerParameters& p, const Values& x, const Values& d, double cost,
                         LayerParameters& gradient, LayerParameters& magnitude) {
  const double theta = 2.0 * p.threshold;
  Values d_x(d.size(), 0.0);
  for (size_t i = 0; i < d.size(); ++i) {
    const bool inside = x[i] >= 0.0 && x[i] <= theta;
    const double q = x[i] > p.threshold ? 1.0 : 0.0;
    const double dy_dx = inside ? 1.0 / theta : 0.0, dy_dtheta = inside ? -x[i] / (theta * theta) : 0.0;
    d_x[i] = (d[i] * theta + cost) * dy_dx;
    const double d_theta = d[i] * (q + theta * dy_dtheta) + cost * dy_dtheta;
    gradient.threshold += 2.0 * d_theta;
    magnitude.threshold += std::fabs(2.0 * d_theta);
  }
  return d_x;
}

}  // namespace onespike::oracle
