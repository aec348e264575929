// What the passes with dense layers have in common, that of the ANN and that with a code: one stage of a chunk of n
// images (docs/MATHEMATICS.md, "The ANN stage").
#pragma once

#include "core/passes/norm.h"
#include "core/state/state.h"

namespace onespike {

// Visits the buffers that stage `i` needs for `n` images, as ensure_buffers does.
template <class Visit>
void each_dense_buffer(NetworkState& net, size_t i, int64_t n, Mode mode, bool train, const Visit& need) {
  const StageShape& s = net.plan.stages[i];
  StageBuffers& b = net.stages[i];
  need(b.packed, n * s.padded_size());
  need(b.activation, n * s.out_size());
  each_weight_buffer(net, i, n, net.plan.normalises_groups(mode, train), train, need);
  need(b.forward, int64_t(net.backend->forward_bytes(s)));
  if (train && !net.plan.reads_pixels(i)) need(b.backward, int64_t(net.backend->backward_bytes(true, s)));
}

// The weighted input of a stage, or its ReLU, from the numbers that its source sends, through the pools before it.
inline void dense_forward(NetworkState& net, size_t i, const float* source, bool source_relu, float* out, bool relu,
                          int n) {
  const StageShape& s = net.plan.stages[i];
  const StageBuffers& b = net.stages[i];
  if (s.max.count > 0) {
    net.backend->run(MaxPoolTask{.values = b.maxima.data(), .below_values = source, .n = n, .shape = s});
    source = b.maxima.data();
  }
  net.backend->run(PackInputTask{.packed = b.packed.data(), .src = source, .relu = source_relu, .n = n, .shape = s});
  net.backend->run(DenseForwardTask{.out = out,
                                    .packed = b.packed.data(),
                                    .weight = net.weight(i),
                                    .weight_forward = b.forward.data(),
                                    .bias = net.bias(i),
                                    .relu = relu,
                                    .n = n,
                                    .shape = s});
}

// += the gradients of a stage's parameters from that at its normalised input; leaves in `d_out` that at its weighted
// input.
inline void dense_backward(NetworkState& net, size_t i, float* d_out, int n) {
  const StageShape& s = net.plan.stages[i];
  const StageParameters& p = net.parameters[i];
  // The mean takes a bias out again: its gradient is zero.
  if (s.norm) norm_backward(net, i, d_out, n);
  net.backend->run(DenseWeightGradientTask{
      .d_weight = net.d_weight(i), .packed = net.stages[i].packed.data(), .d_out = d_out, .n = n, .shape = s});
  if (s.bias && !s.norm)
    net.backend->run(DenseBiasGradientTask{.d_bias = p.d_bias, .d_out = d_out, .n = n, .shape = s});
}

}  // namespace onespike
