// The spiking forward pass of the CPU backend: how it is split into tasks.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "cpu/backend/backend.h"
#include "cpu/forward/spiking_forward.h"
#include "cpu/forward/spike_filter.h"
#include "cpu/forward/spike_tables.h"

namespace onespike::cpu {
namespace {

// Two tiles at once halve the work on the events, as long as the weights of both stay in a 1 MiB L2 cache.
constexpr int64_t kPairBytes = 640 << 10;

// A task passes part of the rows of all images through one tile. Every part reads the tile again, and the floats of its
// doubts: with 8 tasks a thread instead of 4, two threads are 1.6 % slower in vgg16.
constexpr int64_t kForwardTasksPerThread = 4;

// With this many pixels to come it pays to read a tile once in order, at 12 % activity: nearly all weights will be
// wanted. Lines of 16-bit weights are two in a row, not four, and come all the slower in random order: 4096 x 4096
// takes 0.3 ms an image, or 0.75 ms once and 0.03 ms an image.
template <class T>
constexpr int64_t kPixelsPerTouch = sizeof(T) == 2 ? 4 : 16;

// Images from which on a linear layer passes the filter, which reads all its weights: fewer would not soon gain what
// rounding costs.
constexpr int64_t kLinearBatch = 8;

// Share of vectors in doubt from which on floats alone are faster for a linear layer: 4096 x 4096 takes 47 us an image
// with 0.5 %, 68 with 3.1 %, 88 with 5.9 %, and 79 in floats. So much comes of channels whose largest weight is some 20
// standard deviations.
constexpr double kLinearDoubts = 0.045;

// Most events of one step that a pixel can meet and whose sum of 16-bit integers fits 32 bits.
constexpr int64_t kFilterEvents = int64_t(1) << 16;

// A task keeps this many neurons in doubt before it decides them.
constexpr int64_t kDoubts = 1024;

// A tile with fewer floats than this is in the cache: the second test, which avoids reading them, would cost more than
// it saves.
constexpr int64_t kSmallTile = 192 << 10;

// This many neurons in doubt ask for nearly all lines of their tile's low bits.
constexpr int64_t kDoubtsPerTouch = 4;

// Reads a tile once in order. Events ask for weights in random order, which the processor cannot foresee: from memory
// that is 10 GB/s on one core, in order it is 31 GB/s. Prefetch instructions do no better than the events. A linear
// layer of 4096 x 4096 took 187 us an image without, and 115 us with it.
template <class T>
void touch_tile(const T* weight, const Tile& tile, const StageShape& s) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t rows = int64_t(s.taps()) * s.src_cs;
  const volatile T* at = weight + tile.begin * rows;
  for (int64_t i = 0; i < tile.width * rows; i += kLine) (void)at[i];
}

std::vector<Tile> forward_tiles(const StageShape& s, size_t bytes) {
  const int64_t lane_bytes = int64_t(s.taps()) * s.src_cs * int64_t(bytes);
  std::vector<Tile> tiles;
  for (const Tile& tile : tiles_of(s.out_cs)) {
    const bool pair = tile.width == kMaxTile && !tiles.empty() && tiles.back().width == kMaxTile &&
                      2 * kMaxTile * lane_bytes <= kPairBytes;
    if (pair) tiles.back().width += kMaxTile;
    else tiles.push_back(tile);
  }
  return tiles;
}

// Decides neurons in doubt, channel by channel: so that they share the rows of weights, which are read in order where
// many are.
void decide(const FilterTask& task, const Tile& tile, const Doubt* doubts, int64_t count) {
  const ForwardTask& exact = *task.exact;
  const StageShape& s = *exact.shape;
  const bool second_look = int64_t(s.taps()) * s.src_cs * kMaxTile * int64_t(sizeof(float)) > kSmallTile;
  for (int begin = tile.begin; begin < tile.begin + tile.width; begin += kMaxTile) {
    const Tile one{begin, std::min(tile.width, kMaxTile)};
    const auto here = [&](const Doubt& at) { return at.channel >= begin && at.channel < begin + one.width; };
    if (std::count_if(doubts, doubts + count, here) >= kDoubtsPerTouch && second_look) touch_tile(task.low, one, s);
    for (int64_t i = 0; i < count; ++i) {
      if (!here(doubts[i])) continue;
      const int64_t image = doubts[i].row / s.out_h;
      const int lane = doubts[i].channel - begin, y = int(doubts[i].row % s.out_h);
      if (second_look && filter_lanes(task, one, lane, image, y, doubts[i].x)) continue;
      spiking_forward_lanes(exact, one, lane, image, y, doubts[i].x);
    }
  }
}

// The numbers of a filter. Without schedules those of one step serve all.
FilterTask filter_task(const ForwardTask& exact, const FilterWeights& rounded, Scratch<float>& scalars) {
  const StageShape& s = *exact.shape;
  const NeuronValues& p = exact.neuron;
  const float T = float(p.timesteps);
  const int rows = p.theta ? p.timesteps : 1;
  const int64_t size = int64_t(rows) * s.out_cs;
  float* unit = scalars.reserve(size_t(2 * size + s.out_cs + p.timesteps));
  float *drive = unit + size, *slack = drive + size, *carry = slack + s.out_cs;
  float highest = p.start;
  for (int t = 0; t < p.timesteps; ++t) {
    highest = std::max(highest, exact.steps[t].threshold);
    carry[t] = p.kappa && t > 0 ? p.leak * (exact.steps[t - 1].scale / exact.steps[t].scale) : p.leak;
  }
  for (int c = 0; c < s.out_cs; ++c) {
    const float bias = exact.bias ? exact.bias[c] : 0;
    // Per step and event, beside the half of the unit: the division by the unit, and the rounding of three operations
    // on numbers of up to 2^15 units. What a step adds without events is rounded as often, and so is U(0) - V once.
    slack[c] = 0x1p-22f * (T * T + (p.start == 0 ? 1.0f : 2.0f)) * (highest + std::fabs(bias));
    for (int t = 0; t < rows; ++t) {
      const float before = exact.steps[std::max(t - 1, 0)].threshold, now = exact.steps[t].threshold;
      unit[t * s.out_cs + c] = rounded.unit.data()[c] * exact.steps[t].scale;
      drive[t * s.out_cs + c] = p.theta ? float(double(bias) + double(p.leak) * double(before) - double(now))
                                        : bias + (p.leak - 1) * p.threshold;
    }
  }
  return {.exact = &exact,
          .weight = rounded.weight.data(),
          .low = rounded.low.data(),
          .unit = unit,
          .slack = slack,
          .drive = drive,
          .carry = carry,
          .step_stride = p.theta ? s.out_cs : 0,
          .share = 0.51f + 0.008f * T,
          .share_low = 0.005f};
}

int64_t parts_of(int64_t rows, const std::vector<Tile>& tiles, int threads) {
  return std::min(rows, (kForwardTasksPerThread * threads + int64_t(tiles.size()) - 1) / int64_t(tiles.size()));
}

// Tile by tile, so that its weights stay in the cache while the rows pass: run(task, tile, first row, last row).
template <class F>
void each_part(ThreadPool& pool, const std::vector<Tile>& tiles, int64_t parts, int64_t rows, const F& run) {
  pool.parallel_for(int64_t(tiles.size()) * parts, [&](int64_t i) {
    run(i, tiles[size_t(i / parts)], i % parts * rows / parts, (i % parts + 1) * rows / parts);
  });
}

// The same for weights that are not in the cache yet.
template <class T, class F>
void each_tile(ThreadPool& pool, const T* weight, const std::vector<Tile>& tiles, int64_t parts, int64_t rows,
               const StageShape& s, const F& run) {
  each_part(pool, tiles, parts, rows, [&](int64_t i, const Tile& tile, int64_t begin, int64_t end) {
    if ((end - begin) * s.out_w >= kPixelsPerTouch<T>) touch_tile(weight, tile, s);
    run(i, tile, begin, end);
  });
}

}  // namespace

