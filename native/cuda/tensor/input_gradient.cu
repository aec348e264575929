// Input gradients: the product of gemm.cuh with the weights turned round, then the neuron or the rectifier of the stage
// below.
#include "cuda/tensor/gemm.cuh"
#include "cuda/neuron.cuh"
#include "cuda/tensor/operands.h"
#include "cuda/tensor/tensor_core.h"

namespace onespike::cuda {
namespace {

// The cell of the (pooled) source map and the channel that a column of a row stands for.
struct Target {
  int y, x, channel;
  bool exists;

  __device__ Target(const Row& row, int column, const StageShape& s) : y(row.y), x(row.x), channel(column) {
    if (s.linear) {
      const int per_tap = (s.src_cs + kColumns - 1) / kColumns * kColumns, tap = column / per_tap;
      channel = column % per_tap, y = tap / s.in_w, x = tap % s.in_w;
    }
    exists = channel < s.src_cs;
  }
};

struct SpikingTask {
  ReceivingNeurons below;
  float* carry_sum =
      nullptr;               // where one launch does not take all steps: the sum of the launch before, per pooled cell,
  float* carry_g = nullptr;  // and g, per cell
  double2* partial;          // per block: d_threshold, d_leak
  const float* neuron;       // of the stage itself
  const float* kappa;        // its schedule, or null
  StageShape shape;
};

class SpikingEpilogue {
 public:
  using Task = SpikingTask;
  using Quads = void;
  __device__ SpikingEpilogue(const Task& task, const GemmTask& g)
      : task_(task),
        g_(g),
        leak_(task.neuron[1]),
        leak_below_(task.below.neuron.leak()),
        inverse_(1 / task.below.neuron.threshold()),
        cost_(task.below.cost ? *task.below.cost : 0),
        start_(task.below.neuron.initial_potential()) {}

  template <int kSteps>
  __device__ __forceinline__ void quad(const Row& row, int column, float (&sums)[kSteps][kQuad]) {
    const StageShape& s = task_.shape;
    const Target target(row, column, s);
    if (!target.exists) return;
    const bool last = g_.first_step + kSteps >= g_.timesteps;
    float sum[kQuad] = {};
    float* carry = nullptr;
    if (kCarries<kSteps> && task_.carry_sum) {
      carry =
          task_.carry_sum + ((int64_t(row.image) * s.in_h + target.y) * s.in_w + target.x) * s.src_cs + target.channel;
      if (!last) load_quad(sum, carry);
    }
#pragma unroll
    for (int i = kSteps - 1; i >= 0; --i)
#pragma unroll
      for (int e = 0; e < kQuad; ++e) sums[i][e] = sum[e] = carry_leak<Float>(leak_, sum[e], sums[i][e]);
    if (carry) store_quad(carry, sum);
    if (task_.kappa) {
#pragma unroll
      for (int i = 0; i < kSteps; ++i) {
        const int step = g_.first_step + i;
        for (int e = 0; e < kQuad && step < g_.timesteps; ++e) sums[i][e] *= task_.kappa[step];
      }
    }
    with_surrogate(task_.below.neuron.surrogate.kind, [&](auto kind) {
#pragma unroll 1
      for (int child = 0; child < s.pool * s.pool; ++child)
        receive<decltype(kind)::value>(row.image, target.y * s.pool + child / s.pool,
                                       target.x * s.pool + child % s.pool, target.channel, last, sums);
    });
  }

  // The sums of all threads of the block, in a fixed order.
  __device__ void finish() {
    __shared__ double2 warps[kWarps];
    double threshold = sums_.threshold, leak = sums_.leak;
#pragma unroll
    for (int other = 16; other > 0; other /= 2) {
      threshold += __shfl_xor_sync(0xffffffffu, threshold, other);
      leak += __shfl_xor_sync(0xffffffffu, leak, other);
    }
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = make_double2(threshold, leak);
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int w = 1; w < kWarps; ++w) threshold += warps[w].x, leak += warps[w].y;
    task_.partial[blockIdx.x] = make_double2(threshold, leak);
  }

 private:
  // Four neurons of the stage below, which share the sums of their pooled cell.
  template <Surrogate kKind, int kSteps>
  __device__ __forceinline__ void receive(int image, int y, int x, int channel, bool last,
                                          const float (&sums)[kSteps][kQuad]) {
    const StageShape& s = task_.shape;
    const ReceivingNeurons& below = task_.below;
    const int T = g_.timesteps, first = g_.first_step;
    const int64_t step = s.src_size(), cell = (int64_t(y) * s.src_w + x) * s.src_cs + channel, at = image * step + cell;
    const float* potential = below.potential + int64_t(image) * T * step + cell;
    float* to = below.a + int64_t(image) * T * step + cell;
    // u[i + 1] is the potential of the step first + i + 1: all loads are under way before the first of them is used.
    float u[kSteps + 1][kQuad], g[kQuad] = {}, share[kQuad], initial[kQuad];
    int fire[kQuad];
#pragma unroll
    for (int i = 0; i < kSteps; ++i)
      if (first + i < T) load_quad(u[i + 1], potential + (first + i) * step);
    if (first > 0) load_quad(u[0], potential + (first - 1) * step);
    load_quad(fire, below.times + at);
    if (kCarries<kSteps> && task_.carry_g && !last) load_quad(g, task_.carry_g + at);
    int mask[kQuad] = {1, 1, 1, 1};
    if (below.mask) load_quad(mask, below.mask + at);
#pragma unroll
    for (int e = 0; e < kQuad; ++e) {
      const bool real = channel + e < s.src_c;
      if (first == 0) u[0][e] = real ? start_ : 0;
      initial[e] = real ? below.neuron.initial : 0;
      share[e] = below.scale * float(mask[e]);
      fire[e] = fire[e] ? fire[e] : T + 1;
    }
#pragma unroll
    for (int i = kSteps - 1; i >= 0; --i) {
      const int t = first + i + 1;
      if (t > T) continue;
      const float reach = reach_of(below.neuron, t);
      float a[kQuad] = {};
      if (below.add) load_quad(a, to + (t - 1) * step);
#pragma unroll
      for (int e = 0; e < kQuad; ++e) {
        const float slope =
            neuron_slope<slope_of<kKind>>(u[i + 1][e], fire[e], t, inverse_, reach, below.neuron.surrogate);
        const float value = neuron_backward(g[e], sums_, t, sums[i][e] * share[e] + cost_, slope, u[i + 1][e], u[i][e],
                                            fire[e], inverse_, reach, leak_below_, initial[e]);
        a[e] = below.add ? a[e] + value : value;
      }
      store_quad(to + (t - 1) * step, a);
    }
    if (kCarries<kSteps> && task_.carry_g) store_quad(task_.carry_g + at, g);
  }

