// The spiking forward pass of first_stage.h. Half a warp has an output cell, four output channels a lane, and takes the
// cells of a run in turns.
//
// What fires at a step is one bit per row of weights. Four bits choose one of 16 sums of four rows, which lie
// in shared memory: 7 loads and 7 additions a step instead of 27, whatever the density, without a branch.
#include <algorithm>

#include "cuda/neuron.cuh"
#include "cuda/simt/first_stage.cuh"
#include "cuda/simt/first_stage.h"
#include "cuda/simt/simt.h"

namespace onespike::cuda {
namespace first_stage {
namespace {

constexpr int kEntries = 1 << kGroupRows;
constexpr int kGroupBytes = kEntries * kColumnBytes;
constexpr int kTableBytes = kGroups * kGroupBytes;  // of a word: 28 KiB

struct SpikingTask : SpikingForwardTask {
  Runs runs;
  StepStrides strides;
  int words;
};

// The 16 sums of every four rows, of the columns of the block.
__device__ void fill_table(unsigned char* table, const float* weight, const StageShape& s) {
  const int rows = rows_of(s), groups = words_of(s) * kGroups;
  for (int i = int(threadIdx.x); i < groups * kColumns; i += kThreads) {
    const int column = i % kColumns, group = i / kColumns;
    const LaneChannels at(int(blockIdx.y) * kColumns + column, rows, s);
    if (!at.live) continue;
    float rows_of_group[kGroupRows], sums[kEntries] = {};
#pragma unroll
    for (int k = 0; k < kGroupRows; ++k) {
      const int row = group * kGroupRows + k;
      rows_of_group[k] = row < rows ? weight[at.weight(row)] : 0;
    }
#pragma unroll
    for (int j = 1; j < kEntries; ++j) {
      const int last = j < 2 ? 0 : j < 4 ? 1 : j < 8 ? 2 : 3;  // of the rows in the entry
      sums[j] = sums[j - (1 << last)] + rows_of_group[last];
    }
    float* to = reinterpret_cast<float*>(table + group * kGroupBytes) + column;
#pragma unroll
    for (int j = 0; j < kEntries; ++j) to[j * kColumns] = sums[j];
  }
}

// masks (word, T, run): the rows at which the source of a cell fires at a step. A lane has a cell.
__device__ __forceinline__ void gather_spikes(uint32_t* masks, const SpikingTask& task, int64_t first, int count) {
  const StageShape& s = task.shape;
  const int lane = int(threadIdx.x) % 32, T = task.neuron.timesteps, run = task.runs.run;
  if (lane >= count) return;
  uint32_t* const to = masks + lane;
  for (int i = 0; i < words_of(s) * T; ++i) to[i * run] = 0;
  each_group(task.source.times, first + lane, 0, words_of(s) * kGroups, s,
             [&](int group, const uint8_t (&times)[kGroupRows]) {
               uint32_t* const word = to + group / kGroups * T * run;
#pragma unroll
               for (int i = 0; i < kGroupRows; ++i)
                 if (times[i] != 0) word[(times[i] - 1) * run] |= 1u << (group % kGroups * kGroupRows + i);
             });
}

// sums += the rows whose bit is set. `lane_bytes` is the place of the lane's channels in the table of the word.
__device__ __forceinline__ void add_rows(float (&sums)[kLaneColumns], const unsigned char* table, uint32_t rows,
                                         uint32_t lane_bytes) {
  static_assert(kColumnBytes == 1 << 8 && kTableBytes % kGroupBytes == 0);  // an entry's bits are free in lane_bytes
#pragma unroll
  for (int g = 0; g < kGroups; ++g) {
    const int shift = 8 - g * kGroupRows;
    const uint32_t entry = (shift > 0 ? rows << shift : rows >> -shift) & (kEntries - 1) * kColumnBytes;
    const float4 w = load_four(table + g * kGroupBytes + (entry | lane_bytes));
    sums[0] += w.x, sums[1] += w.y, sums[2] += w.z, sums[3] += w.w;
  }
}

// Where a lane's neurons of a cell lie in a map of the batch, and their potentials, of which an image has T steps.
struct NeuronWalk {
  int64_t at, potential;
  int place;  // of the cell in its image

