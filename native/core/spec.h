// What a network is: the description that crosses from JavaScript, before any buffer exists. core/limits.h has the
// range of every number.
#pragma once

#include <cstdint>
#include <vector>

#include "core/limits.h"
#include "ops/code/code.h"
#include "ops/encoders.h"
#include "ops/surrogate.h"

namespace onespike {

enum class LayerType { kConv, kAvgPool, kMaxPool, kLinear };
inline bool is_pool(LayerType type) { return type == LayerType::kAvgPool || type == LayerType::kMaxPool; }
// The ANN with ReLU, the spiking network, the ANN with binary activations, and the network with a code, which is the
// spiking mode of a network that has one.
enum class Mode { kAnn, kSnn, kBinary, kCoded };
// Whether a pass multiplies maps of numbers, one for all time, layer after layer.
inline bool is_dense(Mode mode) { return mode != Mode::kSnn; }

// One entry of the layer list. Unused fields of a type are ignored (a pool reads `kernel` alone).
struct LayerSpec {
  LayerType type = LayerType::kConv;
  int out = 0;     // channels or units
  int kernel = 3;  // square; a pool's window and stride
  int stride = 1;
  int padding = 1;
  int pool = 1;  // of a convolution: side of the window in which currents are averaged before the neuron
  bool bias = false;
  bool norm = false;                         // batch normalisation of the weighted input; hidden layers
  bool output = false;                       // the last layer: linear, integrates, never resets
  float leak = 1.0f;                         // initial lambda in [0, 1]
  float threshold = 1.0f;                    // initial V > 0
  float time_constant = 2.0f, delay = 0.0f;  // initial t_c and t_d under the code ttfs
  float dropout = 0.0f;                      // rate in [0, 1) on this layer's spikes, training only
};

struct NetworkSpec {
  int channels = 0, height = 0, width = 0;  // of the input image
  int timesteps = 0;                        // T, 1..kMaxTimesteps
  std::vector<LayerSpec> layers;
  std::vector<float> mean, std;     // per channel, of q = p / 255
  float alpha = 1.0f, beta = 1.0f;  // weights of membrane and spike-time term of the logit
  float gamma = 0.3f;               // height of the surrogate
  float surrogate_scale = 1.0f;     // decay or width of the surrogates that have one
  Surrogate surrogate = Surrogate::kTriangle;
  float initial_potential = 0.0f;  // U(0) / V of hidden neurons
  int genes = 0;                   // of which the weights of every convolution but the first are made; 0 = none are
  bool schedules = false;          // weighted layers have a kappa and a theta of T numbers
  SpikeCode code;                  // with a code there are neither time steps nor neurons with thresholds
  Encoder encoder = Encoder::kHybrid;
  double lo = 0.0, hi = 1.0;  // intensities that map to the last and the first coded step
  int norm_group = 64;        // consecutive images that an ANN training step normalises together
  uint64_t seed = 0;          // initial weights, dropout, rate encoder
  bool profile = false;       // keep times per layer and operation
};

// The step of a radix layer before training or conversion: values up to 2, twice the spread that weighted inputs have
// under the initial weights.
inline float initial_step(const SpikeCode& code) { return 2.0f / float(code.levels()); }

constexpr int kMaxTimesteps = int(limits::kTimesteps.max);

}  // namespace onespike
