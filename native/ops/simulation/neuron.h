// The neurons of ops/simulation/neuron-inl.h for scalar code.
#pragma once

#include "ops/arithmetic.h"
#include "ops/portable.h"

namespace onespike {

#include "ops/simulation/neuron-inl.h"

}  // namespace onespike
