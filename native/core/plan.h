// From a description to shapes: checks a NetworkSpec and resolves it into stages, one per weighted layer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "core/backend/backend.h"
#include "core/network.h"
#include "core/spec.h"
#include "core/status.h"
#include "ops/ann/norm.h"
#include "ops/shape.h"

namespace onespike {

// Tensors of a stage that is normalised, in their order.
constexpr const char* kNormTensors[] = {"norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"};
constexpr int kNormTensorCount = int(std::size(kNormTensors));

constexpr int kPixels = -1;  // the source of a stage that reads the image

struct Plan {
  NetworkSpec spec;
  std::vector<StageShape> stages;   // the last one is the output layer
  std::vector<int> sources;         // per stage: the stage before it whose spikes or activations it reads, or kPixels
  std::vector<TensorInfo> tensors;  // per stage: weight, bias and norm if any, then threshold, leak, kappa, theta, or
                                    // the parameters of a code, then genes and gene_scale; at the end one per kernel
                                    // of gene_kernels
  std::vector<int> gene_kernels;    // sides of the kernels whose weights follow from genes, ascending
  int chunk = 1;                    // images that pass through the spiking network together in training
  int block = 1;                    // images whose linear layers share one weight gradient pass, whole chunks
  int inference_chunk = 1;  // images that pass through the spiking network together when nothing is kept for a gradient
  int ann_chunk = 1;        // and through the ANN

  bool coded() const { return spec.code.kind != CodeKind::kNone; }
  int64_t image_size() const { return int64_t(spec.channels) * spec.height * spec.width; }

  // The most images that a pass takes at once.
  int chunk_of(Mode mode, bool train) const {
    if (normalises_groups(mode, train)) return largest_norm_group(spec.norm_group);
    return is_dense(mode) ? ann_chunk : train ? chunk : inference_chunk;
  }
  // The images that pass together from image `first` of a batch on: in a pass that normalises groups, one group.
  int chunk_at(Mode mode, bool train, int64_t first, int64_t count) const {
    if (normalises_groups(mode, train)) return norm_group_at(spec.norm_group, count - first);
    return int(std::min<int64_t>(chunk_of(mode, train), count - first));
  }
  bool has_norm() const {
    return std::any_of(stages.begin(), stages.end(), [](const StageShape& s) { return s.norm; });
  }
  // Whether a pass normalises by the statistics of its own images, not by the running ones.
  bool normalises_groups(Mode mode, bool train) const { return is_dense(mode) && train && has_norm(); }
  // How many tensors a stage has of threshold and leak, or of what a code has in their place.
  int pair_tensors(size_t stage) const {
    if (!coded()) return 2;
    if (stages[stage].output || spec.code.kind == CodeKind::kPhase) return 0;
    return spec.code.kind == CodeKind::kTtfs ? 2 : 1;
  }
  // Whether the channels that a stage sends have genes, and whether its weights follow from them.
  bool expresses(size_t stage) const { return spec.genes > 0 && !stages[stage].linear; }
  bool genetic(size_t stage) const { return expresses(stage) && !reads_pixels(stage); }
  int classes() const { return stages.back().out_c; }
  bool reads_pixels(size_t stage) const { return sources[stage] == kPixels; }
  // How many stages read what a stage sends; none reads the output layer.
  int readers(size_t stage) const { return int(std::count(sources.begin(), sources.end(), int(stage))); }
  // Gradients arrive from the last reader of a map to the first: whether one before this stage has written there.
  bool adds_gradient(size_t stage) const {
    return std::count(sources.begin() + std::ptrdiff_t(stage) + 1, sources.end(), sources[stage]) > 0;
  }
  // Whether the gradient of a stage arrives from the next one alone, which is then the step before its own.
  bool in_chain(size_t stage) const { return readers(stage) == 1 && sources[stage + 1] == int(stage); }
  // Whether a(t) of a stage cannot take the place of its potentials: every reader wants them, and so do schedules.
  bool keeps_potential(size_t stage) const { return readers(stage) > 1 || spec.schedules; }
  // Linear layers that read spikes wait with their weight gradient until a block is complete.
  bool waits(size_t stage) const { return !reads_pixels(stage) && stages[stage].linear; }
  // The map of a stage that a reader needs until then.
  bool keeps_block(size_t stage) const {
    for (size_t reader = stage + 1; reader < stages.size(); ++reader)
      if (sources[reader] == int(stage) && waits(reader)) return true;
    return false;
  }
  EncoderEntry encoder() const { return encoder_entry(spec.encoder); }
  bool needs_analog() const { return encoder().analog != AnalogSteps::kNone; }
};

// The variance that the weights of a stage begin with, 2/fan_in (He et al. 2015).
inline float initial_variance(const StageShape& s) { return 2.0f / (float(s.parameter_taps()) * float(s.src_c)); }

// Whether the numbers are in range; the layers are checked elsewhere.
Status check_spec(const NetworkSpec& spec);
Status make_plan(const NetworkSpec& spec, const ChunkLimits& chunk_limits, Plan* plan);

}  // namespace onespike
