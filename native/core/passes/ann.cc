// The same network and weights with ReLU or binary activations in place of spiking layers, one chunk of images
// (docs/MATHEMATICS.md, "The ANN stage" and "Binary activations").
#include <algorithm>

#include "core/passes/dense.h"
#include "core/passes/passes.h"

namespace onespike {
namespace {

template <class Visit>
void each_ann_buffer(NetworkState& net, int64_t images, bool train, const Visit& need) {
  const Plan& plan = net.plan;
  const int64_t n = std::min<int64_t>(plan.chunk_of(Mode::kAnn, train), images);
  need(net.analog, n * plan.image_size());
  int64_t largest = 0, pooled = 0, workspace = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StageShape& s = plan.stages[i];
    StageBuffers& b = net.stages[i];
    each_dense_buffer(net, i, n, Mode::kAnn, train, need);
    workspace = std::max(workspace, int64_t(net.backend->workspace_bytes({n, 1, train, s})));
    if (net.binary && train && !s.output) need(b.decided, n * s.out_size());
    if (train && net.dropout(i)) need(b.mask, n * s.out_size());
    if (train && !s.output && !plan.in_chain(i)) need(b.received, n * s.out_size());
    if (s.max.count > 0) need(b.maxima, n * s.src_size()), pooled = std::max(pooled, n * s.src_size());
    largest = std::max(largest, n * s.out_size());
  }
  if (train) need(net.gradient, pooled);
  for (auto& buffer : net.d_activation)
    if (train) need(buffer, largest);
  need(net.workspace, workspace);
}

// The gradient at the input of the activation, in the place of that at what it sends.
void binary_backward(NetworkState& net, size_t stage, float* d_out, int n) {
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  // What the gate below lets through reaches dropped activations too.
  if (net.dropout(stage))
    net.backend->run(MaskValuesTask{.values = d_out, .mask = b.mask.data(), .scale = 1, .count = n * s.out_size()});
  net.backend->run(BinaryBackwardTask{.d_out = d_out,
                                      .d_neuron = net.parameters[stage].d_neuron,
                                      .x = b.decided.data(),
                                      .neuron = net.parameters[stage].neuron,
                                      .cost = net.loss.cost(stage),
                                      .count = n * s.out_size()});
}

// Where the gradient at what a stage sends is of use: where ReLU let its input through, which is also where a binary
// activation has a gradient or could have one of its threshold.
const float* gate(const NetworkState& net, size_t stage) {
  return net.binary ? net.stages[stage].decided.data() : net.stages[stage].activation.data();
}

// What a stage reads, before its maximum pools.
const float* activations_below(const NetworkState& net, size_t stage) {
  return net.plan.reads_pixels(stage) ? net.analog.data()
                                      : net.stages[size_t(net.plan.sources[stage])].activation.data();
}

// The gradient at what a stage sends: in a buffer that stages in a chain take in turns, or else in its own.
float* activation_gradient(const NetworkState& net, size_t stage) {
  const size_t last = net.plan.stages.size() - 1;
  if (stage < last && !net.plan.in_chain(stage)) return net.stages[stage].received.data();
  return net.d_activation[(last - stage) % 2].data();
}

}  // namespace

Status prepare_ann(NetworkState& net, Mode mode, int64_t images, bool train) {
  net.prepare(mode, train);
  net.binary = mode == Mode::kBinary;
  return ensure_buffers(*net.backend, images,
                        [&](int64_t n, const auto& visit) { each_ann_buffer(net, n, train, visit); });
}

Status ann_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, const Stop& stop) {
  Backend& backend = *net.backend;
  backend.run(EncodeTask{.analog = net.analog.data(),
                         .pixels = pixels,
                         .params = net.encoding(Encoder::kDirect),
                         .n = n,
                         .first_image = first});
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    StageBuffers& b = net.stages[i];
    const bool normalised = s.norm && !net.folds(i), binary = net.binary && !s.output;
    // Where the activation reads it; kept for the gradient if that wants it.
    float* const decided = binary && train ? b.decided.data() : b.activation.data();
    const bool relu = !s.output && !normalised && !binary;
    dense_forward(net, i, activations_below(net, i), false, normalised ? b.weighted.data() : decided, relu, n);
    if (normalised) norm_forward(net, i, decided, !binary, n);
    if (binary)
      backend.run(BinaryForwardTask{.out = b.activation.data(),
                                    .x = decided,
                                    .neuron = net.parameters[i].neuron,
                                    .spikes = net.spikes.data() + i,
                                    .count = n * s.out_size()});
    if (train && net.dropout(i)) {
      // A dropped activation is 0, and so is its gradient, by the same test as ReLU's.
      backend.run(net.dropout_mask(i, n, first));
      backend.run(MaskValuesTask{.values = b.activation.data(),
                                 .mask = b.mask.data(),
                                 .scale = 1 / (1 - s.dropout),
                                 .count = n * s.out_size()});
    }
  }
  return Status::success();
}

Status ann_backward(NetworkState& net, int n, const Stop& stop) {
  Backend& backend = *net.backend;
  for (size_t i = net.plan.stages.size(); i-- > 0;) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    StageBuffers& b = net.stages[i];
    float* d_out = activation_gradient(net, i);
    if (net.binary && !s.output) binary_backward(net, i, d_out, n);
    dense_backward(net, i, d_out, n);
    if (net.stage_done) net.stage_done(i);
    if (net.plan.reads_pixels(i)) continue;
    const size_t from = size_t(net.plan.sources[i]);
    const float keep = net.dropout(from) ? 1 - net.plan.stages[from].dropout : 1;
    float* const d_below = activation_gradient(net, from);
    const bool max = s.max.count > 0;
    backend.run(DenseInputGradientTask{.d_src = max ? net.gradient.data() : d_below,
                                       .add = net.plan.adds_gradient(i),
                                       .d_out = d_out,
                                       .weight = net.weight(i),
                                       .weight_backward = b.backward.data(),
                                       .activation = max ? b.maxima.data() : gate(net, from),
                                       .scale = 1 / keep,
                                       .n = n,
                                       .shape = s});
    if (max)
      backend.run(MaxPoolBackwardTask{.d_below = d_below,
                                      .d_src = net.gradient.data(),
                                      .below_values = activations_below(net, i),
                                      .n = n,
                                      .shape = s});
  }
  return Status::success();
}

}  // namespace onespike
