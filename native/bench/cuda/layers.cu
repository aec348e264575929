#include "bench/cuda/layers.h"

#include <stdexcept>

#include "bench/cuda/device.h"
#include "cuda/operands.h"
#include "cuda/tensor_core.h"
#include "ops/rng.h"

namespace onespike::bench {
namespace {

namespace tc = cuda::tensor_core;

constexpr int kBlock = 256;

__global__ void random_floats(float* to, int64_t count, uint64_t seed, float scale) {
  const Rng rng = Rng::of(seed);
  for (int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x; i < count; i += int64_t(gridDim.x) * kBlock) to[i] = scale * (rng.uniform(uint64_t(i)) - 0.5f);
}

__global__ void random_times(uint8_t* to, int64_t count, uint64_t seed, int timesteps, float activity) {
  const Rng rng = Rng::of(seed);
  for (int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x; i < count; i += int64_t(gridDim.x) * kBlock)
    to[i] = rng.uniform(2 * uint64_t(i)) < activity ? uint8_t(1 + rng.below(2 * uint64_t(i) + 1, uint32_t(timesteps))) : uint8_t(0);
}

class Memory {
 public:
  explicit Memory(cuda::Stream& stream) : stream_(stream) {}
  ~Memory() {
    for (void* block : blocks_) (void)cudaFree(block);
  }
  template <class T>
  T* take(int64_t count) {
    T* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, size_t(count) * sizeof(T));
    if (error != cudaSuccess) throw std::runtime_error(std::string(cudaGetErrorName(error)) + " for " + std::to_string(count * int64_t(sizeof(T))) + " bytes");
    blocks_.push_back(memory);
    stream_.note(cudaMemsetAsync(memory, 0, size_t(count) * sizeof(T), stream_.handle), "cudaMemsetAsync");
    return memory;
  }
  float* floats(int64_t count, float scale) {
    float* memory = take<float>(count);
    cuda::launch(stream_, dim3(256), dim3(kBlock), 0, "random_floats", random_floats, memory, count, blocks_.size(), scale);
    return memory;
  }

 private:
  cuda::Stream& stream_;
  std::vector<void*> blocks_;
};

}  // namespace

std::vector<Timing> time_stage(cuda::Stream& stream, const StageShape& s, int n, int timesteps, double activity, double least_ms) {
  const int T = timesteps;
  const int64_t out = n * s.out_size(), src = n * s.src_size(), in = int64_t(n) * s.in_h * s.in_w * s.src_cs, weights = s.weights();
  const double flops = 2.0 * double(n * s.out_cells()) * double(weights);
  Memory memory(stream);
  std::vector<Timing> timings;
  auto* workspace = memory.take<unsigned char>(int64_t(tc::workspace_bytes(n, T, s)));
  auto* halves = reinterpret_cast<uint16_t*>(workspace);
  auto *forward = memory.take<unsigned char>(int64_t(tc::forward_bytes(s))), *backward = memory.take<unsigned char>(int64_t(tc::backward_bytes(s)));
  float *weight = memory.floats(weights, 0.1f), *d_weight = memory.floats(weights, 0), *d_neuron = memory.take<float>(2);
  float* neuron = memory.take<float>(2);
  const float pair[2] = {1, 0.9f};
  stream.note(cudaMemcpy(neuron, pair, sizeof pair, cudaMemcpyHostToDevice), "cudaMemcpy");
  tc::pack_forward(stream, forward, weight, s), tc::pack_backward(stream, backward, weight, s);

  const auto add = [&](const char* name, double flops, double bytes, const std::function<void()>& run, const std::function<void()>& operands) {
    timings.push_back({name, milliseconds(stream, least_ms, run), operands ? milliseconds(stream, least_ms, operands) : 0, flops, bytes});
    if (stream.error != cudaSuccess) throw std::runtime_error(std::string(stream.call) + ": " + cudaGetErrorName(stream.error));
  };
  {
    Memory maps(stream);
    float *a = maps.floats(out * T, 0.1f), *u = maps.floats(src * T, 4);
    auto *times = maps.take<uint8_t>(src), *fired = maps.take<uint8_t>(out);
    cuda::launch(stream, dim3(256), dim3(kBlock), 0, "random_times", random_times, times, src, uint64_t(7), T, float(activity));
    SpikeSource source;
    source.times = times, source.scale = 1.0f / float(s.pool * s.pool);
    NeuronParams p;
    p.timesteps = T, p.neuron = neuron;
    StageShape below;
    below.out_h = s.src_h, below.out_w = s.src_w, below.out_c = s.src_c, below.out_cs = s.src_cs;
    const std::function<void()> none, counts = [&] { cuda::make_counts(stream, halves, times, n, T, s, cuda::ChannelOrder::kSlice); };
    add("spiking_forward, infer", flops * T, double(src + 2 * weights + out),
        [&] { tc::spiking_forward(stream, workspace, fired, nullptr, source, forward, nullptr, nullptr, false, n, p, s); }, s.pool > 1 ? counts : none);
    add("spiking_forward, train", flops * T, double(src + 2 * weights + out + 4 * T * out),
        [&] { tc::spiking_forward(stream, workspace, fired, a, source, forward, nullptr, nullptr, false, n, p, s); }, s.pool > 1 ? counts : none);
    cuda::launch(stream, dim3(256), dim3(kBlock), 0, "random_floats", random_floats, a, out * T, uint64_t(9), 0.1f);
    float* gradient = maps.take<float>(out * T);
    add("accumulate_gradient", 0, double(4 * T * out + 4 * T * out), [&] { tc::accumulate_gradient(stream, gradient, a, n, p, s); }, none);
    add("input_gradient", flops * T, double(2 * T * out + 8 * T * src + src + 2 * weights),
        [&] { tc::input_gradient(stream, workspace, u, gradient, backward, times, nullptr, source.scale, n, p, p, below, s, d_neuron); }, none);
    add("weight_gradient", flops * T, double(2 * T * out + src + 8 * weights),
        [&] { tc::weight_gradient(stream, workspace, d_weight, source, gradient, n, T, s); }, s.pool > 1 ? counts : none);
  }
  Memory maps(stream);
  float *input = maps.floats(in, 1), *activation = maps.floats(src, 1), *value = maps.floats(out, 1), *d_src = maps.take<float>(src);
  const auto from_input = [&] { cuda::make_halves(stream, halves, input, in / s.src_cs, s.src_cs, cuda::ChannelOrder::kSlice); };
  const auto from_output = [&] { cuda::make_halves(stream, halves, value, out / s.out_cs, s.out_cs, cuda::ChannelOrder::kPlain); };
  add("dense_forward", flops, double(4 * in + 4 * out + 2 * weights), [&] { tc::dense_forward(stream, workspace, value, input, forward, nullptr, true, n, s); }, from_input);
  add("dense_input_gradient", flops, double(4 * out + 8 * src + 2 * weights),
      [&] { tc::dense_input_gradient(stream, workspace, d_src, value, backward, activation, 1, n, s); }, from_output);
  add("dense_weight_gradient", flops, double(4 * in + 4 * out + 8 * weights), [&] { tc::dense_weight_gradient(stream, workspace, d_weight, input, value, n, s); }, [&] {
    from_input();
    from_output();
  });
  return timings;
}

}  // namespace onespike::bench
