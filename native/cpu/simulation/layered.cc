// Codes that work layer after layer: ttfs-converted, tsc, one-spike-phase. What a layer sends is known as a whole
// before the next one begins, as a list of spikes sorted by the step at which the next layer meets them.
#include <algorithm>
#include <bit>
#include <cmath>

#include "cpu/simulation/image.h"

namespace onespike::cpu {
namespace {

class LayeredSimulator final : public ImageSimulator {
 public:
  explicit LayeredSimulator(const SimulationTask& task) : ImageSimulator(task), T(options().timesteps) {
    int64_t largest = 0;
    for (size_t i = 0; i < stages(); ++i) {
      const StageShape& s = stage(i).shape;
      largest = std::max({largest, s.src_size(), s.out_size()});
      if (fires_once(options().code)) add_clock(i);
    }
    potential_ = aligned_floats(largest);
    fired_ = aligned_floats(largest);
    sums_ = aligned_floats(std::max(stage(stages() - 1).shape.out_size() * kBlockSteps, largest));
  }

 private:
  // A spike, or the pair of spikes that stands for a value under tsc.
  struct Spike {
    SourceEvent event;
    int32_t time;  // of the only spike or of the second one, from 0 on
  };

  bool tsc() const { return options().code == SimulatedCode::kTsc; }

  // The borders and values of what stage i reads.
  void add_clock(size_t i) {
    std::vector<float> borders, values;
    for (int64_t k = 0; k < T; ++k) {
      borders.push_back(float(options().clocks[i].border(k)));
      values.push_back(float(options().clocks[i].value(k)));
    }
    borders_.push_back(std::move(borders)), sent_.push_back(std::move(values));
  }

  void simulate(int64_t, Readout& readout) override {
    read_pixels();
    for (size_t i = 0; i + 1 < stages(); ++i) {
      if (stopped()) return;
      hidden(i);
    }
    if (stopped()) return;
    output(readout);
    advance(simulation_steps(options(), stages()));
  }

  // The spike of a value of stage i's source; none if `time` is below 0.
  Spike spike(size_t i, uint32_t cell, uint32_t channel, int32_t time, float sign) const {
    const float size = tsc() ? float(time) / float(T - 1) : time < 0 ? 0 : sent_[i][size_t(time)];
    return {{cell, channel, sign * size}, time};
  }

  // Fills `spikes_` with what stage i receives: time_of(source position) is the time of its spike, below 0 for none.
  template <class Time, class Sign>
  void collect(size_t i, const Time& time_of, const Sign& sign_of) {
    const StageShape& s = stage(i).shape;
    const int64_t each = tsc() ? 2 : 1;
    spikes_.clear();
    each_source_cell(s, [&](uint32_t cell, int64_t source) {
      for (int c = 0; c < s.src_c; ++c) {
        const int32_t time = time_of(source + c);
        if (time >= 0) spikes_.push_back(spike(i, cell, uint32_t(c), time, sign_of(source + c)));
      }
    });
    int64_t sent = int64_t(spikes_.size());
    each_dropped_cell(s, [&](int64_t source) {
      for (int c = 0; c < s.src_c; ++c) sent += time_of(source + c) >= 0;
    });
    count(i).events += each * sent;
    for (const Spike& spike : spikes_) count(i).accumulates += each * stage(i).fan_out[spike.event.cell];
    if (i > 0) count(i - 1).spikes += each * sent;
    if (tsc()) count(i).updates += T * neurons(i);
    else count_arrivals(i);
  }

  void read_pixels() {
    const auto time_of = [&](int64_t position) {
      const double size = std::fabs(values_[size_t(position)]);
      if (!tsc()) return first_spike(float(size), borders_[0].data(), T) - 1;
      const int64_t distance = tsc_distance(size, T);
      return distance > 0 ? int32_t(distance) : -1;
    };
    collect(0, time_of, [&](int64_t position) { return float(with_sign_of(1, values_[size_t(position)])); });
  }

