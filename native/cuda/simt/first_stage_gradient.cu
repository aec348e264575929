// Weight gradients of first_stage.h. A warp walks output cells, two output channels a lane, with the sums of 28 rows of
// weights in registers. The gradients of the cells come by asynchronous copies, the next ones while these are added: a
// cell's steps lie one after the other in shared memory, behind a step of zeros, so that a spike time is the address of
// what its row of weights adds, and a neuron that stays silent needs no branch.
//
// Blocks have a part of the cells each, and the parts are added up in one order.
#include <algorithm>

#include "cuda/columns.cuh"
#include "cuda/simt/first_stage.cuh"
#include "cuda/simt/first_stage.h"

namespace onespike::cuda {
namespace first_stage {
namespace {

constexpr int kRun = 32;  // cells that a warp gathers at once, one a lane
constexpr int64_t kMostParts = 1024;
constexpr int kLeastPart = kWarps * kRun;  // cells

// What cells meet at the rows: spike times, which say what step is added ..
struct Spikes {
  static constexpr int kZeroSteps = 1;  // before step 1
  static constexpr int kCellBytes = 32;
  const uint8_t* map;

  __device__ static void store(unsigned char* to, int group, const uint8_t (&v)[kGroupRows]) {
    reinterpret_cast<uint32_t*>(to)[group] =
        uint32_t(v[0]) | uint32_t(v[1]) << 8 | uint32_t(v[2]) << 16 | uint32_t(v[3]) << 24;
  }
  __device__ static __forceinline__ void add(float2 (&sums)[kWordRows], const unsigned char* times,
                                             const unsigned char* gradient) {
    static_assert(kColumnBytes == 1 << 8);
    const uint4 low = reinterpret_cast<const uint4*>(times)[0], high = reinterpret_cast<const uint4*>(times)[1];
    const uint32_t words[kGroups] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z};
#pragma unroll
    for (int row = 0; row < kWordRows; ++row) {
      // The time in the second byte: times kColumnBytes.
      const uint32_t at = __byte_perm(words[row / kGroupRows], 0, 0x4404 | row % kGroupRows << 4);
      const float2 g = *reinterpret_cast<const float2*>(gradient + at);
      sums[row].x += g.x, sums[row].y += g.y;
    }
  }
};

// .. or floats, which multiply the only step.
struct Values {
  static constexpr int kZeroSteps = 0;
  static constexpr int kCellBytes = kWordRows * sizeof(float);
  const float* map;

  __device__ static void store(unsigned char* to, int group, const float (&v)[kGroupRows]) {
    reinterpret_cast<float4*>(to)[group] = make_float4(v[0], v[1], v[2], v[3]);
  }
  __device__ static __forceinline__ void add(float2 (&sums)[kWordRows], const unsigned char* values,
                                             const unsigned char* gradient) {
    const float2 g = *reinterpret_cast<const float2*>(gradient);
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      const float4 v = reinterpret_cast<const float4*>(values)[group];
      const float rows[] = {v.x, v.y, v.z, v.w};
#pragma unroll
      for (int i = 0; i < kGroupRows; ++i) {
        float2& sum = sums[group * kGroupRows + i];
        sum = make_float2(multiply_add(rows[i], g.x, sum.x), multiply_add(rows[i], g.y, sum.y));
      }
    }
  }
};

template <class Rows>
struct GradientTask {
  float* parts;  // one copy of the packed weights each
  Rows rows;
  const float* gradient;  // (n, steps, out map)
  int steps, batch;       // cells that are copied at once
  StageShape shape;
  StepStrides strides;
  int64_t cells, part;  // output cells of all images; of one part

  __device__ int cell_bytes() const { return (Rows::kZeroSteps + steps) * kColumnBytes; }
};

// Copies the gradients of consecutive cells to shared memory, 16 bytes a lane: half a warp has every other step.
struct GradientCopy {
  const float* from;  // the lane's first step of the next cell
  int first, place;   // that step, from 0; place of the cell in its image
  bool live;

