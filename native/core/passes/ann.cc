// The same network and weights with ReLU in place of spiking layers, one chunk of images (docs/MATHEMATICS.md, "The ANN
// stage").
#include <algorithm>

#include "core/passes/passes.h"

namespace onespike {
namespace {

template <class Visit>
void each_buffer(NetworkState& net, int64_t images, bool train, const Visit& need) {
  const Plan& plan = net.plan;
  const int64_t n = std::min<int64_t>(plan.chunk_of(Mode::kAnn, train), images);
  need(net.analog, n * plan.stages[0].src_size());
  int64_t largest = 0, workspace = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StageShape& s = plan.stages[i];
    StageBuffers& b = net.stages[i];
    need(b.packed, n * s.padded_size());
    workspace = std::max(workspace, int64_t(net.backend->workspace_bytes({n, 1, train, s})));
    need(b.activation, n * s.out_size());
    need(b.forward, int64_t(net.backend->forward_bytes(s)));
    if (train && !plan.reads_pixels(i)) need(b.backward, int64_t(net.backend->backward_bytes(true, s)));
    if (train && net.dropout(i)) need(b.mask, n * s.out_size());
    if (train && !s.output && !plan.in_chain(i)) need(b.received, n * s.out_size());
    largest = std::max(largest, n * s.out_size());
  }
  for (auto& buffer : net.d_activation)
    if (train) need(buffer, largest);
  need(net.workspace, workspace);
}

// The gradient at what a stage sends: in a buffer that stages in a chain take in turns, or else in its own.
float* activation_gradient(const NetworkState& net, size_t stage) {
  const size_t last = net.plan.stages.size() - 1;
  if (stage < last && !net.plan.in_chain(stage)) return net.stages[stage].received.data();
  return net.d_activation[(last - stage) % 2].data();
}

}  // namespace

Status prepare_ann(NetworkState& net, int64_t images, bool train) {
  net.prepare(Mode::kAnn, train);
  return ensure_buffers(*net.backend, images, [&](int64_t n, const auto& visit) { each_buffer(net, n, train, visit); });
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
    const float* source =
        net.plan.reads_pixels(i) ? net.analog.data() : net.stages[size_t(net.plan.sources[i])].activation.data();
    backend.run(PackInputTask{.packed = b.packed.data(), .src = source, .n = n, .shape = s});
    backend.run(DenseForwardTask{.out = b.activation.data(),
                                 .packed = b.packed.data(),
                                 .weight = net.parameters[i].weight,
                                 .weight_forward = b.forward.data(),
                                 .bias = net.bias(i),
                                 .relu = !s.output,
                                 .n = n,
                                 .shape = s});
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
    StageParameters& p = net.parameters[i];
    const float* d_out = activation_gradient(net, i);
    backend.run(
        DenseWeightGradientTask{.d_weight = p.d_weight, .packed = b.packed.data(), .d_out = d_out, .n = n, .shape = s});
    if (s.bias) backend.run(DenseBiasGradientTask{.d_bias = p.d_bias, .d_out = d_out, .n = n, .shape = s});
    if (net.plan.reads_pixels(i)) continue;
    const size_t from = size_t(net.plan.sources[i]);
    const float keep = net.dropout(from) ? 1 - net.plan.stages[from].dropout : 1;
    backend.run(DenseInputGradientTask{.d_src = activation_gradient(net, from),
                                       .add = net.plan.adds_gradient(i),
                                       .d_out = d_out,
                                       .weight = p.weight,
                                       .weight_backward = b.backward.data(),
                                       .activation = net.stages[from].activation.data(),
                                       .scale = 1 / keep,
                                       .n = n,
                                       .shape = s});
  }
  return Status::success();
}

}  // namespace onespike
