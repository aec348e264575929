// The binary activation of an ANN (docs/MATHEMATICS.md, "Binary activations"): quantization-clip-floor-shift with one
// level, 2 V where x > V and 0 elsewhere. With time steps T = 1 it is the spiking neuron.
#pragma once

#include "ops/arithmetic.h"
#include "ops/portable.h"

namespace onespike {

#include "ops/ann/binary-inl.h"

}  // namespace onespike
