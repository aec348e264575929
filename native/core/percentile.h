// The percentile of more numbers than are kept.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

namespace onespike {

// The percentile of a stream of `total` values with linear interpolation, keeping only the values above it.
class Percentile {
 public:
  Percentile(double percentile, int64_t total) {
    const double position = percentile / 100 * double(total - 1);
    share_ = position - std::floor(position);
    keep_ = total - int64_t(std::floor(position));
  }
  void add(float value) {
    // Not a number compares with nothing, and a sort over it is undefined.
    finite_ = finite_ && std::isfinite(value);
    if (!finite_ || value < floor_) return;
    top_.push_back(value);
    if (int64_t(top_.size()) >= 2 * keep_ + 1024) shrink();
  }
  // NaN if a value was not finite.
  double value() {
    if (!finite_) return std::numeric_limits<double>::quiet_NaN();
    shrink();
    std::sort(top_.begin(), top_.end());
    return top_.size() < 2 ? top_.front() : top_[0] + share_ * (double(top_[1]) - top_[0]);
  }

 private:
  void shrink() {
    if (int64_t(top_.size()) <= keep_) return;
    std::nth_element(top_.begin(), top_.begin() + (keep_ - 1), top_.end(), std::greater<float>());
    top_.resize(size_t(keep_));
    floor_ = top_.back();
  }

  std::vector<float> top_;
  int64_t keep_;
  double share_;
  bool finite_ = true;
  float floor_ = -std::numeric_limits<float>::infinity();
};

}  // namespace onespike
