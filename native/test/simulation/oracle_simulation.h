// Simulated codes once more, as slowly and plainly as possible: double precision, dense sums at every step.
#pragma once

#include <cstdint>
#include <vector>

#include "core/simulation/simulation.h"
#include "test/support/oracle.h"

namespace onespike::oracle {

struct SimulatedCounts {
  int64_t events = 0, accumulates = 0, value_macs = 0, updates = 0, spikes = 0;
};

struct Simulated {
  // Per image and step.
  std::vector<std::vector<int>> predictions;
  std::vector<std::vector<double>> leads;   // of the largest potential of the output layer over the next one
  std::vector<std::vector<Values>> logits;  // (K)
  std::vector<SimulatedCounts> counts;      // per weighted layer
  // Distance of the nearest decision to a tie, relative to its threshold.
  double margin = 1e9;
};

// `activations` as for simulated_network. The running statistics normalise.
Simulated simulate(const NetworkSpec& spec, const Parameters& parameters, const std::vector<double>& activations,
                   const SimulationOptions& options, const std::vector<uint8_t>& pixels);

// The largest activation of every hidden layer of the ANN.
std::vector<double> largest_activations(const NetworkSpec& spec, const Parameters& parameters, const Batch& batch);

}  // namespace onespike::oracle