std::vector<StepFactors> step_factors(const NeuronParams& p, float scale) {
  std::vector<StepFactors> steps;
  for (int t = 1; t <= p.timesteps; ++t)
    steps.push_back({scale * p.input_weight(t), p.input_weight(t), p.threshold() * p.threshold_factor(t)});
  return steps;
}

StepRange steps_with_input(const ForwardTask& task, int64_t list) {
  StepRange steps{1, task.neuron.timesteps};
  if (task.bias || task.potential || task.neuron.theta || (task.current && task.current_always)) return steps;
  const int cells = task.events->step_cells();
  const auto empty = [&](int t) {
    const uint32_t* starts = task.events->starts(list) + int64_t(t - 1) * cells;
    return starts[0] == starts[cells - 1];
  };
  while (steps.last > 0 && empty(steps.last)) --steps.last;
  if (task.current) steps.last = std::max(steps.last, 1);
  else if (task.neuron.start == 0)
    while (steps.first < steps.last && empty(steps.first)) ++steps.first;
  return steps;
}

double CpuBackend::density_of(const uint8_t* times, int64_t count) {
  int64_t fired = 0;
  execute(CountEventsTask{&fired, times, count});
  return double(fired) / double(count);
}

KernelChoice CpuBackend::execute(const SpikingForwardTask& task) {
  const StageShape& s = task.shape;
  const int n = task.n, T = task.neuron.timesteps;
  const std::vector<Window> window_x =
      s.linear ? std::vector<Window>{{0, 1, 0}} : forward_windows(s.out_w, s.in_w, s.kernel_w, s.stride, s.pad);
  const std::vector<StepFactors> steps = step_factors(task.neuron, task.source.scale);
  const ForwardTask forward{.events = &forward_events_,
                            .shape = &s,
                            .weight = task.weight,
                            .window_x = window_x.data(),
                            .neuron = NeuronValues(task.neuron),
                            .steps = steps.data(),
                            .bias = task.bias,
                            .current = task.current,
                            .current_always = task.current_always,
                            .scale = task.source.scale,
                            .times = task.times,
                            .potential = task.potential};
  KernelChoice choice;
  if (task.source.times && fits_tables(s)) {
    const double density = density_of(task.source.times, n * s.src_size());
    const bool tables = tables_pay(density, T, s);
    choice = {.kernel = tables ? "tables" : "events", .density = density};
    if (tables) {
      window_bits_.build(task.source.times, n, T, s, pool_);
      end_part("sort_events");
      table_forward(forward, n);
      return choice;
    }
  }
  forward_events_.sort(task.source, n, T, s, pool_);
  end_part("sort_events");
  const bool filter = !task.potential && !task.current && forward_events_.kind() != EventKind::kValued &&
                      (!s.linear || n >= kLinearBatch) &&
                      int64_t(s.taps()) * s.src_cs * s.pool * s.pool <= kFilterEvents;
  if (const FilterWeights* rounded =
          filter ? filter_.of(task.weight, forward_events_.kind() == EventKind::kCounted, n, s, pool_) : nullptr)
    return filter_forward(forward, *rounded, n);
  event_forward(forward, n);
  return choice;
}

