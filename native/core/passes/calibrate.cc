// What a conversion measures (docs/MATHEMATICS.md, "Conversion"): activations of the ANN, and thresholds from the
// weighted input, layer by layer.
#include <algorithm>
#include <cmath>

#include "core/guard.h"
#include "core/passes/norm.h"
#include "core/passes/passes.h"
#include "core/percentile.h"

namespace onespike {
namespace {

Status calibrate_layers(NetworkState& net, const StagedBatch& batch, double percentile, double scale,
                        const Stop& stop) {
  Backend& backend = *net.backend;
  const NetworkSpec& spec = net.plan.spec;
  const int64_t pixels = net.plan.image_size();
  std::vector<float> host;
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    const StageShape& s = net.plan.stages[i];
    Percentile top(percentile, batch.count * spec.timesteps * s.out_cells() * s.out_c);
    for (int64_t first = 0; first < batch.count; first += net.plan.chunk) {
      const int n = int(std::min<int64_t>(net.plan.chunk, batch.count - first));
      if (Status status = snn_forward(net, batch.pixels + first * pixels, n, first, false, i, stop); !status.ok())
        return status;
      NeuronParams silent = net.neuron(i);
      silent.neuron = net.silent.data(), silent.fires = false;
      const StageBuffers& b = net.stages[i];
      SpikingForwardTask task = snn_forward_task(net, i, n, false);
      task.potential = b.potential.data(), task.neuron = silent;
      backend.run(task);
      host.resize(size_t(n * spec.timesteps * s.out_size()));
      backend.download(host.data(), b.potential.data(), host.size() * sizeof(float));
      for (int64_t step = 0; step < int64_t(n) * spec.timesteps; ++step)
        for (int y = 0; y < s.out_h; ++y)
          for (int x = 0; x < s.out_w; ++x) {
            const float* cell = host.data() + step * s.out_size() + s.out_cell(y, x);
            for (int c = 0; c < s.out_c; ++c) top.add(cell[c]);
          }
    }
    const double threshold = top.value() * scale;
    if (!std::isfinite(threshold))
      return Status::error(Code::kState, "Expected finite weighted input at layers[" + std::to_string(s.layer) +
                                             "] but received " + std::to_string(threshold));
    const float neuron[2] = {std::max(float(threshold), kMinThreshold), 1};
    backend.upload(net.parameters[i].neuron, neuron, sizeof neuron);
  }
  return backend.finish();
}

}  // namespace

Status calibrate_thresholds(NetworkState& net, const Batch& batch, double percentile, double scale, const Stop& stop) {
  Backend& backend = *net.backend;
  const std::vector<StageShape>& stages = net.plan.stages;
  StagedBatch staged;
  backend.begin_batch();
  if (Status status = stage_batch(net, batch, batch.count, &staged); !status.ok()) return status;
  StepInputs inputs;
  inputs.random_step = net.random_step;
  const float silent[2] = {1, 0};  // with a leak of 0 the potential is the weighted input
  backend.upload(net.inputs.data(), &inputs, sizeof inputs);
  backend.upload(net.silent.data(), silent, sizeof silent);
  std::vector<float> before(2 * stages.size());
  for (size_t i = 0; i < stages.size(); ++i)
    backend.download(&before[2 * i], net.parameters[i].neuron, 2 * sizeof(float));
  net.parameters.refresh(TensorKind::kParameter);
  pack_weights(net);
  if (Status status = backend.finish(); !status.ok()) return status;
  Status status = guarded([&] { return calibrate_layers(net, staged, percentile, scale, stop); });
  for (size_t i = 0; !status.ok() && i < stages.size(); ++i)
    backend.upload(net.parameters[i].neuron, &before[2 * i], 2 * sizeof(float));
  return status;
}

Status activation_percentiles(NetworkState& net, const Batch& batch, double percentile, const Stop& stop,
                              std::vector<double>* values) {
  Backend& backend = *net.backend;
  const std::vector<StageShape>& stages = net.plan.stages;
  const int64_t pixels = net.plan.image_size();
  StagedBatch staged;
  backend.begin_batch();
  if (Status status = stage_batch(net, batch, batch.count, &staged); !status.ok()) return status;
  StepInputs inputs;
  backend.upload(net.inputs.data(), &inputs, sizeof inputs);
  net.parameters.refresh(TensorKind::kParameter);
  pack_weights(net);
  std::vector<Percentile> tops;
  for (size_t i = 0; i + 1 < stages.size(); ++i)
    tops.emplace_back(percentile, staged.count * stages[i].out_cells() * stages[i].out_c);
  std::vector<float> host;
  int n = 0;
  for (int64_t first = 0; first < staged.count; first += n) {
    n = net.plan.chunk_at(Mode::kAnn, false, first, staged.count);
    if (Status status = ann_forward(net, staged.pixels + first * pixels, n, first, false, stop); !status.ok())
      return status;
    for (size_t i = 0; i < tops.size(); ++i) {
      host.resize(size_t(n * stages[i].out_size()));
      backend.download(host.data(), net.stages[i].activation.data(), host.size() * sizeof(float));
      for (int64_t cell = 0; cell < n * stages[i].out_cells(); ++cell)
        for (int c = 0; c < stages[i].out_c; ++c) tops[i].add(host[size_t(cell * stages[i].out_cs + c)]);
    }
  }
  if (Status status = backend.finish(); !status.ok()) return status;
  for (Percentile& top : tops) values->push_back(top.value());
  for (size_t i = 0; i < values->size(); ++i)
    if (!std::isfinite((*values)[i]))
      return Status::error(Code::kState, "Expected finite activations at layers[" + std::to_string(stages[i].layer) +
                                             "] but received " + std::to_string((*values)[i]));
  return Status::success();
}

}  // namespace onespike
