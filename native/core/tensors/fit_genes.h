// Genes fitted to weights (docs/MATHEMATICS.md, "Genes fitted to weights").
#pragma once

#include <atomic>
#include <cstdint>

#include "core/network.h"
#include "core/state/state.h"

namespace onespike {

// As Network::fit_genes, for a network with genes whose optimiser has no state.
Status fit_genes(NetworkState& net, const GeneFitOptions& options, const std::atomic<bool>& stop,
                 std::atomic<int64_t>* progress, double* residual);

}  // namespace onespike
