// The spike and its surrogate gradient (docs/MATHEMATICS.md, "Surrogate gradients"), written once for every backend:
// `M` is the arithmetic, scalar (below) or a vector of one instruction set.
//
//   spike: U > V                     (a tie does not fire)
//   dO/dz at z = U/V - 1:
//     triangle      gamma * max(0, 1 - |z|)                     primitive: piecewise quadratic
//     rectangular   gamma for |z| < kappa, else 0               primitive: linear ramp
//     arctan        gamma / (1 + (pi/2 * kappa * z)^2)          primitive: (2 gamma/(pi kappa)) * atan(pi/2 * kappa *
//     z) fast-sigmoid  gamma / (1 + kappa * |z|)^2                 primitive: gamma * z / (1 + kappa * |z|) exponential
//     gamma * exp(-kappa * (t_f - t))             depends on time alone: stands for no smooth function of z
#pragma once

#include <cmath>

#include "ops/portable.h"

namespace onespike {

enum class Surrogate { kTriangle, kExponential, kRectangular, kArctan, kFastSigmoid };

struct SurrogateParams {
  Surrogate kind = Surrogate::kTriangle;
  float gamma = 0.3f, kappa = 1.0f;
};

// Plain floats; T is float or double.
template <class T>
struct ScalarMath {
  using F = T;
  ONESPIKE_HD static F set(double x) { return F(x); }
  ONESPIKE_HD static F abs(F x) { return x < 0 ? -x : x; }
  ONESPIKE_HD static F max(F a, F b) { return a > b ? a : b; }
  ONESPIKE_HD static F add(F a, F b) { return a + b; }
  ONESPIKE_HD static F sub(F a, F b) { return a - b; }
  ONESPIKE_HD static F mul(F a, F b) { return a * b; }
  ONESPIKE_HD static F div(F a, F b) { return a / b; }
  ONESPIKE_HD static F sqrt(F a) { return std::sqrt(a); }
  ONESPIKE_HD static F below(F a, F b, F then) { return a < b ? then : F(0); }  // a < b ? then : 0
};

#include "ops/surrogate-inl.h"

// The time-dependent surrogate of STDB: t_f = T + 1 for a neuron that stayed silent.
ONESPIKE_HD inline float exponential_slope(int fire_time, int t, const SurrogateParams& p) {
  return float(p.gamma * std::exp(-double(p.kappa) * (fire_time - t)));
}

// The slope of any kind at (z, t), for code that is not vectorised.
ONESPIKE_HD inline float slope_at(float z, int fire_time, int t, const SurrogateParams& p) {
  using M = ScalarMath<float>;
  switch (p.kind) {
    case Surrogate::kTriangle: return surrogate_slope<Surrogate::kTriangle, M>(z, p);
    case Surrogate::kRectangular: return surrogate_slope<Surrogate::kRectangular, M>(z, p);
    case Surrogate::kArctan: return surrogate_slope<Surrogate::kArctan, M>(z, p);
    case Surrogate::kFastSigmoid: return surrogate_slope<Surrogate::kFastSigmoid, M>(z, p);
    case Surrogate::kExponential: return exponential_slope(fire_time, t, p);
  }
  return 0;
}

}  // namespace onespike
