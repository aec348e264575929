// Currents that are averaged before the neuron (docs/MATHEMATICS.md, "Pools before the neuron"): the mean over a window
// of k x k outputs of a convolution is one output of a larger convolution, whose weights are means of shifted copies of
// the parameters. Kernels compute with these pooled weights; here is which parameters a pooled weight is the sum of,
// and which pooled weights a parameter is part of.
#pragma once

#include <cstdint>

#include "ops/shape.h"

namespace onespike {

// Some taps of a kernel along one axis, in the order in which they are added.
struct TapRange {
  int first = 0, count = 0, step = 0;
  ONESPIKE_HD int at(int i) const { return first + i * step; }
};

// The parameters that reach tap `position` of the pooled kernel: those at position - a * stride for a = 0, 1, .. below
// `average`, `stride` being that of the convolution alone.
ONESPIKE_HD inline TapRange parameter_taps(int position, int kernel, int stride, int average) {
  const int beyond = position - kernel + 1;
  const int first = beyond > 0 ? (beyond + stride - 1) / stride : 0;
  const int last = position / stride < average - 1 ? position / stride : average - 1;
  return {position - first * stride, last >= first ? last - first + 1 : 0, -stride};
}

// The taps of the pooled kernel that parameter `position` reaches.
ONESPIKE_HD inline TapRange pooled_taps(int position, int stride, int average) { return {position, average, stride}; }

// Both axes of a tap of the pooled kernel, and of one of the parameters.
struct TapSquare {
  TapRange y, x;
};
ONESPIKE_HD inline TapSquare parameter_square(const StageShape& s, int tap) {
  const int stride = s.stride / s.average;
  return {parameter_taps(tap / s.kernel_w, s.parameter_h, stride, s.average),
          parameter_taps(tap % s.kernel_w, s.parameter_w, stride, s.average)};
}
ONESPIKE_HD inline TapSquare pooled_square(const StageShape& s, int tap) {
  const int stride = s.stride / s.average;
  return {pooled_taps(tap / s.parameter_w, stride, s.average), pooled_taps(tap % s.parameter_w, stride, s.average)};
}

// The mean over the window of what one weight contributes: `from` holds a number every `row` places, tap after tap of a
// kernel that is `width` wide.
ONESPIKE_HD inline float pooled_mean(const float* from, const TapSquare& taps, int width, int64_t row, int average) {
  float sum = 0;
  for (int i = 0; i < taps.y.count; ++i)
    for (int j = 0; j < taps.x.count; ++j) sum += from[(int64_t(taps.y.at(i)) * width + taps.x.at(j)) * row];
  return sum / float(average * average);
}

}  // namespace onespike
