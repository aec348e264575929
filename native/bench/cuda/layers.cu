#include "bench/cuda/layers.h"

#include <stdexcept>

#include "bench/cuda/device.h"
#include "cuda/choice/crossing.h"
#include "cuda/tensor/operands.h"
#include "cuda/simt/simt.h"
#include "cuda/tensor/tensor_core.h"
#include "ops/rng.h"

namespace onespike::bench {
namespace {

namespace tc = cuda::tensor_core;

constexpr int kBlock = 256;

__global__ void random_floats(float* to, int64_t count, uint64_t seed, float scale) {
  const Rng rng = Rng::of(seed);
  for (int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x; i < count; i += int64_t(gridDim.x) * kBlock)
    to[i] = scale * (rng.uniform(uint64_t(i)) - 0.5f);
}

__global__ void random_times(uint8_t* to, int64_t count, uint64_t seed, int timesteps, float activity) {
  const Rng rng = Rng::of(seed);
  for (int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x; i < count; i += int64_t(gridDim.x) * kBlock)
    to[i] = rng.uniform(2 * uint64_t(i)) < activity ? uint8_t(1 + rng.below(2 * uint64_t(i) + 1, uint32_t(timesteps)))
                                                    : uint8_t(0);
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
    if (error != cudaSuccess)
      throw std::runtime_error(std::string(cudaGetErrorName(error)) + " for " +
                               std::to_string(count * int64_t(sizeof(T))) + " bytes");
    blocks_.push_back(memory);
    stream_.note(cudaMemsetAsync(memory, 0, size_t(count) * sizeof(T), stream_.handle), "cudaMemsetAsync");
    return memory;
  }
  float* floats(int64_t count, float scale) {
    float* memory = take<float>(count);
    cuda::launch(stream_, dim3(256), dim3(kBlock), 0, "random_floats", random_floats, memory, count, blocks_.size(),
                 scale);
    return memory;
  }

 private:
  cuda::Stream& stream_;
  std::vector<void*> blocks_;
};

// What the products of a stage read and write beside its maps.
struct Operands {
  Memory memory;
  unsigned char *workspace, *forward, *backward;
  float *d_weight, *d_neuron;
  NeuronParams p;

  Operands(cuda::Stream& stream, const StageShape& s, int n, int timesteps) : memory(stream) {
    workspace = memory.take<unsigned char>(int64_t(tc::workspace_bytes(n, timesteps, s)));
    forward = memory.take<unsigned char>(int64_t(tc::forward_bytes(s))),
    backward = memory.take<unsigned char>(int64_t(tc::backward_bytes(s)));
    const float* weight = memory.floats(s.weights(), 0.1f);
    d_weight = memory.floats(s.weights(), 0), d_neuron = memory.take<float>(2);
    float* neuron = memory.take<float>(2);
    const float pair[2] = {1, 0.9f};
    stream.note(cudaMemcpy(neuron, pair, sizeof pair, cudaMemcpyHostToDevice), "cudaMemcpy");
    tc::pack_forward(stream, {.to = forward, .weight = weight, .shape = s});
    tc::pack_backward(stream, {.to = backward, .weight = weight, .shape = s});
    p.timesteps = timesteps, p.neuron = neuron;
  }
};

SpikeSource random_source(cuda::Stream& stream, uint8_t* times, const StageShape& s, int n, int timesteps,
                          double activity) {
  cuda::launch(stream, dim3(256), dim3(kBlock), 0, "random_times", random_times, times, n * s.src_size(), uint64_t(7),
               timesteps, float(activity));
  SpikeSource source;
  source.times = times, source.scale = 1.0f / float(s.pool * s.pool);
  return source;
}

void require(const cuda::Stream& stream) {
  if (stream.error != cudaSuccess)
    throw std::runtime_error(std::string(stream.call) + ": " + cudaGetErrorName(stream.error));
}

}  // namespace