  __device__ NeuronWalk(const SpikingTask& task, int64_t cell, int channel) {
    const int64_t image = cell_at(cell, task.shape.out_h, task.shape.out_w).image;
    place = int(cell - image * task.strides.image_cells);
    at = cell * task.shape.out_cs + channel, potential = at + image * task.strides.behind;
  }
  __device__ __forceinline__ void skip(int cells, const SpikingTask& task) {
    at += cells * task.shape.out_cs, potential += cells * task.shape.out_cs;
    for (place += cells; place >= task.strides.image_cells; place -= task.strides.image_cells)
      potential += task.strides.behind;
  }
};

// All steps of the neurons of a run.
template <bool kScheduled>
__device__ __forceinline__ void step_neurons(const SpikingTask& task, const unsigned char* table, const uint32_t* masks,
                                             const LaneChannels& lane, int64_t first, int count) {
  NeuronParams params = task.neuron;
  if constexpr (!kScheduled) params.kappa = nullptr;  // known to the compiler: no load and no second formula
  const int T = params.timesteps, run = task.runs.run, begin = int(threadIdx.x) % 32 / kHalf;
  const Lif lif{params.threshold(), params.leak()};
  const Neuron fresh = fresh_neuron(params, true), none = fresh_neuron(params, false);
  const float4 bias = task.bias ? load_four(task.bias + lane.channel) : float4();
  NeuronWalk walk(task, first + begin, lane.channel);
  const auto current_of = [&](int local, int64_t neuron) {
    return task.current && local < count ? load_four(task.current + neuron) : float4();
  };
  float4 next = current_of(begin, walk.at);
  for (int local = begin; local < count; local += 2, walk.skip(2, task)) {
    const float4 now = next;
    next = current_of(local + 2, walk.at + 2 * task.shape.out_cs);
    const float biases[] = {bias.x, bias.y, bias.z, bias.w}, currents[] = {now.x, now.y, now.z, now.w};
    Neuron neurons[kLaneColumns];
#pragma unroll
    for (int i = 0; i < kLaneColumns; ++i) neurons[i] = lane.channel + i < task.shape.out_c ? fresh : none;
    const uint32_t* mask = masks + local;
    float* potential = task.potential + walk.potential;
    for (int t = 1; t <= T; ++t, mask += run, potential += task.strides.step) {
      float sums[kLaneColumns] = {}, u[kLaneColumns];
      uint32_t lane_bytes = threadIdx.x % kHalf * sizeof(float4);
      add_rows(sums, table, *mask, lane_bytes);
#pragma unroll 1
      for (int word = 1; word < task.words; ++word)
        add_rows(sums, table, mask[word * T * run], lane_bytes += kTableBytes);
      const bool has_current = t == 1 || task.current_always;
#pragma unroll
      for (int i = 0; i < kLaneColumns; ++i)
        u[i] = neuron_step(neurons[i], params, lif, sums[i], task.source.scale, biases[i],
                           has_current ? currents[i] : 0, t);
      if (task.potential) *reinterpret_cast<float4*>(potential) = make_float4(u[0], u[1], u[2], u[3]);
    }
    uint32_t times = 0;
#pragma unroll
    for (int i = 0; i < kLaneColumns; ++i) times |= uint32_t(neurons[i].fire_time) << 8 * i;
    *reinterpret_cast<uint32_t*>(task.times + walk.at) = times;
  }
}

// Shared memory: the table of every word, then the masks of every warp.
size_t spiking_bytes(const StageShape& s, int timesteps, int run) {
  return size_t(words_of(s)) * (kTableBytes + size_t(kWarps) * timesteps * run * sizeof(uint32_t));
}

template <bool kScheduled>
__global__ void __launch_bounds__(kThreads, kScheduled ? 2 : 4) spiking_kernel(SpikingTask task) {
  const StageShape& s = task.shape;
  const int words = words_of(s);
  unsigned char* table = dynamic_shared();
  uint32_t* masks = reinterpret_cast<uint32_t*>(table + words * kTableBytes) +
                    int(threadIdx.x) / 32 * words * task.neuron.timesteps * task.runs.run;
  fill_table(table, task.weight, s);
  __syncthreads();
  const LaneChannels at(int(blockIdx.y) * kColumns + int(threadIdx.x) % kHalf * kLaneColumns, rows_of(s), s);
  for (int64_t first = task.runs.begin(); first < task.runs.cells; first += task.runs.step()) {
    const int count = task.runs.count(first);
    gather_spikes(masks, task, first, count);
    __syncwarp();
    if (at.live) step_neurons<kScheduled>(task, table, masks, at, first, count);
    __syncwarp();
  }
}

}  // namespace
}  // namespace first_stage

bool first_stage_takes(const StageShape& s, int timesteps) {
  using namespace first_stage;
  return s.src_cs < kLane && s.pool == 1 && rows_of(s) <= kMostRows && timesteps <= kEventSteps &&
         std::max(s.src_size(), s.out_cells()) <= INT32_MAX &&
         spiking_bytes(s, timesteps, kLeastRun) <= size_t(kMaxShared);
}

void first_stage_spiking_forward(Stream& stream, const SpikingForwardTask& task) {
  using namespace first_stage;
  const StageShape& s = task.shape;
  const auto bytes = [&](int run) { return spiking_bytes(s, task.neuron.timesteps, run); };
  const Runs runs = runs_of(task.n * s.out_cells(), bytes);
  launch(stream, grid_of(runs, s), dim3(kThreads), bytes(runs.run), "first_spiking_forward",
         task.neuron.kappa ? spiking_kernel<true> : spiking_kernel<false>,
         SpikingTask{task, runs, StepStrides(s, task.neuron.timesteps), words_of(s)});
}

}  // namespace onespike::cuda
