#include "cpu/simulation/simulate.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/guard.h"
#include "core/thread_pool.h"
#include "cpu/simulation/image.h"

namespace onespike {
namespace cpu {

void ImageSimulator::run(const uint8_t* pixels, int64_t image, int32_t* predictions, float* logits) {
  const SimulatedNetwork& network = task_.network;
  const int64_t plane = int64_t(network.height) * network.width;
  values_.resize(size_t(plane * network.channels));
  for (int c = 0; c < network.channels; ++c)
    for (int64_t i = 0; i < plane; ++i)
      values_[size_t(i * network.channels + c)] = network.input[size_t(c) * 256 + pixels[c * plane + i]];
  Readout readout(options(), stages(), stage(stages() - 1).shape.out_c, predictions, logits);
  simulate(image, readout);
}

}  // namespace cpu

Status simulate(const SimulatedNetwork& network, const SimulationOptions& options, const SimulationImages& images,
                const std::atomic<bool>& stop, std::atomic<int64_t>* done, SimulationOutputs* outputs) {
  return guarded([&] {
    if (Status status = check_simulation(options, network); !status.ok()) return status;
    std::vector<cpu::PackedStage> stages;
    for (const SimulatedStage& stage : network.stages) stages.push_back(cpu::pack_stage(stage));
    const cpu::SimulationTask task{options, network, stages, stop, done};
    const int64_t size = int64_t(network.channels) * network.height * network.width;
    const int64_t recorded = recorded_steps(options, stages.size());
    const int64_t logits = int64_t(options.logit_steps.size()) * stages.back().shape.out_c;
    ThreadPool pool(int(std::min<int64_t>(options.threads, images.count)));
    std::vector<std::unique_ptr<cpu::ImageSimulator>> simulators(static_cast<size_t>(pool.threads()));
    std::atomic<int64_t> next{0};
    pool.parallel_for(pool.threads(), [&](int64_t worker) {
      auto& simulator = simulators[size_t(worker)];
      for (int64_t i = next++; i < images.count && !stop; i = next++) {
        if (!simulator) simulator = is_stepped(options.code) ? cpu::make_stepped(task) : cpu::make_layered(task);
        simulator->run(images.pixels + i * size, images.first + i, outputs->predictions + i * recorded,
                       outputs->logits + i * logits);
      }
    });
    if (stop) return Status::error(Code::kAborted, "The job was aborted");
    outputs->counts.assign(stages.size(), {});
    for (const auto& simulator : simulators)
      for (size_t i = 0; simulator && i < stages.size(); ++i) outputs->counts[i] += simulator->counts[i];
    return Status::success();
  });
}

}  // namespace onespike
