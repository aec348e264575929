#include "core/passes/norm.h"

namespace onespike {

void pack_weights(NetworkState& net) {
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    const StageBuffers& b = net.stages[i];
    if (net.pools_currents(i)) net.backend->run(PoolWeightsTask{b.pooled_weight.data(), net.parameters[i].weight, s});
    if (net.folds(i))
      net.backend->run(FoldNormTask{.folded_weight = b.folded_weight.data(),
                                    .folded_bias = b.folded_bias.data(),
                                    .weight = net.unfolded_weight(i),
                                    .bias = s.bias ? net.parameters[i].bias : nullptr,
                                    .affine = net.parameters.norm()[i].affine,
                                    .running = net.parameters.norm()[i].running,
                                    .shape = s});
    else if (s.norm) net.backend->run(ZeroTask{b.norm_sums.data(), size_t(b.norm_sums.bytes())});
    if (float* rounded = b.rounded_weight.data())
      net.backend->run(RoundWeightsTask{.rounded = rounded,
                                        .unit = rounded + s.weights(),
                                        .weight = net.unrounded_weight(i),
                                        .bits = net.plan.spec.code.weight_bits,
                                        .count = s.weights()});
    if (b.forward.data()) net.backend->run(PackForwardTask{b.forward.data(), net.weight(i), s});
  }
}

void zero_pooled_gradients(NetworkState& net) {
  for (StageBuffers& b : net.stages)
    if (float* values = b.d_pooled_weight.data()) net.backend->run(ZeroTask{values, size_t(b.d_pooled_weight.bytes())});
}

void end_weight_gradients(NetworkState& net) {
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    const StageParameters& p = net.parameters[i];
    const StageNorm norm = net.parameters.norm()[i];
    if (net.folds(i))
      net.backend->run(FoldNormBackwardTask{.d_weight = net.d_weight(i),
                                            .d_bias = p.d_bias,
                                            .d_affine = norm.d_affine,
                                            .weight = net.unfolded_weight(i),
                                            .bias = net.plan.stages[i].bias ? p.bias : nullptr,
                                            .affine = norm.affine,
                                            .running = norm.running,
                                            .shape = net.plan.stages[i]});
    if (net.pools_currents(i))
      net.backend->run(PoolWeightsBackwardTask{p.d_weight, net.d_weight(i), net.plan.stages[i]});
  }
}

void update_running_statistics(NetworkState& net, int64_t groups) {
  for (size_t i = 0; i < net.plan.stages.size(); ++i)
    if (net.plan.stages[i].norm && !net.folds(i))
      net.backend->run(RunningStatisticsTask{.running = net.parameters.norm()[i].running,
                                             .sums = net.stages[i].norm_sums.data(),
                                             .out_cs = net.plan.stages[i].out_cs,
                                             .groups = int(groups),
                                             .result = net.result.data()});
}

void norm_forward(NetworkState& net, size_t stage, float* out, bool relu, int n) {
  const StageBuffers& b = net.stages[stage];
  net.backend->run(NormStatisticsTask{.moments = b.moments.data(),
                                      .sums = b.norm_sums.data(),
                                      .weighted = b.weighted.data(),
                                      .n = n,
                                      .shape = net.plan.stages[stage]});
  net.backend->run(NormForwardTask{.out = out,
                                   .weighted = b.weighted.data(),
                                   .moments = b.moments.data(),
                                   .affine = net.parameters.norm()[stage].affine,
                                   .relu = relu,
                                   .n = n,
                                   .shape = net.plan.stages[stage]});
}

void norm_backward(NetworkState& net, size_t stage, float* d_out, int n) {
  const StageNorm norm = net.parameters.norm()[stage];
  net.backend->run(NormBackwardTask{.d_out = d_out,
                                    .d_affine = norm.d_affine,
                                    .weighted = net.stages[stage].weighted.data(),
                                    .moments = net.stages[stage].moments.data(),
                                    .affine = norm.affine,
                                    .n = n,
                                    .shape = net.plan.stages[stage]});
}

}  // namespace onespike
