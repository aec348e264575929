// Forward passes: the product of gemm.cuh, then the neuron or the rectifier.
#include "cuda/tensor/gemm.cuh"
#include "cuda/neuron.cuh"
#include "cuda/tensor/operands.h"
#include "cuda/tensor/tensor_core.h"

namespace onespike::cuda {
namespace {

struct SpikingTask {
  uint8_t* times;
  float* potential;      // or null
  const float* bias;     // or null
  const float* current;  // or null
  float* carry;          // U at the end of the launch before, where one launch does not take all steps
  bool current_always;
  float scale;
  NeuronParams neuron;
  int out_c, out_cs;
};

class SpikingEpilogue {
 public:
  using Task = SpikingTask;
  __device__ SpikingEpilogue(const Task& task, const GemmTask& g)
      : task_(task), g_(g), lif_{task.neuron.threshold(), task.neuron.leak()} {}

  template <int kSteps>
  __device__ __forceinline__ void values(const Row& row, int column, const float (&v)[kSteps][2]) {
    if (column >= task_.out_cs) return;
    const int64_t cells = int64_t(g_.row_h) * g_.row_w, cell = int64_t(row.y) * g_.row_w + row.x;
    const int64_t at = (row.image * cells + cell) * task_.out_cs + column;
    const float2 zero = make_float2(0, 0);
    const float2 bias = task_.bias ? *reinterpret_cast<const float2*>(task_.bias + column) : zero;
    const float2 current = task_.current ? *reinterpret_cast<const float2*>(task_.current + at) : zero;
    auto* times = reinterpret_cast<uchar2*>(task_.times + at);
    Neuron first = fresh_neuron(task_.neuron, column < task_.out_c),
           second = fresh_neuron(task_.neuron, column + 1 < task_.out_c);
    if (kCarries<kSteps> && g_.first_step > 0) {
      const float2 u = *reinterpret_cast<const float2*>(task_.carry + at);
      const uchar2 fired = *times;
      first = {u.x, fired.x}, second = {u.y, fired.y};
    }
    float* potential =
        task_.potential + ((int64_t(row.image) * g_.timesteps + g_.first_step) * cells + cell) * task_.out_cs + column;
#pragma unroll
    for (int i = 0; i < kSteps; ++i) {
      const int t = g_.first_step + i + 1;
      if (t > g_.timesteps) break;
      const float2 in = t == 1 || task_.current_always ? current : zero;
      const float u = neuron_step(first, task_.neuron, lif_, v[i][0], task_.scale, bias.x, in.x, t);
      const float w = neuron_step(second, task_.neuron, lif_, v[i][1], task_.scale, bias.y, in.y, t);
      if (task_.potential) *reinterpret_cast<float2*>(potential + i * cells * task_.out_cs) = make_float2(u, w);
    }
    *times = {(unsigned char)first.fire_time, (unsigned char)second.fire_time};
    if (kCarries<kSteps> && task_.carry) *reinterpret_cast<float2*>(task_.carry + at) = make_float2(first.u, second.u);
  }
  __device__ void finish() {}

 private:
  const Task& task_;
  const GemmTask& g_;
  const Lif lif_;
};

struct DenseTask {
  float* out;
  const float* bias;  // or null
  bool relu;
  int out_cs;
};

class DenseEpilogue {
 public:
  using Task = DenseTask;
  __device__ DenseEpilogue(const Task& task, const GemmTask& g) : task_(task), g_(g) {}

  template <int kSteps>
  __device__ __forceinline__ void values(const Row& row, int column, const float (&v)[kSteps][2]) {
    if (column >= task_.out_cs) return;
    float x = v[0][0], y = v[0][1];
    if (task_.bias) x += task_.bias[column], y += task_.bias[column + 1];
    if (task_.relu) x = x < 0 ? 0 : x, y = y < 0 ? 0 : y;  // not a number stays one
    const int64_t cell = (int64_t(row.image) * g_.row_h + row.y) * g_.row_w + row.x;
    *reinterpret_cast<float2*>(task_.out + cell * task_.out_cs + column) = make_float2(x, y);
  }
  __device__ void finish() {}

 private:
  const Task& task_;
  const GemmTask& g_;
};

}  // namespace

namespace tensor_core {

void spiking_forward(Stream& stream, void* workspace, const SpikingForwardTask& task, const Gate& gate) {
  const StageShape& s = task.shape;
  const int n = task.n, T = task.neuron.timesteps;
  const bool one_byte = s.pool == 1;
  GemmTask g = forward_task(n, T, one_byte, s);
  g.b = task.weight_forward, g.gate = gate;
  const int steps = plan_gemm(&g, one_byte);
  SpikingTask epilogue{.times = task.times,
                       .potential = task.potential,
                       .bias = task.bias,
                       .current = task.current,
                       .carry = steps < T ? static_cast<float*>(workspace) : nullptr,
                       .current_always = task.current_always,
                       .scale = task.source.scale,
                       .neuron = task.neuron,
                       .out_c = s.out_c,
                       .out_cs = s.out_cs};
  if (one_byte) {
    g.a = task.source.times;
    epilogue.scale /= kSpikeValue;
  } else {
    auto* counts = reinterpret_cast<uint16_t*>(static_cast<float*>(workspace) + n * s.out_size());
    make_counts(stream, counts, task.source.times, n, T, s, ChannelOrder::kSlice, gate);
    g.a = counts;
  }
  for (; g.first_step < T; g.first_step += steps) {
    if (one_byte) launch_steps<true, SpikingEpilogue>(stream, "spiking_forward", g, steps, epilogue);
    else launch_steps<false, SpikingEpilogue>(stream, "spiking_forward of counts", g, steps, epilogue);
  }
}

void dense_forward(Stream& stream, void* workspace, const DenseForwardTask& task) {
  const StageShape& s = task.shape;
  GemmTask g = forward_task(task.n, 1, false, s);
  plan_gemm(&g, false);
  make_halves(stream, static_cast<uint16_t*>(workspace), task.packed, int64_t(task.n) * s.in_h * s.in_w, s.src_cs,
              ChannelOrder::kSlice);
  g.a = workspace, g.b = task.weight_forward;
  launch_gemm<false, DenseEpilogue, 1>(stream, "dense_forward", g, {task.out, task.bias, task.relu, s.out_cs});
}

}  // namespace tensor_core
}  // namespace onespike::cuda
