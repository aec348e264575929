// The simulation of one image after the other on one thread: what the codes have in common, and one class for the
// stepped codes and one for the layered ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/simulation/simulation.h"
#include "cpu/simulation/events.h"
#include "cpu/simulation/packed.h"
#include "cpu/simulation/readout.h"
#include "cpu/simulation/stage.h"
#include "ops/simulation/input.h"

namespace onespike::cpu {

// What all threads read.
struct SimulationTask {
  const SimulationOptions& options;
  const SimulatedNetwork& network;
  const std::vector<PackedStage>& stages;
  const std::atomic<bool>& stop;
  std::atomic<int64_t>* done;  // steps of images; may be null
};

class ImageSimulator {
 public:
  explicit ImageSimulator(const SimulationTask& task) : task_(task), counts(task.stages.size()) {}
  virtual ~ImageSimulator() = default;

  // `pixels` (C, H, W) of the image at position `image`. What a stopped simulation leaves is of no use.
  void run(const uint8_t* pixels, int64_t image, int32_t* predictions, float* logits);

 protected:
  virtual void simulate(int64_t image, Readout& readout) = 0;

  const SimulationOptions& options() const { return task_.options; }
  const PackedStage& stage(size_t i) const { return task_.stages[i]; }
  size_t stages() const { return task_.stages.size(); }
  float unit(size_t i) const { return 1.0f / float(stage(i).shape.pool * stage(i).shape.pool); }  // weight of an event
  int64_t neurons(size_t i) const { return stage(i).shape.out_cells() * stage(i).shape.out_c; }
  bool stopped() const { return task_.stop; }
  void advance(int64_t steps) {
    if (task_.done) *task_.done += steps;
  }
  StageCounts& count(size_t i) { return counts[i]; }

  std::vector<double> values_;  // (H, W, C) of the image
  EventBlock events_;

 private:
  const SimulationTask& task_;

 public:
  std::vector<StageCounts> counts;  // of all images so far
};

std::unique_ptr<ImageSimulator> make_stepped(const SimulationTask& task);
std::unique_ptr<ImageSimulator> make_layered(const SimulationTask& task);

}  // namespace onespike::cpu
