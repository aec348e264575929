// What a network is: the description that crosses from JavaScript, before any buffer exists. core/limits.h has the
// range of every number.
#pragma once

#include <cstdint>
#include <vector>

#include "core/limits.h"
#include "ops/encoders.h"
#include "ops/surrogate.h"

namespace onespike {

enum class LayerType { kConv, kAvgPool, kLinear };
enum class Mode { kAnn, kSnn };

// One entry of the layer list. Unused fields of a type are ignored (a pool reads `kernel` alone).
struct LayerSpec {
  LayerType type = LayerType::kConv;
  int out = 0;     // channels or units
  int kernel = 3;  // square; a pool's window and stride
  int stride = 1;
  int padding = 1;
  bool bias = false;
  bool output = false;     // the last layer: linear, integrates, never resets
  float leak = 1.0f;       // initial lambda in [0, 1]
  float threshold = 1.0f;  // initial V > 0
  float dropout = 0.0f;    // rate in [0, 1) on this layer's spikes, training only
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
  bool schedules = false;  // weighted layers have a kappa and a theta of T numbers
  Encoder encoder = Encoder::kHybrid;
  double lo = 0.0, hi = 1.0;  // intensities that map to the last and the first coded step
  uint64_t seed = 0;          // initial weights, dropout, rate encoder
  bool profile = false;       // keep times per layer and operation
};

constexpr int kMaxTimesteps = int(limits::kTimesteps.max);

}  // namespace onespike
