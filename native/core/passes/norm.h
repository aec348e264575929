// The weights that a pass computes with, where they are not the parameters themselves. Currents that are averaged
// before the neuron are those of pooled weights (docs/MATHEMATICS.md, "Pools before the neuron"). Of batch
// normalisation ("Batch normalisation") a training pass of the ANN normalises each chunk, which is one group of images,
// by its own statistics; every other pass folds the running statistics into copies of weights and bias first, and knows
// of them no more.
#pragma once

#include "core/state/state.h"

namespace onespike {

// Visits the buffers that stage `i` needs for `n` images, as ensure_buffers does: of a pass over groups, or of one that
// folds.
template <class Visit>
void each_weight_buffer(NetworkState& net, size_t i, int64_t n, bool groups, bool train, const Visit& need) {
  const StageShape& s = net.plan.stages[i];
  StageBuffers& b = net.stages[i];
  if (net.pools_currents(i)) need(b.pooled_weight, s.weights());
  if (net.pools_currents(i) && train) need(b.d_pooled_weight, s.weights());
  if (!s.norm) return;
  if (groups) {
    need(b.weighted, n * s.out_size()), need(b.moments, 2 * s.out_cs), need(b.norm_sums, 2 * s.out_cs);
  } else {
    need(b.folded_weight, s.weights()), need(b.folded_bias, s.out_cs);
  }
}

// Whether finite(values, count) holds for what normalises the stage, if anything does.
template <class Finite>
bool has_finite_norm(const NetworkState& net, size_t stage, const Finite& finite) {
  const StageNorm norm = net.parameters.norm()[stage];
  const int64_t count = 2 * net.plan.stages[stage].out_cs;
  return !norm.affine || (finite(norm.affine, count) && finite(norm.running, count));
}

// ---- at the ends of a step: pools weights, sets sums to zero or folds, and makes the copies of the weights for
// forward kernels; sets the gradients of pooled weights to zero; then gradients through what was folded and pooled, and
// the running statistics of a step over so many groups.
void pack_weights(NetworkState& net);
void zero_pooled_gradients(NetworkState& net);
void end_weight_gradients(NetworkState& net);
void update_running_statistics(NetworkState& net, int64_t groups);

// ---- a stage of a pass over groups: the normalised input or its ReLU from `weighted`, and the gradient at `weighted`
// in the place of that at the normalised input.
void norm_forward(NetworkState& net, size_t stage, float* out, bool relu, int n);
void norm_backward(NetworkState& net, size_t stage, float* d_out, int n);

}  // namespace onespike
