// A network with a code, one chunk of images: layer after layer, every neuron sends one byte, and the gradient passes
// straight through the rounding (docs/MATHEMATICS.md, "Coded networks").
#include <algorithm>
#include <cmath>

#include "core/passes/dense.h"
#include "core/passes/passes.h"
#include "ops/rng.h"

namespace onespike {
namespace {

template <class Visit>
void each_coded_buffer(NetworkState& net, int64_t images, bool train, const Visit& need) {
  const Plan& plan = net.plan;
  const int64_t n = std::min<int64_t>(plan.chunk_of(Mode::kCoded, train), images);
  need(net.coded, n * plan.image_size());
  int64_t largest = 0, pooled = 0, workspace = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StageShape& s = plan.stages[i];
    StageBuffers& b = net.stages[i];
    if (plan.spec.code.weight_bits > 0) need(b.rounded_weight, s.weights() + kLane);
    if (s.max.count > 0 && net.relaxes) need(b.maxima, n * s.src_size());
    if (s.max.count > 0) need(b.pooled, n * s.src_size()), pooled = std::max(pooled, n * s.src_size());
    each_dense_buffer(net, i, n, Mode::kCoded, train, need);
    if (!s.output) need(b.times, n * s.out_size());
    if (train && net.dropout(i)) need(b.sent, n * s.out_size()), need(b.mask, n * s.out_size());
    workspace = std::max(workspace, int64_t(net.backend->workspace_bytes({n, 1, train, s})));
    largest = std::max(largest, n * s.out_size());
  }
  for (auto& buffer : net.d_activation)
    if (train) need(buffer, largest);
  if (train) need(net.gradient, pooled);
  need(net.workspace, workspace);
}

// What a stage reads, before its maximum pools.
const uint8_t* levels_below(const NetworkState& net, size_t stage, bool train) {
  if (net.plan.reads_pixels(stage)) return net.coded.data();
  const size_t from = size_t(net.plan.sources[stage]);
  return train && net.dropout(from) ? net.sent(from) : net.times(from);
}

float scale_below(const NetworkState& net, size_t stage, bool train) {
  if (net.plan.reads_pixels(stage) || reads_relaxed(net, stage, train)) return 1;
  const size_t from = size_t(net.plan.sources[stage]);
  return train && net.dropout(from) ? 1 / (1 - net.plan.stages[from].dropout) : 1;
}

// The gradient at what a stage sends, in a buffer that stages take in turns.
float* sent_gradient(const NetworkState& net, size_t stage) {
  return net.d_activation[(net.plan.stages.size() - 1 - stage) % 2].data();
}

// From the gradient at what a stage sends to that at its weighted input before normalisation, in its place.
void code_backward(NetworkState& net, size_t stage, int n) {
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  const StageParameters& p = net.parameters[stage];
  float* const d_out = sent_gradient(net, stage);
  const bool relaxed = net.relaxed[stage];
  if (net.dropout(stage) && !relaxed)
    net.backend->run(MaskValuesTask{.values = d_out, .mask = b.mask.data(), .scale = 1, .count = n * s.out_size()});
  net.backend->run(CodeGradientTask{.d_out = d_out,
                                    .d_pair = p.d_neuron,
                                    .weighted = b.activation.data(),
                                    .levels = b.times.data(),
                                    .values = net.code_values(stage),
                                    .pair = p.neuron,
                                    .code = relaxed ? SpikeCode() : net.plan.spec.code,
                                    .count = n * s.out_size()});
}

// From the gradient at the weighted input of a stage to that at what its source sends.
void pass_down(NetworkState& net, size_t stage, int n) {
  const StageShape& s = net.plan.stages[stage];
  float* const d_below = sent_gradient(net, size_t(net.plan.sources[stage]));
  float* const d_src = s.max.count > 0 ? net.gradient.data() : d_below;
  net.backend->run(DenseInputGradientTask{.d_src = d_src,
                                          .d_out = sent_gradient(net, stage),
                                          .weight = net.weight(stage),
                                          .weight_backward = net.stages[stage].backward.data(),
                                          .scale = scale_below(net, stage, true),
                                          .n = n,
                                          .shape = s});
  if (s.max.count == 0) return;
  MaxPoolBackwardTask task{.d_below = d_below, .d_src = d_src, .n = n, .shape = s};
  if (reads_relaxed(net, stage, true))
    task.below_values = net.stages[size_t(net.plan.sources[stage])].activation.data();
  else task.below_levels = levels_below(net, stage, true);
  net.backend->run(task);
}

void forward_coded(NetworkState& net, size_t stage, float* out, int n, bool train) {
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  const uint8_t* levels = levels_below(net, stage, train);
  if (s.max.count > 0) {
    net.backend->run(MaxPoolTask{.levels = b.pooled.data(), .below_levels = levels, .n = n, .shape = s});
    levels = b.pooled.data();
  }
  const bool pixels = net.plan.reads_pixels(stage);
  net.backend->run(
      CodedForwardTask{.out = out,
                       .packed = b.packed.data(),
                       .levels = levels,
                       .values = pixels ? net.pixel_values.data() : net.code_values(size_t(net.plan.sources[stage])),
                       .scale = scale_below(net, stage, train),
                       .weight = net.weight(stage),
                       .weight_forward = b.forward.data(),
                       .bias = net.bias(stage),
                       .n = n,
                       .shape = s});
}

}  // namespace

