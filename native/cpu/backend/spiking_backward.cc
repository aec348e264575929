// From a(t) of a stage to g(t) and to a(t) of the stage below: how the CPU backend splits it into tasks.
#include <algorithm>
#include <cstring>

#include "cpu/backend/backend.h"
#include "cpu/dense/amx.h"
#include "cpu/events/gradient_choice.h"
#include "cpu/gradient/accumulate.h"
#include "cpu/gradient/input_conv.h"
#include "cpu/gradient/input_linear.h"
#include "cpu/relaxed.h"

namespace onespike::cpu {
namespace {

enum : int { kEvents, kDense };  // KernelChoice::variant

// Source cells that the pool drops receive nothing.
void zero_dropped(float* a, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int used_h = s.in_h * s.pool, used_w = s.in_w * s.pool;
  if (used_h == s.src_h && used_w == s.src_w) return;
  pool.parallel_for(int64_t(n) * timesteps, [&](int64_t i) {
    for (int y = 0; y < s.src_h; ++y) {
      const int from = y < used_h ? used_w : 0;
      std::memset(a + i * s.src_size() + s.src_cell(y, from), 0, sizeof(float) * (s.src_w - from) * s.src_cs);
    }
  });
}

}  // namespace

KernelChoice CpuBackend::execute(const SpikingBackwardTask& task) {
  const StageShape& s = task.shape;
  const ReceivingNeurons& below = task.below;
  const int n = task.n, T = task.neuron.timesteps;
  // On AMX a dense product is cheaper than any share of events that a network trains with, so none are listed.
  const bool amx = gradient_on_amx(s), halves = gradient_pairs(s), events = below.a && !amx;
  if (events) gradient_events_.reserve(n, T, halves, s);
  const std::vector<Tile> out_tiles = tiles_of(s.out_cs);
  const AccumulateTask accumulate{.gradient = task.gradient,
                                  .potential = task.a,
                                  .events = events ? &gradient_events_ : nullptr,
                                  .tiles = &out_tiles,
                                  .shape = &s,
                                  .leak = task.neuron.leak(),
                                  .kappa = task.neuron.kappa,
                                  .n = n,
                                  .timesteps = T};
  pool_.parallel_for(int64_t(n) * s.out_h,
                     [&](int64_t i) { accumulate_row(accumulate, i / s.out_h, int(i % s.out_h)); });
  if (!below.a) return {};
  end_part("accumulate_gradient");

  std::vector<float> exponential;
  if (below.neuron.surrogate.kind == Surrogate::kExponential)
    for (int distance = 0; distance <= T; ++distance)
      exponential.push_back(exponential_slope(distance, 0, below.neuron.surrogate));
  std::vector<float> inverse;
  for (int t = 1; below.neuron.theta && t <= T; ++t)
    inverse.push_back(1 / (below.neuron.threshold() * below.neuron.threshold_factor(t)));
  if (!below.add) zero_dropped(below.a, n, T, s, pool_);
  const Receiver receiver{.shape = &s,
                          .neuron = NeuronValues(below.neuron),
                          .leak = task.neuron.leak(),
                          .scale = below.scale,
                          .kappa = task.neuron.kappa,
                          .inverse = inverse.empty() ? nullptr : inverse.data(),
                          .times = below.times,
                          .mask = below.mask,
                          .potential = below.potential,
                          .a = below.a,
                          .add = below.add,
                          .exponential = exponential.data(),
                          .cost = below.cost ? *below.cost : 0.0f};
  const GradientWork work = events ? gradient_events_.total(int64_t(n) * s.out_h) : GradientWork();
  const double pairs = double(n) * T * double(s.out_size());
  // A linear layer waits for its weights either way.
  const bool dense = amx || (!s.linear && (gradient_kernel_ == GradientKernel::kMeasured
                                               ? prefers_dense(work, pairs, halves, task.last.variant == kDense, s)
                                               : gradient_kernel_ == GradientKernel::kDense));
  const int64_t tasks =
      s.linear ? linear_input_gradient(receiver, task.weight, n) : conv_input_gradient(receiver, task, dense);
  NeuronGradient d;
  for (int64_t i = 0; i < tasks; ++i) d.threshold += partial_.data()[i].threshold, d.leak += partial_.data()[i].leak;
  below.d_neuron[0] += float(d.threshold);
  below.d_neuron[1] += float(d.leak);
  if (amx) return {.kernel = "amx dense", .variant = kDense};
  return {.kernel = dense    ? halves ? "bf16 dense" : "dense"
                    : halves ? "bf16 events"
                             : "events",
          .density = double(work.covered) / pairs,
          .variant = dense ? kDense : kEvents};
}

int64_t CpuBackend::conv_input_gradient(const Receiver& receiver, const SpikingBackwardTask& backward, bool dense) {
  const StageShape& s = *receiver.shape;
  const int n = backward.n, T = receiver.neuron.timesteps;
  const std::vector<Window> window_y = backward_windows(s.in_h, s.out_h, s.kernel_h, s.stride, s.pad);
  const std::vector<Window> window_x = backward_windows(s.in_w, s.out_w, s.kernel_w, s.stride, s.pad);
  const bool amx = gradient_on_amx(s), halves = amx || gradient_events_.pairs;
  const void* values = backward.a;
  if (dense && halves) values = as_halves(backward.a, int64_t(n) * T * s.out_h, int64_t(s.out_w) * s.out_cs);
  const GradientCells product(values, halves && !amx, T, halves ? Precision::kMixed : Precision::kFp32, s);
  const ConvInputTask task{
      &gradient_events_, dense ? &product : nullptr, &s, backward.weight_backward, window_y.data(), window_x.data(),
      receiver};
  const std::vector<Tile> tiles = tiles_of(s.src_cs);
  const int64_t cells = int64_t(n) * s.in_h * s.in_w, group = std::max(1, kConvInputPairs / T),
                groups = (cells + group - 1) / group;
  NeuronGradient* partial = partial_.reserve(tiles.size() * size_t(groups));
  // Tile by tile, so that its weights stay in the cache while all cells pass.
  pool_.parallel_for(int64_t(tiles.size()) * groups, [&](int64_t i) {
    const int64_t first = i % groups * group;
    partial[i] = {};
    conv_input_cells(task, tiles[i / groups], first, int(std::min(group, cells - first)), &partial[i]);
  });
  return int64_t(tiles.size()) * groups;
}

int64_t CpuBackend::linear_input_gradient(const Receiver& receiver, const float* weight, int n) {
  const StageShape& s = *receiver.shape;
  const LinearInputTask task{&gradient_events_, weight, receiver, n};
  const std::vector<Tile> tiles = tiles_of(s.src_cs);
  const int64_t tasks = int64_t(tiles.size()) * s.taps();
  NeuronGradient* partial = partial_.reserve(size_t(tasks));
  each_worker(tasks, linear_input_floats(n, receiver.neuron.timesteps), [&](Worker& worker, int64_t i) {
    partial[i] = {};
    linear_input_cell(task, int(i / tiles.size()), tiles[i % tiles.size()], worker.floats(), &partial[i]);
  });
  return tasks;
}

bool CpuBackend::gradient_pairs(const StageShape& s) const {
  return gradient_precision(s) == Precision::kMixed && takes_gradient_pairs();
}

bool CpuBackend::gradient_on_amx(const StageShape& s) const {
  return amx_ && !s.linear && gradient_precision(s) == Precision::kMixed &&
         gradient_kernel_ != GradientKernel::kEvents && words(s.out_cs, Precision::kMixed) % kAmxPairs == 0;
}

size_t CpuBackend::backward_bytes(bool dense, const StageShape& s) const {
  // The dense input gradient and that of linear layers reorder weights as they go.
  return dense || s.linear ? 0 : size_t(s.weights()) * (gradient_pairs(s) ? sizeof(uint16_t) : sizeof(float));
}

// Tile of source channels, tap in the order of backward_taps, output channel, source channel in the tile. On AMX they
// are panels of pairs.
KernelChoice CpuBackend::execute(const PackBackwardTask& task) {
  const StageShape& s = task.shape;
  if (backward_bytes(task.dense, s) == 0) return {};
  const std::vector<Tile> outputs = tiles_of(s.out_cs), sources = tiles_of(s.src_cs);
  if (gradient_on_amx(s)) {
    const int64_t row = int64_t(s.taps()) * words(s.out_cs, Precision::kMixed);
    pool_.parallel_for(int64_t(sources.size()), [&](int64_t i) {
      const Tile source = sources[i];
      pack_gradient_panel(static_cast<uint32_t*>(task.to) + source.begin * row, task.weight, source.begin, source.width,
                          Precision::kMixed, s);
    });
    return {};
  }
  const std::vector<int> order_y = backward_taps(s.kernel_h, s.stride), order_x = backward_taps(s.kernel_w, s.stride);
  const bool pairs = gradient_pairs(s);
  pool_.parallel_for(int64_t(sources.size()) * s.taps(), [&](int64_t i) {
    const Tile source = sources[i / s.taps()];
    const int position = int(i % s.taps());
    const int64_t tap = int64_t(order_y[position / s.kernel_w]) * s.kernel_w + order_x[position % s.kernel_w];
    const int64_t at = (int64_t(source.begin) * s.taps() + int64_t(position) * source.width) * s.out_cs;
    std::vector<float> block(pairs ? size_t(source.width) * kMaxTile : 0);
    for (const Tile& out : outputs) {
      float* rows = pairs ? block.data() : static_cast<float*>(task.to) + at + int64_t(out.begin) * source.width;
      for (int c = 0; c < source.width; ++c) {
        const float* from =
            task.weight + int64_t(out.begin) * s.taps() * s.src_cs + (tap * s.src_cs + source.begin + c) * out.width;
        for (int o = 0; o < out.width; ++o) rows[int64_t(o) * source.width + c] = from[o];
      }
      if (pairs)
        pack_gradient_halves(static_cast<uint16_t*>(task.to) + at + int64_t(out.begin) * source.width, rows,
                             int64_t(out.width) * source.width, source.width);
    }
  });
  return {};
}

// The kernels of forward passes read the weights as they are.
KernelChoice CpuBackend::execute(const PackForwardTask&) { return {}; }

KernelChoice CpuBackend::execute(const RelaxTask& task) {
  const int rows = task.shape.out_h;
  pool_.parallel_for(int64_t(task.n) * rows, [&](int64_t i) { relax_row(task, i / rows, int(i % rows)); });
  return {};
}

KernelChoice CpuBackend::execute(const RelaxGradientTask& task) {
  const int64_t rows = task.shape.out_h, count = task.n * rows;
  NeuronGradient* partial = partial_.reserve(size_t(count));
  pool_.parallel_for(count, [&](int64_t i) { partial[i] = relaxed_gradient_row(task, i / rows, int(i % rows)); });
  NeuronGradient all;
  for (int64_t i = 0; i < count; ++i) all.threshold += partial[i].threshold, all.leak += partial[i].leak;
  task.d_neuron[0] += float(all.threshold);
  task.d_neuron[1] += float(all.leak);
  return {};
}

}  // namespace onespike::cpu