  template <class Task>
  __device__ GradientCopy(const Task& task, int64_t cell) : first(int(threadIdx.x) % 32 / 16) {
    const StageShape& s = task.shape;
    const int column = int(blockIdx.y) * kColumns + int(threadIdx.x) % 16 * 4;
    const int64_t image = cell_at(cell, s.out_h, s.out_w).image;
    place = int(cell - image * task.strides.image_cells), live = column < s.out_cs;
    from = task.gradient + image * task.strides.behind + cell * s.out_cs + column + first * task.strides.step;
  }
  template <class Task>
  __device__ __forceinline__ void next(unsigned char* to, const Task& task) {
    const float* at = from;
    to += int(threadIdx.x) % 32 * sizeof(float4);
#pragma unroll 1
    for (int t = live ? first : task.steps; t < task.steps; t += 2, at += 2 * task.strides.step, to += 2 * kColumnBytes)
      copy_async(to, at);
    from += task.shape.out_cs;
    if (++place == task.strides.image_cells) place = 0, from += task.strides.behind;
  }
};

// rows (kRun, kCellBytes): what the cells from `first` on meet at kWordRows rows of weights. A lane has a cell.
template <class Rows>
__device__ void gather(unsigned char* to, const GradientTask<Rows>& task, int64_t first, int count) {
  const int lane = int(threadIdx.x) % 32;
  each_group(task.rows.map, first + min(lane, count - 1), int(blockIdx.z) * kWordRows, kGroups, task.shape,
             [&](int group, const auto& values) { Rows::store(to + lane * Rows::kCellBytes, group, values); });
}

// sums += a run of cells. `buffers` holds two batches of gradients.
template <class Rows>
__device__ __forceinline__ void add_run(float2 (&sums)[kWordRows], const GradientTask<Rows>& task,
                                        unsigned char* buffers, const unsigned char* rows, int64_t first, int count) {
  const int batch = task.batch, cell_bytes = task.cell_bytes(), lane = int(threadIdx.x) % 32;
  unsigned char *now = buffers, *other = buffers + batch * cell_bytes;
  GradientCopy copy(task, first);
  const auto fetch = [&](unsigned char* to, int from) {
    for (int i = from; i < min(from + batch, count); ++i, to += cell_bytes)
      copy.next(to + Rows::kZeroSteps * kColumnBytes, task);
    copy_async_commit();
  };
  fetch(now, 0);
  for (int begin = 0; begin < count; begin += batch) {
    fetch(other, begin + batch);
    copy_async_wait<1>();
    __syncwarp();
    for (int i = begin; i < min(begin + batch, count); ++i)
      Rows::add(sums, rows + i * Rows::kCellBytes, now + (i - begin) * cell_bytes + lane * sizeof(float2));
    __syncwarp();
    unsigned char* const done = now;
    now = other, other = done;
  }
}

// The sums of the warps, added up in their order, in shared memory (kWordRows, 32).
__device__ __forceinline__ void add_warps(float2* total, const float2 (&sums)[kWordRows]) {
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  for (int turn = 0; turn < kWarps; ++turn) {
    __syncthreads();
    if (warp != turn) continue;
#pragma unroll
    for (int row = 0; row < kWordRows; ++row) {
      const float2 before = turn == 0 ? float2() : total[row * 32 + lane];
      total[row * 32 + lane] = make_float2(before.x + sums[row].x, before.y + sums[row].y);
    }
  }
  __syncthreads();
}

// Shared memory: two batches of gradients of every warp, then what its cells meet at the rows.
template <class Rows>
__global__ void __launch_bounds__(kThreads, 2) gradient_kernel(GradientTask<Rows> task) {
  const StageShape& s = task.shape;
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32, bytes = 2 * task.batch * task.cell_bytes();
  unsigned char *buffers = dynamic_shared() + warp * bytes,
                *rows = dynamic_shared() + kWarps * bytes + warp * kRun * Rows::kCellBytes;
  for (int i = 0; i < 2 * task.batch && Rows::kZeroSteps; ++i)
    reinterpret_cast<float2*>(buffers + i * task.cell_bytes())[lane] = float2();
  float2 sums[kWordRows] = {};
  const int64_t begin = blockIdx.x * task.part, end = min(task.cells, begin + task.part);
  for (int64_t first = begin + warp * kRun; first < end; first += kWarps * kRun) {
    const int count = int(min(int64_t(kRun), end - first));
    gather(rows, task, first, count);
    __syncwarp();
    add_run(sums, task, buffers, rows, first, count);
  }
  float2* const total = reinterpret_cast<float2*>(dynamic_shared());
  add_warps(total, sums);
  const int first_row = int(blockIdx.z) * kWordRows;
  const LaneChannels at(int(blockIdx.y) * kColumns + lane * 2, rows_of(s), s);
  for (int row = warp; row < kWordRows && first_row + row < rows_of(s) && at.live; row += kWarps)
    *reinterpret_cast<float2*>(task.parts + blockIdx.x * s.weights() + at.weight(first_row + row)) =
        total[row * 32 + lane];
}

struct AddPart {
  const float* parts;
  int stride;