Status prepare_coded(NetworkState& net, int64_t images, bool train) {
  net.waiting = 0;
  net.prepare(Mode::kCoded, train);
  return ensure_buffers(*net.backend, images,
                        [&](int64_t n, const auto& visit) { each_coded_buffer(net, n, train, visit); });
}

void fill_code_tables(NetworkState& net) {
  net.backend->run(CodeTablesTask{.tables = net.code_tables.data(),
                                  .pairs = net.parameters[0].neuron,
                                  .layers = int(net.plan.stages.size()),
                                  .code = net.plan.spec.code});
}

bool draw_relaxed(NetworkState& net, float quantised, uint64_t random_step) {
  net.relaxed.assign(net.plan.stages.size(), 0);
  for (size_t i = 0; quantised < 1 && i + 1 < net.plan.stages.size(); ++i) {
    const Rng rng = Rng::of(net.plan.spec.seed, random_step, Stream::kRelaxed, net.plan.stages[i].layer);
    net.relaxed[i] = rng.uniform(0) >= quantised ? 1 : 0;
  }
  return any_relaxed(net);
}

void add_code_penalties(NetworkState& net, const LossOptions& loss) {
  for (size_t i = 0; i + 1 < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    const LayerSpec& layer = net.plan.spec.layers[size_t(s.layer)];
    if (loss.kernel_penalty > 0 && net.plan.spec.code.kind == CodeKind::kTtfs)
      net.backend->run(PullPairTask{.d_pair = net.parameters[i].d_neuron,
                                    .pair = net.parameters[i].neuron,
                                    .towards = {layer.time_constant, layer.delay},
                                    .factor = 2 * loss.kernel_penalty});
    if (loss.spike_penalty > 0 && s.norm)
      net.backend->run(SendingPenaltyTask{.d_affine = net.parameters.norm()[i].d_affine,
                                          .affine = net.parameters.norm()[i].affine,
                                          .borders = net.code_borders(i),
                                          .channels = s.out_c,
                                          .out_cs = s.out_cs,
                                          .factor = float(loss.spike_penalty * double(s.out_cells()))});
  }
}

void scale_code_gradients(NetworkState& net) {
  const SpikeCode& code = net.plan.spec.code;
  if (code.kind != CodeKind::kRadix) return;
  for (size_t i = 0; i + 1 < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    const double terms = double(s.out_cells()) * s.out_c * code.levels();
    net.backend->run(
        ScaleTask{.values = net.parameters[i].d_neuron, .factor = float(1 / std::sqrt(terms)), .count = 1});
  }
}

Status coded_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, const Stop& stop) {
  Backend& backend = *net.backend;
  const NetworkSpec& spec = net.plan.spec;
  backend.run(PixelLevelsTask{.levels = net.coded.data(),
                              .pixels = pixels,
                              .channels = spec.channels,
                              .cells = int64_t(spec.height) * spec.width,
                              .n = n});
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    StageBuffers& b = net.stages[i];
    const bool normalised = s.norm && !net.folds(i);
    float* const out = normalised ? b.weighted.data() : b.activation.data();
    // What a source sends that its code does not round is the ReLU of its weighted input.
    if (reads_relaxed(net, i, train))
      dense_forward(net, i, net.stages[size_t(net.plan.sources[i])].activation.data(), true, out, false, n);
    else forward_coded(net, i, out, n, train);
    if (normalised) norm_forward(net, i, b.activation.data(), false, n);
    if (s.output) continue;
    backend.run(QuantiseTask{.levels = b.times.data(),
                             .weighted = b.activation.data(),
                             .borders = net.code_borders(i),
                             .largest = spec.code.levels(),
                             .count = n * s.out_size()});
    if (!train || !net.dropout(i)) continue;
    backend.run(net.dropout_mask(i, n, first));
    backend.run(
        MaskTimesTask{.to = b.sent.data(), .times = b.times.data(), .mask = b.mask.data(), .count = n * s.out_size()});
  }
  return Status::success();
}

Status coded_backward(NetworkState& net, int n, const Stop& stop) {
  for (size_t i = net.plan.stages.size(); i-- > 0;) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    float* const d_out = sent_gradient(net, i);
    if (!s.output) code_backward(net, i, n);
    dense_backward(net, i, d_out, n);
    if (net.stage_done) net.stage_done(i);
    if (!net.plan.reads_pixels(i)) pass_down(net, i, n);
  }
  return Status::success();
}

}  // namespace onespike