  // Neurons of stage i update their potentials at every step at which something arrives, and multiply what arrived by
  // the value of the step, unless that is a power of two.
  void count_arrivals(size_t i) {
    const PackedStage& stage = this->stage(i);
    const size_t words = size_t(T + 63) / 64;
    std::vector<uint64_t> present(stage.fan_out.size() * words, 0), multiplied(words, 0), any(words);
    for (const Spike& spike : spikes_)
      present[spike.event.cell * words + size_t(spike.time) / 64] |= uint64_t{1} << spike.time % 64;
    for (int64_t k = 0; k < T; ++k)
      if (!is_power_of_two(sent_[i][size_t(k)])) multiplied[size_t(k) / 64] |= uint64_t{1} << k % 64;
    for (const Window& rows : stage.rows)
      for (const Window& columns : stage.columns) {
        std::fill(any.begin(), any.end(), 0);
        for (int y = rows.begin; y < rows.begin + rows.count; ++y)
          for (int x = columns.begin; x < columns.begin + columns.count; ++x)
            for (size_t w = 0; w < words; ++w) any[w] |= present[size_t(y * stage.shape.in_w + x) * words + w];
        for (size_t w = 0; w < words; ++w) {
          count(i).updates += std::popcount(any[w]) * stage.shape.out_c;
          count(i).value_macs += std::popcount(any[w] & multiplied[w]) * stage.shape.out_c;
        }
      }
  }

  static bool is_power_of_two(float value) { return (std::bit_cast<uint32_t>(value) & 0x7fffff) == 0; }

  // Sorts the spikes by group_of(time), in the order of their cells within a group.
  template <class Group>
  void sort(int64_t groups, const Group& group_of) {
    group_starts_.assign(size_t(groups) + 1, 0);
    for (const Spike& spike : spikes_) ++group_starts_[size_t(group_of(spike.time)) + 1];
    for (size_t g = 0; g < size_t(groups); ++g) group_starts_[g + 1] += group_starts_[g];
    std::vector<size_t> next(group_starts_.begin(), group_starts_.end() - 1);
    sorted_.resize(spikes_.size());
    for (const Spike& spike : spikes_) sorted_[next[size_t(group_of(spike.time))]++] = spike.event;
  }

  // The events of groups [first, first + steps).
  void begin_block(size_t i, int64_t first, int steps) {
    events_.begin(stage(i), true);
    for (int64_t g = first; g < first + steps; ++g) {
      events_.begin_step();
      for (size_t j = group_starts_[size_t(g)]; j < group_starts_[size_t(g + 1)]; ++j)
        events_.add(sorted_[j].cell, sorted_[j].channel, sorted_[j].value);
      events_.end_step();
    }
  }

  void hidden(size_t i) {
    if (tsc()) hidden_tsc(i);
    else hidden_first_spike(i);
    const auto time_of = [&](int64_t position) { return int32_t(fired_[size_t(position)]) - 1; };
    collect(i + 1, time_of, [](int64_t) { return 1.0f; });
  }

  void hidden_first_spike(size_t i) {
    // Where windows overlap, what comes after the first step of this window is met step by step.
    const int64_t stride = options().stride, groups = std::max<int64_t>(1, T - stride);
    sort(groups, [&](int64_t time) { return std::max<int64_t>(0, time - stride); });
    std::vector<BlockStep> steps;
    for (int64_t k = 0; k < T; ++k) steps.push_back({unit(i), k == 0 ? 1.0f : 0.0f, borders_[i + 1][size_t(k)]});
    std::fill_n(potential_.get(), stage(i).shape.out_size(), 0.0f);
    std::fill_n(fired_.get(), stage(i).shape.out_size(), 0.0f);
    for (int64_t first = 0; first < groups; first += kBlockSteps) {
      const int count = int(std::min<int64_t>(kBlockSteps, groups - first));
      begin_block(i, first, count);
      StageTask task{.stage = &stage(i), .events = &events_, .steps = count, .step = steps.data() + first};
      task.kind = NeuronKind::kFirstSpike;
      task.potential = potential_.get(), task.memory = fired_.get();
      task.first = int(first), task.tail = first + count == groups ? int(T - groups) : 0;
      run_stage(task);
    }
  }

