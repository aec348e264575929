// Spiking forward and backward on the GPU: which kernels an operation takes, and those that are no products.
#include <algorithm>

#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"
#include "cuda/neuron.cuh"
#include "cuda/spikes.cuh"

namespace onespike::cuda {
namespace {

// The sums of an input gradient go through memory to the neurons that receive them, for as many images at a time as
// fit.
constexpr int64_t kSumsBytes = 256ll << 20;

int64_t image_sums(int timesteps, const StageShape& s) { return int64_t(timesteps) * s.in_h * s.in_w * s.src_cs; }

int64_t images_at_once(int64_t n, int timesteps, const StageShape& s) {
  return std::clamp<int64_t>(kSumsBytes / (image_sums(timesteps, s) * int64_t(sizeof(float))), 1, n);
}

size_t sums_bytes(int64_t n, int timesteps, const StageShape& s) {
  return size_t(2 * kSumBlocks) * sizeof(double) +
         size_t(images_at_once(n, timesteps, s) * image_sums(timesteps, s)) * sizeof(float);
}

struct Accumulate {
  float* gradient;
  const float* potential;
  NeuronParams p;
  int64_t size;  // of an image at one step

  __device__ void operator()(int64_t i) const {
    const int64_t image = i / size, first = image * p.timesteps * size + (i - image * size);
    const float leak = p.leak();
    float g = 0;
    for (int t = p.timesteps - 1; t >= 0; --t) {
      g = potential[first + t * size] + leak * g;
      gradient[first + t * size] = g;
    }
  }
};

struct AnalogGradient {
  float* d_current;
  const float* gradient;
  bool sum_steps;
  int timesteps;
  int64_t size;

  __device__ void operator()(int64_t i) const {
    const int64_t image = i / size;
    const float* from = gradient + image * timesteps * size + (i - image * size);
    float sum = from[0];
    for (int t = 1; sum_steps && t < timesteps; ++t) sum += from[t * size];
    d_current[i] = sum;
  }
};

// A neuron of the stage below: its share of the sums, the leak of the stage above, its own surrogate.
struct ReceiveGradient {
  float* potential;
  const float* sums;  // (image, T, in_h, in_w, src_cs) of the stage above
  const uint8_t *times, *mask;
  float scale;
  NeuronParams above, neuron;
  StageShape below, s;

  __device__ void operator()(int64_t i, double (&d)[2]) const {
    const int T = neuron.timesteps;
    const int64_t size = below.out_size(), image = i / size, at = i - image * size;
    const Cell cell = cell_at(at / below.out_cs, below.out_h, below.out_w);
    const int channel = int(at % below.out_cs), y = cell.y / s.pool, x = cell.x / s.pool;
    float* u = potential + image * T * size + at;
    if (y >= s.in_h || x >= s.in_w) {  // the pool drops it
      for (int t = 0; t < T; ++t) u[t * size] = 0;
      return;
    }
    const int64_t step = int64_t(s.in_h) * s.in_w * s.src_cs;
    const float* sum = sums + image * T * step + (int64_t(y) * s.in_w + x) * s.src_cs + channel;
    const float share = mask ? scale * float(mask[i]) : scale, leak = above.leak();
    const float inverse = 1 / neuron.threshold(), leak_below = neuron.leak();
    const int fire_time = times[i] ? times[i] : T + 1;
    NeuronBackward backward;
    NeuronGradient gradient;
    float d_spike = 0;
    for (int t = T; t >= 1; --t) {
      d_spike = sum[(t - 1) * step] + leak * d_spike;
      const float now = u[(t - 1) * size], before = t > 1 ? u[(t - 2) * size] : 0;
      u[(t - 1) * size] =
          backward.step(t, d_spike * share, now, before, fire_time, inverse, leak_below, neuron.surrogate, gradient);
    }
    d[0] += gradient.d_threshold, d[1] += gradient.d_leak;
  }
};

struct AddNeuronGradient {
  float* d_neuron;

  __device__ void operator()(const double (&sums)[2]) const {
    d_neuron[0] += float(sums[0]);
    d_neuron[1] += float(sums[1]);
  }
};

}  // namespace

// Kernels read the bytes themselves; how, is decided here.
void CudaBackend::sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) {
  choice_ = {};
  source_ = source;
  if (follows_density(source, s, timesteps)) choices_.decide(stream_, workspace_, source.times, n, timesteps, s);
}

size_t CudaBackend::workspace_bytes(int64_t n, int timesteps, bool backward, const StageShape& s) const {
  // Of sums over elements, over rows for a bias, and over the images of a loss.
  size_t bytes = std::max({size_t(2 * kSumBlocks) * sizeof(double), columns_bytes(s.out_cs), readout_bytes(n)});
  if (takes_tensor_cores(s, timesteps))
    return std::max(
        {bytes, tensor_core::workspace_bytes(int(n), timesteps, s), backward ? event_weight_gradient_bytes(n, s) : 0});
  if (backward) bytes = std::max({bytes, sums_bytes(n, timesteps, s), simt_weight_gradient_bytes(n, timesteps, s)});
  return bytes;
}

bool CudaBackend::on_tensor_cores(const StageShape& s, int timesteps) {
  const bool taken = takes_tensor_cores(s, timesteps);
  choice_ = {taken ? "bf16 tensor cores" : "fp32", 1};
  return taken;
}

void* CudaBackend::tensor_workspace(int n, int timesteps, const StageShape& s) {
  return workspace_.reserve<char>(stream_, tensor_core::workspace_bytes(n, timesteps, s));
}

