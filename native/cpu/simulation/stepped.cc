// Codes whose layers share the steps: rate, direct, phase, burst. A block of steps passes through one stage after the
// other, which is the same as one step after the other: a stage needs the steps so far of the stage before, and the
// weights of one stage are then used for all steps of the block.
#include <algorithm>
#include <cstring>

#include "cpu/simulation/image.h"

namespace onespike::cpu {
namespace {

class SteppedSimulator final : public ImageSimulator {
 public:
  explicit SteppedSimulator(const SimulationTask& task) : ImageSimulator(task) {
    int64_t largest = 0;
    for (size_t i = 0; i + 1 < stages(); ++i) {
      const int64_t size = stage(i).shape.out_size();
      potentials_.push_back(aligned_floats(size));
      memories_.push_back(burst() ? aligned_floats(size) : AlignedFloats());
      largest = std::max(largest, size);
    }
    codes_.resize(size_t(largest * kBlockSteps));
    sums_ = aligned_floats(stage(stages() - 1).shape.out_size() * kBlockSteps);
    if (direct()) current_ = aligned_floats(stage(0).shape.out_size());
  }

 private:
  bool burst() const { return options().code == SimulatedCode::kBurst; }
  bool direct() const { return options().code == SimulatedCode::kDirect; }

  void simulate(int64_t image, Readout& readout) override {
    for (size_t i = 0; i + 1 < stages(); ++i) {
      const int64_t size = stage(i).shape.out_size();
      std::fill_n(potentials_[i].get(), size, 0.0f);
      if (burst()) std::fill_n(memories_[i].get(), size, 1.0f);
    }
    rests_.assign(values_.size(), {});
    if (direct()) sum_image();
    for (int64_t first = 0; first < options().timesteps; first += kBlockSteps) {
      const int steps = int(std::min<int64_t>(kBlockSteps, options().timesteps - first));
      read_pixels(image, first, steps);
      for (size_t i = 0; i < stages(); ++i) {
        if (stopped()) return;
        block(i, first, steps);
      }
      read_out(readout, steps);
      advance(steps);
    }
  }

  // The weighted input of the first stage from the values themselves, which are the same at every step.
  void sum_image() {
    const StageShape& s = stage(0).shape;
    events_.begin(stage(0), true);
    events_.begin_step();
    each_source_cell(s, [&](uint32_t cell, int64_t source) {
      for (int c = 0; c < s.src_c; ++c) events_.add(cell, uint32_t(c), float(values_[size_t(source + c)]));
    });
    events_.end_step();
    StageTask task{.stage = &stage(0), .events = &events_, .steps = 1, .sums = current_.get()};
    run_stage(task);
    for (int64_t j = 0; j < s.out_size(); ++j) current_[size_t(j)] *= unit(0);
  }

  double pixel_event(const Rng& rng, int64_t position, int64_t step) {
    const double value = values_[size_t(position)];
    switch (options().code) {
      case SimulatedCode::kRate: return rate_event(rng, uint64_t(position), value);
      case SimulatedCode::kPhase: return rests_[size_t(position)].phase_event(value, step);
      case SimulatedCode::kBurst: return rests_[size_t(position)].burst_event(value);
      case SimulatedCode::kDirect:
      case SimulatedCode::kTtfsConverted:
      case SimulatedCode::kTsc:
      case SimulatedCode::kOneSpikePhase: break;
    }
    return 0;
  }

  // The events of pixels over a block.
  void read_pixels(int64_t image, int64_t first, int steps) {
    const StageShape& s = stage(0).shape;
    events_.begin(stage(0), true);
    for (int64_t step = first; step < first + steps; ++step) {
      const Rng rng = simulated_rng(options().seed, image, step);
      events_.begin_step();
      if (!direct()) {
        each_source_cell(s, [&](uint32_t cell, int64_t source) {
          for (int c = 0; c < s.src_c; ++c) {
            const double event = pixel_event(rng, source + c, step);
            if (event == 0) continue;
            events_.add(cell, uint32_t(c), float(event));
            ++count(0).events;
          }
        });
        each_dropped_cell(s, [&](int64_t source) {
          for (int c = 0; c < s.src_c; ++c) count(0).events += pixel_event(rng, source + c, step) != 0;
        });
      }
      count(0).accumulates += events_.end_step();
    }
  }

  // A block of stage i; afterwards the events are those of the stage behind it.
  void block(size_t i, int64_t first, int steps) {
    const StageShape& s = stage(i).shape;
    StageTask task{.stage = &stage(i), .events = &events_, .steps = steps, .step = steps_};
    for (int j = 0; j < steps; ++j) {
      const SimulatedStep now = simulated_step(options().code, options().threshold, first + j);
      steps_[j] = {(i == 0 ? now.input : now.amplitude) * unit(i), now.bias, now.threshold};
    }
    count(i).updates += steps * neurons(i);
    if (s.output) {
      task.sums = sums_.get();
      return run_stage(task);
    }
    task.kind = burst() ? NeuronKind::kBurst : NeuronKind::kSubtract;
    task.current = i == 0 ? current_.get() : nullptr;
    task.potential = potentials_[i].get(), task.memory = memories_[i].get(), task.codes = codes_.data();
    run_stage(task);
    events_.begin(stage(i + 1), burst());
    for (int j = 0; j < steps; ++j) {
      events_.begin_step();
      const int64_t sent = add_codes(events_, stage(i + 1).shape, codes_.data() + j * s.out_size());
      count(i).spikes += sent, count(i + 1).events += sent;
      count(i + 1).accumulates += events_.end_step();
    }
  }

  void read_out(Readout& readout, int steps) {
    const PackedStage& output = stage(stages() - 1);
    const float* const current = stages() == 1 ? current_.get() : nullptr;
    for (int j = 0; j < steps; ++j) {
      const float* const sums = sums_.get() + j * output.shape.out_size();
      for (int k = 0; k < output.shape.out_c; ++k)
        readout.potential[size_t(k)] += double(steps_[j].scale) * sums[k] +
                                        double(steps_[j].bias) * output.bias[size_t(k)] + (current ? current[k] : 0.0f);
      readout.end_step();
    }
  }

  std::vector<AlignedFloats> potentials_, memories_;  // per hidden stage
  std::vector<uint8_t> codes_;                        // (steps, out map) of the stage at work
  AlignedFloats sums_;                                // (steps, K)
  AlignedFloats current_;                             // (out map) of the first stage, direct
  std::vector<PixelRest> rests_;
  BlockStep steps_[kBlockSteps];
};

}  // namespace

std::unique_ptr<ImageSimulator> make_stepped(const SimulationTask& task) {
  return std::make_unique<SteppedSimulator>(task);
}

}  // namespace onespike::cpu
