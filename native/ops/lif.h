// The neuron of ops/lif-inl.h for scalar code.
#pragma once

#include <cmath>

#include "ops/arithmetic.h"
#include "ops/portable.h"

namespace onespike {

#include "ops/lif-inl.h"

}  // namespace onespike
