// The normalised layers of a simulated network, dense and plain.
#pragma once

#include <vector>

#include "test/support/oracle.h"

namespace onespike::oracle {

// A weighted layer behind its pools.
struct SimulatedLayer {
  std::vector<Shape> before;  // what comes in, and after every pool
  std::vector<int> pools;
  LayerSpec spec;
  Shape out;
  Values weight, bias;
};

// With `activations` as for simulated_network; the running statistics normalise.
std::vector<SimulatedLayer> simulated_layers(const NetworkSpec& spec, const Parameters& parameters,
                                             const std::vector<double>& activations);

// The sums of a layer for one map. `ones`: weights and the shares of pools count 1.
Values weighted_sums(const SimulatedLayer& layer, Values map, bool ones);

// What a byte stands for before normalisation, and the largest size of that.
double input_value(const NetworkSpec& spec, int channel, int byte);
double largest_input(const NetworkSpec& spec);

}  // namespace onespike::oracle
