// Gradients of schedules (docs/MATHEMATICS.md, "Schedules") on the GPU: every warp sums its neurons step by step, then
// blocks and warps are added up in one order.
#include <algorithm>

#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"
#include "cuda/neuron.cuh"
#include "cuda/tensor/ptx.cuh"

namespace onespike::cuda {
namespace {

constexpr int kWarpsOfBlock = kElementThreads / 32;
constexpr int64_t kScheduleBlocks = 256;

// (block, 2 T): sums of g(t) times what arrived, then of a(t) U(t).
struct ScheduleKernelTask {
  ScheduleGradientTask task;
  double* partial;
};

__device__ __forceinline__ double warp_sum(double value) {
  for (int other = 16; other > 0; other /= 2) value += __shfl_xor_sync(0xffffffffu, value, other);
  return value;
}

__global__ void __launch_bounds__(kElementThreads) schedule_kernel(ScheduleKernelTask k) {
  const ScheduleGradientTask& task = k.task;
  const StageShape& s = task.shape;
  const int T = task.neuron.timesteps, lane = int(threadIdx.x) % 32;
  const int64_t size = s.out_size(), count = task.n * size;
  double* all = reinterpret_cast<double*>(dynamic_shared());
  double* sums = all + int(threadIdx.x) / 32 * 2 * T;
  for (int i = int(threadIdx.x); i < kWarpsOfBlock * 2 * T; i += kElementThreads) all[i] = 0;
  __syncthreads();
  const float leak = task.neuron.leak();
  // All lanes of a warp walk the same number of times.
  for (int64_t first = blockIdx.x * int64_t(kElementThreads); first < count; first += element_stride()) {
    const int64_t i = first + threadIdx.x, image = i / size, at = i - image * size;
    const bool inside = i < count;
    const float* u = task.potential + image * T * size + at;
    const float* a = task.a + image * T * size + at;
    const int time = inside && task.times && task.times[i] ? task.times[i] : T;
    const float bias = inside && task.bias ? task.bias[at % s.out_cs] : 0;
    const float start = at % s.out_cs < s.out_c ? task.neuron.initial_potential() : 0;
    float g = 0;
    for (int t = T; t >= 1; --t) {
      double arrived = 0, reached = 0;
      // After its spike a neuron has no potential, and a(t) and g(t) are 0.
      if (inside && t <= time) {
        const float now = u[(t - 1) * size], before = t > 1 ? u[(t - 2) * size] : start;
        float spike = a[(t - 1) * size];
        g = carry_leak<Float>(leak, g, spike);
        if (task.spike_a) spike = task.spike_a[image * T * size + at + (t - 1) * size];
        arrived = double(g) * (double(now) - double(leak) * before - bias), reached = double(spike) * now;
      }
      arrived = warp_sum(arrived), reached = warp_sum(reached);
      if (lane == 0) sums[t - 1] += arrived, sums[T + t - 1] += reached;
    }
  }
  __syncthreads();
  for (int i = int(threadIdx.x); i < 2 * T; i += kElementThreads) {
    double sum = 0;
    for (int warp = 0; warp < kWarpsOfBlock; ++warp) sum += all[warp * 2 * T + i];
    k.partial[blockIdx.x * int64_t(2 * T) + i] = sum;
  }
}

struct EndSchedule {
  ScheduleGradientTask task;
  const double* partial;
  int64_t blocks;

  __device__ void operator()(int64_t i) const {
    const int T = task.neuron.timesteps;
    double sum = 0;
    for (int64_t block = 0; block < blocks; ++block) sum += partial[block * 2 * T + i];
    if (i < T) task.d_kappa[i] += float(sum / double(task.neuron.kappa[i]));
    else task.d_theta[i - T] -= float(sum / double(task.neuron.theta[i - T]));
  }
};

}  // namespace

size_t schedule_bytes(int timesteps) { return size_t(kScheduleBlocks * 2 * timesteps) * sizeof(double); }

KernelChoice CudaBackend::execute(const ScheduleGradientTask& task) {
  const int T = task.neuron.timesteps;
  const int64_t blocks = blocks_for(task.n * task.shape.out_size(), kScheduleBlocks);
  double* partial = reinterpret_cast<double*>(workspace_.reserve<char>(stream_, schedule_bytes(T)));
  launch(stream_, dim3(unsigned(blocks)), dim3(kElementThreads), size_t(kWarpsOfBlock * 2 * T) * sizeof(double),
         "schedule_gradient", schedule_kernel, ScheduleKernelTask{task, partial});
  each(stream_, "schedule_gradient", 2 * T, EndSchedule{task, partial, blocks});
  return {};
}

}  // namespace onespike::cuda