  __device__ void operator()(int64_t part, int column, double (&sums)[1]) const {
    sums[0] += parts[part * stride + column];
  }
};

struct AddToWeight {
  float* d_weight;
  float scale;

  __device__ void operator()(int column, const double (&sums)[1]) const { d_weight[column] += scale * float(sums[0]); }
};

struct Parts {
  int64_t part;  // cells
  int count;
};

Parts parts_of(int64_t n, const StageShape& s) {
  const int64_t cells = n * s.out_cells(), most = std::max<int64_t>(1, kMostParts / (words_of(s) * column_tiles_of(s)));
  const int64_t part = ((cells + most - 1) / most + kLeastPart - 1) / kLeastPart * kLeastPart;
  return {part, int((cells + part - 1) / part)};
}

// Doubles of the sums over parts, which come first in the workspace.
size_t partial_count(const StageShape& s) { return size_t(kColumnBlocks) * size_t(s.weights()); }

// Few steps come in batches of several cells: two batches of some 3 KiB a warp keep 40 to 60 KiB of an SM on the way,
// twice what 4 TB/s ask for at a latency of 700 ns.
int batch_of(int steps) { return std::clamp(12 / steps, 1, 8); }

template <class Rows>
void weight_gradient(Stream& stream, Workspace& workspace, const char* name, float* d_weight, const Rows& rows,
                     const float* gradient, int64_t n, int steps, float scale, const StageShape& s) {
  const Parts parts = parts_of(n, s);
  double* partial = reinterpret_cast<double*>(workspace.reserve<char>(stream, first_stage_gradient_bytes(n, s)));
  float* copies = reinterpret_cast<float*>(partial + partial_count(s));
  const int batch = batch_of(steps);
  const size_t cell_bytes = size_t(Rows::kZeroSteps + steps) * kColumnBytes,
               bytes = kWarps * (2 * batch * cell_bytes + kRun * Rows::kCellBytes);
  launch(stream, dim3(unsigned(parts.count), unsigned(column_tiles_of(s)), unsigned(words_of(s))), dim3(kThreads),
         bytes, name, gradient_kernel<Rows>,
         GradientTask<Rows>{copies, rows, gradient, steps, batch, s, StepStrides(s, steps), n * s.out_cells(),
                            parts.part});
  const int weights = int(s.weights());
  sum_columns<1>(stream, name, parts.count, weights, AddPart{copies, weights}, AddToWeight{d_weight, scale}, partial);
}

}  // namespace
}  // namespace first_stage

size_t first_stage_gradient_bytes(int64_t n, const StageShape& s) {
  return first_stage::partial_count(s) * sizeof(double) +
         size_t(first_stage::parts_of(n, s).count) * size_t(s.weights()) * sizeof(float);
}

void first_stage_weight_gradient(Stream& stream, Workspace& workspace, const WeightGradientTask& task) {
  first_stage::weight_gradient(stream, workspace, "first_weight_gradient", task.d_weight,
                               first_stage::Spikes{task.source.times}, task.gradient, task.n, task.timesteps,
                               task.source.scale, task.shape);
}

void first_stage_dense_weight_gradient(Stream& stream, Workspace& workspace, const DenseWeightGradientTask& task) {
  first_stage::weight_gradient(stream, workspace, "first_dense_weight_gradient", task.d_weight,
                               first_stage::Values{task.packed}, task.d_out, task.n, 1, 1, task.shape);
}

}  // namespace onespike::cuda