  const Task& task_;
  const GemmTask& g_;
  const float leak_, leak_below_, inverse_, cost_, start_;
  NeuronSums sums_;  // of all neurons of the thread
};

// d_neuron += the partial sums, in a fixed order; one block.
__global__ void add_partial_kernel(float* d_neuron, const double2* partial, int count) {
  __shared__ double2 sums[256];
  double threshold = 0, leak = 0;
  for (int i = int(threadIdx.x); i < count; i += 256) threshold += partial[i].x, leak += partial[i].y;
  sums[threadIdx.x] = make_double2(threshold, leak);
  __syncthreads();
  for (unsigned half = 128; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      const double2 other = sums[threadIdx.x + half];
      sums[threadIdx.x] = make_double2(sums[threadIdx.x].x + other.x, sums[threadIdx.x].y + other.y);
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) d_neuron[0] += float(sums[0].x), d_neuron[1] += float(sums[0].y);
}

struct DenseTask {
  float* d_src;
  bool add;
  const float* activation;  // or null: all are let through
  float scale;
  StageShape shape;
};

class DenseEpilogue {
 public:
  using Task = DenseTask;
  using Quads = void;
  __device__ DenseEpilogue(const Task& task, const GemmTask&) : task_(task) {}

  template <int kSteps>
  __device__ __forceinline__ void quad(const Row& row, int column, const float (&v)[kSteps][kQuad]) {
    const StageShape& s = task_.shape;
    const Target target(row, column, s);
    if (!target.exists) return;
    for (int a = 0; a < s.pool; ++a)
      for (int b = 0; b < s.pool; ++b) {
        const int64_t at =
            ((int64_t(row.image) * s.src_h + target.y * s.pool + a) * s.src_w + target.x * s.pool + b) * s.src_cs +
            target.channel;
        float active[kQuad] = {1, 1, 1, 1}, sum[kQuad] = {};
        if (task_.activation) load_quad(active, task_.activation + at);
        if (task_.add) load_quad(sum, task_.d_src + at);
#pragma unroll
        for (int e = 0; e < kQuad; ++e) {
          const float value = active[e] != 0 ? v[0][e] * task_.scale : 0;
          sum[e] = task_.add ? sum[e] + value : value;
        }
        store_quad(task_.d_src + at, sum);
      }
  }
  __device__ void finish() {}

 private:
  const Task& task_;
};

}  // namespace

namespace tensor_core {

void input_gradient(Stream& stream, void* workspace, const SpikingBackwardTask& task) {
  const StageShape& s = task.shape;
  const int n = task.n, T = task.neuron.timesteps;
  GemmTask g = backward_task(n, T, s);
  const int steps = plan_gemm(&g, false);
  const int64_t blocks = g.blocks();
  SpikingTask epilogue{.below = task.below,
                       .partial = static_cast<double2*>(workspace),
                       .neuron = task.neuron.neuron,
                       .kappa = task.neuron.kappa,
                       .shape = s};
  auto* rest = reinterpret_cast<float*>(epilogue.partial + blocks);
  if (steps < T) {
    epilogue.carry_sum = rest, rest += n * s.src_size();
    epilogue.carry_g = rest, rest += n * s.src_size();
  }
  if (!task.below.add) zero_dropped(stream, task.below.a, int64_t(n) * T, s);
  const GradientRecord record(task.gradient, T, s);
  g.a = record.a(0), g.image_stride = record.image_stride(), g.b = task.weight_backward;
  for (int first = (T - 1) / steps * steps; first >= 0; first -= steps) {
    g.first_step = first;
    launch_steps<false, SpikingEpilogue>(stream, "input_gradient", g, steps, epilogue);
    launch(stream, dim3(1), dim3(256), 0, "add_partial", add_partial_kernel, task.below.d_neuron, epilogue.partial,
           int(blocks));
  }
}

void dense_input_gradient(Stream& stream, void* workspace, const DenseInputGradientTask& task) {
  const StageShape& s = task.shape;
  GemmTask g = backward_task(task.n, 1, s);
  plan_gemm(&g, false);
  auto* halves = static_cast<uint16_t*>(workspace);
  make_halves(stream, halves, task.d_out, task.n * s.out_cells(), s.out_cs, ChannelOrder::kPlain);
  if (!task.add) zero_dropped(stream, task.d_src, task.n, s);
  g.a = halves, g.b = task.weight_backward;
  launch_gemm<false, DenseEpilogue, 1>(stream, "dense_input_gradient", g,
                                       {task.d_src, task.add, task.activation, task.scale / float(s.pool * s.pool), s});
}

}  // namespace tensor_core
}  // namespace onespike::cuda
