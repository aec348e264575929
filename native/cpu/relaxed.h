// Layers that send a number in place of spikes (core/backend/spiking_tasks.h), one row of neurons at a time.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "cpu/neuron.h"
#include "ops/readout.h"

namespace onespike::cpu {

void relax_row(const RelaxTask& task, int64_t image, int y);
// Returns the gradients of threshold and leak.
NeuronGradient relaxed_gradient_row(const RelaxGradientTask& task, int64_t image, int y);

}  // namespace onespike::cpu
