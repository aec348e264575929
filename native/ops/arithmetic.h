// The arithmetic that the formulas of ops/*-inl.h are written over, so that each of them stands once: plain numbers
// (below), or the vectors of one instruction set (VectorArithmetic of cpu/simd/vector-inl.h).
#pragma once

#include <cmath>

#include "ops/portable.h"

namespace onespike {

// T is float or double.
template <class T>
struct ScalarArithmetic {
  using F = T;        // a number
  using Time = int;   // a time step
  using Mask = bool;  // the answer to a comparison

  ONESPIKE_HD static F set(double x) { return F(x); }
  ONESPIKE_HD static Time time(int t) { return t; }

  ONESPIKE_HD static F abs(F x) { return x < 0 ? -x : x; }
  ONESPIKE_HD static F neg(F x) { return -x; }
  ONESPIKE_HD static F max(F a, F b) { return a > b ? a : b; }
  ONESPIKE_HD static F add(F a, F b) { return a + b; }
  ONESPIKE_HD static F sub(F a, F b) { return a - b; }
  ONESPIKE_HD static F mul(F a, F b) { return a * b; }
  ONESPIKE_HD static F div(F a, F b) { return a / b; }
  ONESPIKE_HD static F sqrt(F a) { return std::sqrt(a); }
  // a * b + c, rounded once in floats, as vector units and GPUs do; doubles have digits to spare.
  ONESPIKE_HD static float mul_add(float a, float b, float c) { return fmaf(a, b, c); }
  ONESPIKE_HD static double mul_add(double a, double b, double c) { return a * b + c; }

  ONESPIKE_HD static Mask less(F a, F b) { return a < b; }
  ONESPIKE_HD static Mask greater(F a, F b) { return a > b; }
  ONESPIKE_HD static Mask at_least(F a, F b) { return a >= b; }
  ONESPIKE_HD static Mask reached(Time a, Time b) { return a >= b; }
  ONESPIKE_HD static F select(Mask which, F yes, F no) { return which ? yes : no; }
  ONESPIKE_HD static Time select_time(Mask which, Time yes, Time no) { return which ? yes : no; }
  ONESPIKE_HD static F zero_unless(Mask which, F x) { return which ? x : F(0); }
};

}  // namespace onespike
