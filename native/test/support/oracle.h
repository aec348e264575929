// The mathematics of docs/MATHEMATICS.md once more, as slowly and plainly as possible: double precision, dense time
// loops, no event lists and none of the identities that the kernels use. Everything fast is compared with this, and
// this is compared with finite differences of the smooth network it differentiates.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/network.h"
#include "core/spec.h"

namespace onespike::oracle {

using Values = std::vector<double>;

struct Shape {
  int channels = 0, height = 1, width = 1;
  int64_t size() const { return int64_t(channels) * height * width; }
};

// Shapes before and after every entry of the layer list: [0] is the input image, [i + 1] the output of entry i.
std::vector<Shape> layer_shapes(const NetworkSpec& spec);

struct LayerParameters {
  Values weight;  // (O, I, kh, kw) or (O, I); empty for a pool
  Values bias;    // (O) or empty
  double threshold = 1.0, leak = 1.0;
  Values kappa = {}, theta = {};  // (T), or empty: all 1
  // Batch normalisation, (O) each; empty where there is none. Running statistics have a gradient of zeros.
  Values norm_weight = {}, norm_bias = {}, running_mean = {}, running_var = {};
};
using Parameters = std::vector<LayerParameters>;  // one per entry of the layer list

// The numbers called `layers.I.weight|bias|norm.*|kappa|theta`; null for `threshold` and `leak`, which are one number.
Values* values_of(Parameters& parameters, const std::string& name);

// Any parameter, as pointer and length.
struct Slice {
  double* data;
  int64_t size;
};
Slice find(Parameters& parameters, const std::string& name);

// H itself, or the smooth function whose derivative the surrogate is (kPrimitive; the exponential surrogate has none,
// because it depends on the spike time and not on z).
enum class SpikeFunction { kHeaviside, kPrimitive };

double surrogate_derivative(const NetworkSpec& spec, double z, int step, int fire_step);
double surrogate_primitive(const NetworkSpec& spec, double z);

// The coded input X (T, N, C, H, W); in ANN mode the normalised image (1, N, C, H, W). The rate encoder draws random
// numbers and is not part of the oracle.
Values encode(const NetworkSpec& spec, Mode mode, const Batch& batch);

struct LayerTrace {
  Values input;            // (T, N, in): what the layer received
  Values standard;         // (T, N, out): standardised before gamma and beta; empty without normalisation
  Values inverse;          // as `standard`: 1 / sqrt(variance + epsilon)
  Values mean, variance;   // (O) of the groups, unbiased and averaged over them
  Values potential;        // (T, N, out): U; in ANN mode the weighted input
  std::vector<int> fired;  // (N, out): spike step, T + 1 = never; with a code the byte of a trace
};

struct Forward {
  std::vector<LayerTrace> layers;  // one per entry of the layer list
  Values logits;                   // (N, K)
  Values step_logits;              // (S, N, K): after the steps that the loss sees, the last one always among them
  double loss = 0.0;               // NaN without labels
  int64_t correct = 0;
  // Distance of the nearest decision to a tie, relative to the threshold: |z| of every neuron that could still fire,
  // | |z| - surrogate scale | under the rectangular surrogate; of the ANN |input of the activation| relative to the
  // layer's mean magnitude.
  double margin = 0.0;
};

// The neurons of a layer over all steps, from U(0) = initial V and the weighted input I (T, N, out). `spikes` (T, N,
// out) receives O; `given` are spike steps to take as they are, or null; `margin` becomes the smallest distance to a
// tie if that is less.
void integrate(const NetworkSpec& spec, const LayerParameters& p, double initial, const Values& weighted,
               SpikeFunction spike, const std::vector<int>* given, LayerTrace& trace, Values& spikes, double& margin);

// Back through time: `d_spikes` (T, N, out) is the gradient at O, `d_potential` (T, N, out) an extra one at U. Returns
// the gradient at I, which is that at U; adds to the threshold, leak and theta of `gradient` and, in absolute values,
// `magnitude`.
Values integrate_backward(const NetworkSpec& spec, const LayerParameters& p, double initial, const LayerTrace& trace,
                          const Values& d_spikes, const Values& d_potential, LayerParameters& gradient,
                          LayerParameters& magnitude);

// The neurons of a relaxed layer, which never fire: `sent` (T, N, out) receives at step 1 the share of their threshold
// that they reach at the last step, between 0 and 1. `margin` becomes the distance to a bound if that is less.
void integrate_relaxed(const NetworkSpec& spec, const LayerParameters& p, double initial, const Values& weighted,
                       LayerTrace& trace, Values& sent, double& margin);
// As integrate_backward, from the gradient at `sent`.
Values relaxed_backward(const NetworkSpec& spec, const LayerParameters& p, double initial, const LayerTrace& trace,
                        const Values& d_sent, LayerParameters& gradient, LayerParameters& magnitude);

struct Options {
  SpikeFunction spike = SpikeFunction::kHeaviside;
  // Spike steps to take as given instead of deciding them: 'has fired before' is a constant to the gradient.
  const Forward* gates = nullptr;
  // The coded input X (T, N, C, H, W) where the encoder is random; null = encode().
  const Values* input = nullptr;
  // The share of a label that all classes have alike.
  double label_smoothing = 0.0;
  // Logits (N, K) of a teacher, or empty; its weight in the loss, and the temperature.
  Values teacher;
  double distillation = 0.0, temperature = 1.0;
  // (T) weights of the loss after each step, or empty: the last step alone.
  Values time_weights;
  // Per entry of the layer list, or empty: what a spike of it adds to the loss. Those that a pool drops cost nothing.
  Values spike_costs;
  // Per entry of the layer list, empty or (N, out): the factor of every spike, 0 or 1 / (1 - rate).
  std::vector<Values> dropout;
  // Per entry of the layer list, or empty: whether it is relaxed. Such a layer drops nothing, and has no spikes that
  // cost.
  std::vector<char> relaxed;
  // The ANN in training: statistics of groups of images, not the running ones.
  bool groups = false;
};

// The mean loss of logits (S, N, K) after one step or after all T; writes its gradient at them into `d`, unless null.
double loss_of(const Batch& batch, const Options& options, const Values& step_logits, int classes, Values* d);

// What entry `layer` with `out` adds to the loss by its spikes (T, N, out) and their costs, and its gradient at one.
double spike_cost(const NetworkSpec& spec, const Options& options, size_t layer, const Values& spikes);
void add_spike_cost(const NetworkSpec& spec, const Options& options, size_t layer, Values& d_spikes);
// What a spike of a hidden entry costs.
double cost_of(const NetworkSpec& spec, const Options& options, size_t layer);

// The binary activation of an ANN, and the gradient at its input, where a spike costs `cost`; thresholds as
// integrate_backward. `margin` becomes the distance of x to V, 0 and 2 V if that is less.
double activate(const LayerParameters& p, double x, double& margin);
Values activate_backward(const LayerParameters& p, const Values& x, const Values& d, double cost,
                         LayerParameters& gradient, LayerParameters& magnitude);

// What a neuron of a coded network sends for the weighted input v: the byte of a trace, and the number that it stands
// for. `margin` becomes the distance of v to a border if that is less. The parameters of a code lie in the places of
// threshold and leak.
struct Sent {
  int code;
  double value;
};
Sent send(const NetworkSpec& spec, const LayerParameters& p, double v, double& margin);
// The gradient at the weighted input, straight through; parameters as integrate_backward.
Values send_backward(const NetworkSpec& spec, const LayerParameters& p, const LayerTrace& trace, const Values& d,
                     LayerParameters& gradient, LayerParameters& magnitude);
// What a pixel of a coded network counts as.
double coded_pixel(const NetworkSpec& spec, uint8_t byte, int channel);
// The position of the first of the largest values of every window of a maximum pool, over rows of `x`.
std::vector<int64_t> largest(const LayerSpec& layer, const Shape& in, const Shape& out, const Values& x);

// Images [begin, end) whose statistics normalise them together.
struct NormGroup {
  int64_t begin, end;
};
std::vector<NormGroup> norm_groups(const NetworkSpec& spec, int64_t images);
// Normalises `weighted` (T, N, out); statistics are those of groups of images, or else the running ones.
void normalise(const NetworkSpec& spec, const LayerParameters& p, const Shape& out, int64_t images, bool groups,
               Values& weighted, LayerTrace& trace);
// From the gradient at the normalised input to that at the weighted one; adds to `gradient`.
void normalise_backward(const NetworkSpec& spec, const LayerParameters& p, const Shape& out, int64_t images,
                        bool groups, const LayerTrace& trace, Values& d, LayerParameters& gradient);

Forward forward(const NetworkSpec& spec, const Parameters& parameters, Mode mode, const Batch& batch,
                const Options& options = {});

// Gradient of the mean cross-entropy; `trace` is the forward pass of the same arguments. `magnitude`, if wanted,
// receives for every threshold, leak and number of a schedule the sum of the absolute values of the terms of its
// gradient: what thousands of neurons add to with either sign can be no more exact in float32 than its terms are.
Parameters backward(const NetworkSpec& spec, const Parameters& parameters, Mode mode, const Batch& batch,
                    const Forward& trace, const Options& options = {}, Parameters* magnitude = nullptr);

// Visits the layers in order with everything before already spiking; `choose` sees the weighted inputs I (T, N, out) of
// entry `layer` and sets that layer's threshold and leak.
void settle_thresholds(const NetworkSpec& spec, Parameters& parameters, const Batch& batch,
                       const std::function<void(int layer, const Values& weighted, LayerParameters& p)>& choose);

// Percentile (0..100) with linear interpolation between order statistics.
double percentile(Values values, double percent);

// The conversion (docs/MATHEMATICS.md, "Conversion"): V = max(percentile * scale, 1e-3), leak = 1, layer by layer.
void calibrate(const NetworkSpec& spec, Parameters& parameters, const Batch& batch, double percent, double scale);

struct OptimizerState {
  Parameters slot0, slot1, slot2;  // momentum | m, v, largest v
  int64_t steps = 0;
};

// One step of SGD, Adam or AdamW as PyTorch defines them, after clipping the global norm; then V >= 1e-3, leak in [0,
// 1].
void optimizer_step(const OptimizerOptions& options, Parameters& parameters, const Parameters& gradient,
                    OptimizerState& state);

double gradient_norm(const Parameters& gradient);

}  // namespace onespike::oracle