size_t CudaBackend::forward_bytes(const StageShape& s) const {
  return takes_tensor_cores(s, 1) ? tensor_core::forward_bytes(s) : 0;
}

void CudaBackend::pack_forward(void* to, const float* weight, const StageShape& s) {
  if (on_tensor_cores(s, 1)) tensor_core::pack_forward(stream_, to, weight, s);
}

size_t CudaBackend::backward_bytes(bool, const StageShape& s) const {
  return takes_tensor_cores(s, 1) ? tensor_core::backward_bytes(s) : 0;
}

void CudaBackend::pack_backward(void* to, const float* weight, bool, const StageShape& s) {
  if (on_tensor_cores(s, 1)) tensor_core::pack_backward(stream_, to, weight, s);
}

void CudaBackend::spiking_forward(uint8_t* times, float* potential, const float* weight, const void* weight_forward,
                                  const float* bias, const float* current, bool current_always, int n,
                                  const NeuronParams& p, const StageShape& s) {
  if (on_tensor_cores(s, p.timesteps)) {
    const bool decided = follows_density(source_, s, p.timesteps);
    tensor_core::spiking_forward(stream_, tensor_workspace(n, p.timesteps, s), times, potential, source_,
                                 weight_forward, bias, current, current_always, n, p, s,
                                 decided ? choices_.forward(s, Variant::kDense) : Gate());
    if (!decided) return;
    event_spiking_forward(stream_, times, potential, source_,
                          {nullptr, weight_forward, choices_.forward(s, Variant::kEvents)}, bias, current,
                          current_always, n, p, s);
    choice_.kernel = kByDensity, decided_layer_ = s.layer, decided_weight_gradient_ = false;
    return;
  }
  simt_spiking_forward(stream_, times, potential, source_, weight, bias, current, current_always, n, p, s);
}

void CudaBackend::accumulate_gradient(float* gradient, const float* potential, int n, bool, const NeuronParams& p,
                                      const StageShape& s) {
  gradient_ = gradient;
  if (on_tensor_cores(s, p.timesteps)) return tensor_core::accumulate_gradient(stream_, gradient, potential, n, p, s);
  each(stream_, "accumulate_gradient", n * s.out_size(), Accumulate{gradient, potential, p, s.out_size()});
}

void CudaBackend::weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n,
                                  int timesteps, const StageShape& s) {
  if (!source.times && !source.rate) return;
  if (!on_tensor_cores(s, timesteps))
    return simt_weight_gradient(stream_, workspace_, d_weight, source, gradient, n, timesteps, s);
  const bool decided = follows_density(source, s, timesteps);
  if (decided && !choices_.knows(source.times, n, s))
    choices_.decide(stream_, workspace_, source.times, n, timesteps, s);
  tensor_core::weight_gradient(stream_, tensor_workspace(n, timesteps, s), d_weight, source, gradient, n, timesteps, s,
                               decided ? choices_.weight_gradient(s, Variant::kDense) : Gate());
  if (!decided) return;
  event_weight_gradient(stream_, workspace_, d_weight, source,
                        {nullptr, gradient, choices_.weight_gradient(s, Variant::kEvents)}, n, timesteps, s);
  choice_.kernel = kByDensity, decided_layer_ = s.layer, decided_weight_gradient_ = true;
}

void CudaBackend::bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) {
  const int64_t rows = timesteps * s.out_cells();
  if (!on_tensor_cores(s, timesteps)) return add_columns(d_bias, {gradient}, n * rows, s.out_cs);
  const tensor_core::GradientRecord record(const_cast<float*>(gradient), timesteps, s);
  add_columns(d_bias, {nullptr, record.g(0), rows, record.image_stride()}, n * rows, s.out_cs);
}

void CudaBackend::input_gradient(float* potential_below, const float* potential, const float* weight,
                                 const void* weight_backward, const uint8_t* times_below, const uint8_t* mask,
                                 float scale, int n, const NeuronParams& p, const NeuronParams& below,
                                 const StageShape& below_shape, const StageShape& s, float* d_neuron_below) {
  if (on_tensor_cores(s, p.timesteps))
    return tensor_core::input_gradient(stream_, tensor_workspace(n, p.timesteps, s), potential_below, gradient_,
                                       weight_backward, times_below, mask, scale, n, p, below, below_shape, s,
                                       d_neuron_below);
  const int64_t T = p.timesteps, size = below_shape.out_size(), group = images_at_once(n, p.timesteps, s);
  auto* partial = reinterpret_cast<double*>(workspace_.reserve<char>(stream_, sums_bytes(n, p.timesteps, s)));
  auto* sums = reinterpret_cast<float*>(partial + 2 * kSumBlocks);
  for (int64_t first = 0; first < n; first += group) {
    const int64_t images = std::min(group, n - first);
    simt_input_sums(stream_, sums, potential + first * T * s.out_size(), weight, images * T, s);
    const ReceiveGradient receive{potential_below + first * T * size,
                                  sums,
                                  times_below + first * size,
                                  mask ? mask + first * size : nullptr,
                                  scale,
                                  p,
                                  below,
                                  below_shape,
                                  s};
    sum<2>(stream_, "input_gradient", images * size, receive, AddNeuronGradient{d_neuron_below}, partial);
  }
}

void CudaBackend::analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps,
                                  const StageShape& s) {
  choice_ = {};
  each(stream_, "analog_gradient", n * s.out_size(),
       AnalogGradient{d_current, gradient, sum_steps, timesteps, s.out_size()});
}

}  // namespace onespike::cuda
