// Where the first number of a step arose that is not finite.
#include <cmath>

#include "core/passes/norm.h"
#include "core/passes/passes.h"

namespace onespike {

int find_bad_layer(NetworkState& net, Mode mode, bool backward) {
  const auto finite = [&](const float* values, int64_t count) {
    StepResult sum;
    net.backend->run(ZeroTask{net.result.data(), sizeof sum});
    net.backend->run(SquaredNormTask{&net.result.data()->squared_norm, values, count});
    net.backend->download(&sum, net.result.data(), sizeof sum);
    return std::isfinite(sum.squared_norm);
  };
  const std::vector<StageShape>& stages = net.plan.stages;
  for (size_t i = 0; i < stages.size(); ++i) {
    const StageParameters& p = net.parameters[i];
    if (!has_finite_norm(net, i, finite) || !finite(p.weight, stages[i].parameters()) ||
        !finite(p.bias, stages[i].out_cs) || !finite(p.neuron, 2))
      return stages[i].layer;
  }
  for (size_t i = 0; is_dense(mode) && i < stages.size(); ++i)
    if (!finite(net.stages[i].activation.data(), stages[i].out_size())) return stages[i].layer;
  for (size_t i = stages.size(); backward && i-- > 0;)
    if (!finite(net.parameters[i].d_weight, stages[i].parameters()) || !finite(net.parameters[i].d_neuron, 2))
      return stages[i].layer;
  return stages.back().layer;
}

}  // namespace onespike
