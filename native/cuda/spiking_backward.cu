// From a(t) of a stage to a(t) of the stage below, on the GPU: which kernels it takes, and those that are no products.
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
      g = carry_leak<Float>(leak, g, potential[first + t * size]);
      gradient[first + t * size] = g;
    }
  }
};

// A neuron of the stage below: its share of the sums, the leak of the stage above, its own surrogate.
struct ReceiveGradient {
  float* potential;
  const float* above_sums;  // W^T a of the stage above: (image, T, in_h, in_w, src_cs)
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
    const float* received = above_sums + image * T * step + (int64_t(y) * s.in_w + x) * s.src_cs + channel;
    const float share = mask ? scale * float(mask[i]) : scale, leak = above.leak();
    const float inverse = 1 / neuron.threshold(), leak_below = neuron.leak();
    const int fire_time = times[i] ? times[i] : T + 1;
    NeuronSums sums;
    float d_spike = 0, g = 0;
    for (int t = T; t >= 1; --t) {
      d_spike = carry_leak<Float>(leak, d_spike, received[(t - 1) * step]);
      const float now = u[(t - 1) * size], before = t > 1 ? u[(t - 2) * size] : 0;
      u[(t - 1) * size] =
          neuron_backward(g, sums, t, d_spike * share, now, before, fire_time, inverse, leak_below, neuron.surrogate);
    }
    d[0] += sums.threshold, d[1] += sums.leak;
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

size_t CudaBackend::workspace_bytes(int64_t n, int timesteps, bool backward, const StageShape& s) const {
  // Of sums over elements, over rows for a bias, and over the images of a loss.
  size_t bytes = std::max({size_t(2 * kSumBlocks) * sizeof(double), columns_bytes(s.out_cs), readout_bytes(n)});
  if (takes_tensor_cores(s, timesteps))
    return std::max(
        {bytes, tensor_core::workspace_bytes(int(n), timesteps, s), backward ? event_weight_gradient_bytes(n, s) : 0});
  if (backward) bytes = std::max({bytes, sums_bytes(n, timesteps, s), simt_weight_gradient_bytes(n, timesteps, s)});
  return bytes;
}

void CudaBackend::accumulate_gradient(float* gradient, const float* potential, int n, bool, const NeuronParams& p,
                                      const StageShape& s) {
  gradient_ = gradient;
  if (on_tensor_cores(s, p.timesteps)) return tensor_core::accumulate_gradient(stream_, gradient, potential, n, p, s);
  each(stream_, "accumulate_gradient", n * s.out_size(), Accumulate{gradient, potential, p, s.out_size()});
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

}  // namespace onespike::cuda
