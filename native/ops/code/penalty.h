// What training may add to the loss of a coded network (docs/MATHEMATICS.md, "Coded networks"), by its gradients alone.
#pragma once

#include <cmath>

#include "ops/portable.h"

namespace onespike {

// The smallest spread of a channel that counts as one.
constexpr double kMinSpread = 1e-3;

// The derivatives of Phi((bias - border) / max(|weight|, kMinSpread)): the share of a normalised channel's neurons that
// send anything, if their standardised inputs are normal. The border is a constant to them.
struct SendingSlopes {
  double weight = 0, bias = 0;
};

ONESPIKE_HD inline SendingSlopes sending_slopes(float weight, float bias, float border) {
  const double size = weight < 0 ? -double(weight) : double(weight), spread = size < kMinSpread ? kMinSpread : size;
  const double z = (double(bias) - double(border)) / spread;
  const double density = std::exp(-0.5 * z * z) / std::sqrt(2 * 3.14159265358979323846);
  const double by_spread = size < kMinSpread ? 0 : -density * z / spread;
  return {weight < 0 ? -by_spread : by_spread, density / spread};
}

}  // namespace onespike
