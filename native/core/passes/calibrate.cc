// Thresholds from the weighted input, layer by layer (docs/MATHEMATICS.md, "Conversion").
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/guard.h"
#include "core/passes/passes.h"

namespace onespike {
namespace {

// The percentile of a stream of `total` values with linear interpolation, keeping only the values above it.
class Percentile {
 public:
  Percentile(double percentile, int64_t total) {
    const double position = percentile / 100 * double(total - 1);
    share_ = position - std::floor(position);
    keep_ = total - int64_t(std::floor(position));
  }
  void add(float value) {
    // Not a number compares with nothing, and a sort over it is undefined.
    finite_ = finite_ && std::isfinite(value);
    if (!finite_ || value < floor_) return;
    top_.push_back(value);
    if (int64_t(top_.size()) >= 2 * keep_ + 1024) shrink();
  }
  // NaN if a value was not finite.
  double value() {
    if (!finite_) return std::numeric_limits<double>::quiet_NaN();
    shrink();
    std::sort(top_.begin(), top_.end());
    return top_.size() < 2 ? top_.front() : top_[0] + share_ * (double(top_[1]) - top_[0]);
  }

 private:
  void shrink() {
    if (int64_t(top_.size()) <= keep_) return;
    std::nth_element(top_.begin(), top_.begin() + (keep_ - 1), top_.end(), std::greater<float>());
    top_.resize(size_t(keep_));
    floor_ = top_.back();
  }

  std::vector<float> top_;
  int64_t keep_;
  double share_;
  bool finite_ = true;
  float floor_ = -std::numeric_limits<float>::infinity();
};

Status calibrate_layers(NetworkState& net, const StagedBatch& batch, double percentile, double scale,
                        const Stop& stop) {
  Backend& backend = *net.backend;
  const NetworkSpec& spec = net.plan.spec;
  const int64_t pixels = net.plan.stages[0].src_size();
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
  for (size_t i = 0; i < stages.size(); ++i) {
    backend.download(&before[2 * i], net.parameters[i].neuron, 2 * sizeof(float));
    if (net.stages[i].forward.data())
      backend.run(PackForwardTask{net.stages[i].forward.data(), net.parameters[i].weight, stages[i]});
  }
  if (Status status = backend.finish(); !status.ok()) return status;
  Status status = guarded([&] { return calibrate_layers(net, staged, percentile, scale, stop); });
  for (size_t i = 0; !status.ok() && i < stages.size(); ++i)
    backend.upload(net.parameters[i].neuron, &before[2 * i], 2 * sizeof(float));
  return status;
}

}  // namespace onespike