std::vector<Timing> time_stage(cuda::Stream& stream, const StageShape& s, int n, int timesteps, double activity,
                               double least_ms) {
  const int T = timesteps;
  const int64_t out = n * s.out_size(), src = n * s.src_size(), in = int64_t(n) * s.in_h * s.in_w * s.src_cs,
                weights = s.weights();
  const double flops = 2.0 * double(n * s.out_cells()) * double(weights);
  std::vector<Timing> timings;
  const Operands operands(stream, s, n, T);
  const auto& [memory, workspace, forward, backward, d_weight, d_neuron, p] = operands;
  auto* halves = reinterpret_cast<uint16_t*>(workspace);

  const auto add = [&](const char* name, double flops, double bytes, const std::function<void()>& run,
                       const std::function<void()>& operands) {
    timings.push_back({name, milliseconds(stream, least_ms, run),
                       operands ? milliseconds(stream, least_ms, operands) : 0, flops, bytes});
    require(stream);
  };
  {
    Memory maps(stream);
    float *a = maps.floats(out * T, 0.1f), *u = maps.floats(src * T, 4);
    auto *times = maps.take<uint8_t>(src), *fired = maps.take<uint8_t>(out);
    const SpikeSource source = random_source(stream, times, s, n, T, activity);
    SpikingForwardTask forward_task{
        .times = fired, .source = source, .weight_forward = forward, .neuron = p, .n = n, .shape = s};
    const std::function<void()> none,
        counts = [&] { cuda::make_counts(stream, halves, times, n, T, s, cuda::ChannelOrder::kSlice); },
        byte_counts = [&] { cuda::make_byte_counts(stream, workspace, times, n, T, s); };
    add(
        "spiking_forward, infer", flops * T, double(src + 2 * weights + out),
        [&] { tc::spiking_forward(stream, workspace, forward_task); }, s.pool > 1 ? counts : none);
    forward_task.potential = a;
    add(
        "spiking_forward, train", flops * T, double(src + 2 * weights + out + 4 * T * out),
        [&] { tc::spiking_forward(stream, workspace, forward_task); }, s.pool > 1 ? counts : none);
    cuda::launch(stream, dim3(256), dim3(kBlock), 0, "random_floats", random_floats, a, out * T, uint64_t(9), 0.1f);
    float* gradient = maps.take<float>(out * T);
    const SpikingBackwardTask backward_task{
        .gradient = gradient,
        .below = {.a = u, .d_neuron = d_neuron, .potential = u, .times = times, .scale = source.scale, .neuron = p},
        .a = a,
        .weight_backward = backward,
        .neuron = p,
        .n = n,
        .shape = s};
    const WeightGradientTask weight_task{
        .d_weight = d_weight, .source = source, .gradient = gradient, .n = n, .timesteps = T, .shape = s};
    add(
        "accumulate_gradient", 0, double(4 * T * out + 4 * T * out),
        [&] { tc::accumulate_gradient(stream, backward_task); }, none);
    add(
        "input_gradient", flops * T, double(2 * T * out + 8 * T * src + src + 2 * weights),
        [&] { tc::input_gradient(stream, workspace, backward_task); }, none);
    add(
        "weight_gradient", flops * T, double(2 * T * out + src + 8 * weights),
        [&] { tc::weight_gradient(stream, workspace, weight_task); }, s.pool > 1 ? byte_counts : none);
  }
  Memory maps(stream);
  float *input = maps.floats(in, 1), *activation = maps.floats(src, 1), *value = maps.floats(out, 1),
        *d_src = maps.take<float>(src);
  const auto from_input = [&] {
    cuda::make_halves(stream, halves, input, in / s.src_cs, s.src_cs, cuda::ChannelOrder::kSlice);
  };
  const auto from_output = [&] {
    cuda::make_halves(stream, halves, value, out / s.out_cs, s.out_cs, cuda::ChannelOrder::kPlain);
  };
  add(
      "dense_forward", flops, double(4 * in + 4 * out + 2 * weights),
      [&] {
        tc::dense_forward(stream, workspace,
                          {.out = value, .packed = input, .weight_forward = forward, .relu = true, .n = n, .shape = s});
      },
      from_input);
  add(
      "dense_input_gradient", flops, double(4 * out + 8 * src + 2 * weights),
      [&] {
        tc::dense_input_gradient(stream, workspace,
                                 {.d_src = d_src,
                                  .d_out = value,
                                  .weight_backward = backward,
                                  .activation = activation,
                                  .n = n,
                                  .shape = s});
      },
      from_output);
  add(
      "dense_weight_gradient", flops, double(4 * in + 4 * out + 8 * weights),
      [&] {
        tc::dense_weight_gradient(stream, workspace,
                                  {.d_weight = d_weight, .packed = input, .d_out = value, .n = n, .shape = s});
      },
      [&] {
        from_input();
        from_output();
      });
  return timings;
}

std::vector<VariantTiming> time_variants(cuda::Stream& stream, const StageShape& s, int n, int timesteps,
                                         double activity, double least_ms) {
  std::vector<VariantTiming> timings;
  if (timesteps > cuda::kEventSteps) return timings;
  Operands operands(stream, s, n, timesteps);
  Memory& memory = operands.memory;
  const NeuronParams& p = operands.p;
  cuda::Workspace workspace;
  auto *times = memory.take<uint8_t>(n * s.src_size()), *fired = memory.take<uint8_t>(n * s.out_size());
  float *a = memory.floats(n * timesteps * s.out_size(), 0.1f),
        *gradient = memory.take<float>(n * timesteps * s.out_size());
  tc::accumulate_gradient(stream, {.gradient = gradient, .a = a, .neuron = p, .n = n, .shape = s});
  const SpikeSource source = random_source(stream, times, s, n, timesteps, activity);
  const SpikingForwardTask forward{
      .times = fired, .source = source, .weight_forward = operands.forward, .neuron = p, .n = n, .shape = s};
  const WeightGradientTask weight{.d_weight = operands.d_weight,
                                  .source = source,
                                  .gradient = gradient,
                                  .n = n,
                                  .timesteps = timesteps,
                                  .shape = s};
  const auto add = [&](const char* operation, const cuda::EventCost& cost, const std::function<void()>& dense,
                       const std::function<void()>& events) {
    timings.push_back({operation, milliseconds(stream, least_ms, dense), milliseconds(stream, least_ms, events),
                       cuda::crossing_density(cost, timesteps, s)});
    require(stream);
  };
  add(
      "spiking_forward", cuda::kForwardCost, [&] { tc::spiking_forward(stream, operands.workspace, forward); },
      [&] { cuda::event_spiking_forward(stream, forward, {.halves = operands.forward}); });
  add(
      "weight_gradient", cuda::kWeightGradientCost, [&] { tc::weight_gradient(stream, operands.workspace, weight); },
      [&] { cuda::event_weight_gradient(stream, workspace, weight, {.halves = gradient}); });
  return timings;
}

}  // namespace onespike::bench