void CpuBackend::event_forward(const ForwardTask& forward, int n) {
  const StageShape& s = *forward.shape;
  const std::vector<Tile> tiles = forward_tiles(s, sizeof(float));
  const int64_t rows = int64_t(n) * s.out_h;
  each_tile(pool_, forward.weight, tiles, parts_of(rows, tiles, pool_.threads()), rows, s,
            [&](int64_t, const Tile& tile, int64_t begin, int64_t end) {
              for (int64_t row = begin; row < end; ++row)
                spiking_forward_row(forward, tile, row / s.out_h, int(row % s.out_h));
            });
}

void CpuBackend::table_forward(const ForwardTask& forward, int n) {
  const StageShape& s = *forward.shape;
  const int64_t rows = int64_t(n) * s.out_h, lane_floats = int64_t(table_count(s)) * kTableRows;
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  float* tables = tables_.reserve(size_t(lane_floats * s.out_cs));
  for (const Tile& tile : tiles)
    fill_tables(tables + tile.begin * lane_floats, forward.weight + int64_t(tile.begin) * s.taps() * s.src_cs,
                s.taps() * s.src_cs, tile.width);
  const TableTask task{&forward, window_bits_.data(), tables};
  each_part(pool_, tiles, parts_of(rows, tiles, pool_.threads()), rows,
            [&](int64_t, const Tile& tile, int64_t begin, int64_t end) {
              for (int64_t row = begin; row < end; ++row) table_row(task, tile, row / s.out_h, int(row % s.out_h));
            });
}

KernelChoice CpuBackend::filter_forward(const ForwardTask& exact, const FilterWeights& rounded, int n) {
  const StageShape& s = *exact.shape;
  const FilterTask task = filter_task(exact, rounded, filter_scalars_);
  const std::vector<Tile> tiles = forward_tiles(s, sizeof(int16_t));
  const int64_t rows = int64_t(n) * s.out_h, parts = parts_of(rows, tiles, pool_.threads());
  const int64_t row_doubts = int64_t(s.out_w) * 2 * kMaxTile / kLane, capacity = kDoubts + row_doubts;
  std::atomic<int64_t> all_doubts{0};
  Doubt* doubts = doubts_.reserve(size_t(int64_t(tiles.size()) * parts * capacity));
  each_tile(pool_, rounded.weight.data(), tiles, parts, rows, s,
            [&](int64_t i, const Tile& tile, int64_t begin, int64_t end) {
              Doubt* mine = doubts + i * capacity;
              int64_t found = 0;
              for (int64_t row = begin; row < end; ++row) {
                found += filter_row(task, tile, row / s.out_h, int(row % s.out_h), mine + found);
                if (found < kDoubts && row + 1 < end) continue;
                all_doubts += found;
                decide(task, tile, mine, found);
                found = 0;
              }
            });
  const double share = double(all_doubts) / (double(n) * double(s.out_size()) / kLane);
  if (s.linear && share > kLinearDoubts) filter_.postpone(exact.weight);
  return {.kernel = "filter", .density = share};
}

}  // namespace onespike::cpu
