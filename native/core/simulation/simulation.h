// Inference of a converted ANN in another code (docs/MATHEMATICS.md, "Simulated codes"): the network that is simulated,
// how, and what is counted. It lies in the host's memory and is simulated on the CPU, whatever backend the network has
// that it comes from.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "core/network.h"
#include "core/status.h"
#include "ops/shape.h"
#include "ops/simulation/codes.h"
#include "ops/simulation/first_spike.h"

namespace onespike {

// A weighted layer whose input and output values are normalised, batch normalisation folded.
struct SimulatedStage {
  StageShape shape;
  std::vector<float> weight;  // PyTorch's layout
  std::vector<float> bias;    // (out_c), zeros without one
};

struct SimulatedNetwork {
  int channels = 0, height = 0, width = 0;
  // (C, 256) what a byte of a channel stands for, in [-1, 1].
  std::vector<double> input;
  std::vector<SimulatedStage> stages;  // the last one is the output layer
};

// The ANN of a network; one with a code of its own is kArg. `activations` are what the activations of its hidden layers
// are divided by, in layer order: all positive.
Status simulated_network(const Network& network, const std::vector<double>& activations, SimulatedNetwork* simulated);

struct SimulationOptions {
  SimulatedCode code = SimulatedCode::kRate;
  // Of all layers together in a stepped code, of a layer's window in a layered one.
  int64_t timesteps = 1;
  double threshold = 1;  // V, or the first spike of a burst; stepped codes
  // ttfs-converted and one-spike-phase: of what pixels send, then of every hidden layer.
  std::vector<FirstSpikeClock> clocks;
  // ttfs-converted and one-spike-phase: a layer's window begins so many steps after that of the layer before, which may
  // still be sending then. 1 .. timesteps.
  int64_t stride = 1;
  uint64_t seed = 0;
  int threads = 1;
  int64_t record = 1;                // predictions are kept after every so many steps, and after the last one
  std::vector<int64_t> logit_steps;  // after which logits are kept: ascending, from 1 on
};

// Steps of a simulation in all.
inline int64_t simulation_steps(const SimulationOptions& options, size_t stages) {
  if (is_stepped(options.code)) return options.timesteps;
  return int64_t(stages - 1) * options.stride + options.timesteps;
}
inline int64_t recorded_steps(const SimulationOptions& options, size_t stages) {
  return (simulation_steps(options, stages) + options.record - 1) / options.record;
}

struct SimulationImages {
  const uint8_t* pixels = nullptr;  // (count, C, H, W)
  int64_t count = 0;
  int64_t first = 0;  // position of the first of them, for random numbers
};

// Sums over images of what one stage received and did.
struct StageCounts {
  int64_t events = 0;       // that arrived, those that a pool drops included
  int64_t accumulates = 0;  // events times their fan-out
  int64_t value_macs = 0;   // of neurons that received anything in a step whose events count no power of two
  int64_t updates = 0;      // of membrane potentials
  int64_t spikes = 0;       // that it sent
  StageCounts& operator+=(const StageCounts& other);
};

struct SimulationOutputs {
  int32_t* predictions = nullptr;        // (count, recorded steps)
  float* logits = nullptr;               // (count, logit steps, K)
  std::vector<StageCounts> counts = {};  // per stage
};

// Errors: kArg for options that fit no simulation of this network.
Status check_simulation(const SimulationOptions& options, const SimulatedNetwork& network);

}  // namespace onespike
