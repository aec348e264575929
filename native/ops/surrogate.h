// Surrogate gradients of the spike (docs/MATHEMATICS.md, "Surrogate gradients"): dO/dz at z = U/V - 1, where the spike
// itself (ops/lif-inl.h) has no derivative, and the smooth function of z whose derivative each one is (its primitive).
//
//   name           dO/dz                             primitive
//   triangle       gamma * max(0, 1 - |z|)           piecewise quadratic
//   rectangular    gamma for |z| < scale, else 0     linear ramp
//   arctan         gamma / (1 + (pi/2 scale z)^2)    2 gamma / (pi scale) * atan(pi/2 scale z)
//   fast-sigmoid   gamma / (1 + scale |z|)^2         gamma z / (1 + scale |z|)
//   exponential    gamma * exp(-scale (t_f - t))     none: it depends on time alone
#pragma once

#include <cmath>
#include <type_traits>

#include "ops/arithmetic.h"
#include "ops/portable.h"

namespace onespike {

enum class Surrogate { kTriangle, kExponential, kRectangular, kArctan, kFastSigmoid };

constexpr Surrogate kSurrogates[] = {Surrogate::kTriangle, Surrogate::kExponential, Surrogate::kRectangular,
                                     Surrogate::kArctan, Surrogate::kFastSigmoid};

constexpr const char* surrogate_name(Surrogate kind) {
  switch (kind) {
    case Surrogate::kTriangle: return "triangle";
    case Surrogate::kExponential: return "exponential";
    case Surrogate::kRectangular: return "rectangular";
    case Surrogate::kArctan: return "arctan";
    case Surrogate::kFastSigmoid: return "fast-sigmoid";
  }
  return "";
}

struct SurrogateParams {
  Surrogate kind = Surrogate::kTriangle;
  float gamma = 0.3f, scale = 1.0f;
};

#include "ops/surrogate-inl.h"

// Calls run(std::integral_constant<Surrogate, kind>): the surrogate as a constant of the code that it chooses.
template <class F>
ONESPIKE_HD inline decltype(auto) with_surrogate(Surrogate kind, const F& run) {
  switch (kind) {  // NOLINT(bugprone-branch-clone): each case calls with a type of its own
    case Surrogate::kExponential: return run(std::integral_constant<Surrogate, Surrogate::kExponential>());
    case Surrogate::kRectangular: return run(std::integral_constant<Surrogate, Surrogate::kRectangular>());
    case Surrogate::kArctan: return run(std::integral_constant<Surrogate, Surrogate::kArctan>());
    case Surrogate::kFastSigmoid: return run(std::integral_constant<Surrogate, Surrogate::kFastSigmoid>());
    case Surrogate::kTriangle: break;
  }
  return run(std::integral_constant<Surrogate, Surrogate::kTriangle>());
}

// The time-dependent surrogate of STDB: t_f = T + 1 for a neuron that stayed silent.
ONESPIKE_HD inline float exponential_slope(int fire_time, int t, const SurrogateParams& p) {
  return float(p.gamma * std::exp(-double(p.scale) * (fire_time - t)));
}

// The slope of one kind at (z, t), and of any kind, for code that is not vectorised.
template <Surrogate kKind>
ONESPIKE_HD inline float slope_of(float z, int fire_time, int t, const SurrogateParams& p) {
  if constexpr (kKind == Surrogate::kExponential) return exponential_slope(fire_time, t, p);
  else return surrogate_slope<kKind, ScalarArithmetic<float>>(z, p);
}
ONESPIKE_HD inline float slope_at(float z, int fire_time, int t, const SurrogateParams& p) {
  return with_surrogate(p.kind, [&](auto kind) { return slope_of<decltype(kind)::value>(z, fire_time, t, p); });
}

}  // namespace onespike