  // Leaves in fired_ the distance + 1, or 0 for no spikes.
  void hidden_tsc(size_t i) {
    const StageShape& s = stage(i).shape;
    sort(1, [](int64_t) { return 0; });
    begin_block(i, 0, 1);
    StageTask task{.stage = &stage(i), .events = &events_, .steps = 1, .sums = sums_.get()};
    run_stage(task);
    for (int64_t j = 0; j < s.out_size(); ++j) {
      const float v = sums_[size_t(j)] * unit(i) + stage(i).bias[size_t(j % s.out_cs)];
      const int64_t distance = tsc_distance(v, T);
      fired_[size_t(j)] = distance > 0 ? float(distance + 1) : 0;
    }
  }

  void output(Readout& readout) {
    const size_t i = stages() - 1;
    const StageShape& s = stage(i).shape;
    for (int k = 0; k < s.out_c; ++k) readout.potential[size_t(k)] = stage(i).bias[size_t(k)];
    for (int64_t step = 0; step < int64_t(i) * options().stride; ++step) readout.end_step();
    if (tsc()) return output_tsc(readout);
    sort(T, [](int64_t time) { return time; });
    each_group([&](const float* sums) {
      for (int k = 0; k < s.out_c; ++k) readout.potential[size_t(k)] += double(unit(i)) * sums[k];
      readout.end_step();
    });
  }

  // A value counts more from step to step until its second spike ends it, so an event is its sign here.
  void output_tsc(Readout& readout) {
    const size_t i = stages() - 1;
    const StageShape& s = stage(i).shape;
    for (Spike& spike : spikes_) spike.event.value = spike.event.value < 0 ? -1.0f : 1.0f;
    sort(1, [](int64_t) { return 0; });
    run_block(0, 1);
    std::vector<double> growing(sums_.get(), sums_.get() + s.out_c);
    sort(T, [](int64_t time) { return time; });
    bool begun = false;
    each_group([&](const float* sums) {
      for (size_t k = 0; k < growing.size(); ++k) {
        if (begun) readout.potential[k] += double(unit(i)) * growing[k] / double(T - 1);
        growing[k] -= sums[k];
      }
      begun = true;
      readout.end_step();
    });
  }

  // The sums of the output stage over groups [first, first + steps).
  void run_block(int64_t first, int steps) {
    const size_t i = stages() - 1;
    begin_block(i, first, steps);
    StageTask task{.stage = &stage(i), .events = &events_, .steps = steps, .sums = sums_.get()};
    run_stage(task);
  }

  // Calls visit(sums) for every group of the window of the output stage.
  template <class Visit>
  void each_group(const Visit& visit) {
    for (int64_t first = 0; first < T; first += kBlockSteps) {
      const int steps = int(std::min<int64_t>(kBlockSteps, T - first));
      run_block(first, steps);
      for (int j = 0; j < steps; ++j) visit(sums_.get() + j * stage(stages() - 1).shape.out_size());
    }
  }

  const int64_t T;
  std::vector<std::vector<float>> borders_, sent_;  // per stage: of what it reads
  std::vector<Spike> spikes_;                       // that the stage at work receives, in the order of cells
  std::vector<SourceEvent> sorted_;                 // by group
  std::vector<size_t> group_starts_;
  AlignedFloats potential_, fired_, sums_;
};

}  // namespace

std::unique_ptr<ImageSimulator> make_layered(const SimulationTask& task) {
  return std::make_unique<LayeredSimulator>(task);
}

}  // namespace onespike::cpu
