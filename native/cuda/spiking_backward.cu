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

// Of four neurons: maps are walked at the speed of memory, so what counts is how much of it a load asks for.
struct Accumulate {
  float4* gradient;
  const float4* a;
  NeuronParams p;
  int64_t size;  // of an image at one step, in fours

  Accumulate(const SpikingBackwardTask& task)
      : gradient(reinterpret_cast<float4*>(task.gradient)),
        a(reinterpret_cast<const float4*>(task.a)),
        p(task.neuron),
        size(task.shape.out_size() / 4) {}

  __device__ void operator()(int64_t i) const {
    const int64_t image = i / size, first = image * p.timesteps * size + (i - image * size);
    const float leak = p.leak();
    float4 g = make_float4(0, 0, 0, 0);
    for (int t = p.timesteps - 1; t >= 0; --t) {
      const float4 now = a[first + t * size];
      const float kappa = p.input_weight(t + 1);
      g.x = carry_leak<Float>(leak, g.x, now.x), g.y = carry_leak<Float>(leak, g.y, now.y);
      g.z = carry_leak<Float>(leak, g.z, now.z), g.w = carry_leak<Float>(leak, g.w, now.w);
      gradient[first + t * size] = make_float4(g.x * kappa, g.y * kappa, g.z * kappa, g.w * kappa);
    }
  }
};

// A neuron of the stage below: its share of the sums, the leak of the stage above, its own surrogate.
struct ReceiveGradient {
  ReceivingNeurons below;
  const float* sums;  // (image, T, in_h, in_w, src_cs) of the stage above
  NeuronParams above;
  StageShape s;

  __device__ void operator()(int64_t i, double (&d)[2]) const {
    const int T = above.timesteps;
    const int64_t size = s.src_size(), image = i / size, at = i - image * size;
    const Cell cell = cell_at(at / s.src_cs, s.src_h, s.src_w);
    const int channel = int(at % s.src_cs), y = cell.y / s.pool, x = cell.x / s.pool;
    const float* u = below.potential + image * T * size + at;
    float* a = below.a + image * T * size + at;
    if (y >= s.in_h || x >= s.in_w) {  // the pool drops it
      for (int t = 0; t < T && !below.add; ++t) a[t * size] = 0;
      return;
    }
    const int64_t step = int64_t(s.in_h) * s.in_w * s.src_cs;
    const float* received = sums + image * T * step + (int64_t(y) * s.in_w + x) * s.src_cs + channel;
    const float share = below.mask ? below.scale * float(below.mask[i]) : below.scale, leak = above.leak();
    const float inverse = 1 / below.neuron.threshold(), leak_below = below.neuron.leak(),
                cost = below.cost ? *below.cost : 0, initial = channel < s.src_c ? below.neuron.initial : 0,
                start = channel < s.src_c ? below.neuron.initial_potential() : 0;
    const int fire_time = below.times[i] ? below.times[i] : T + 1;
    NeuronSums gradient;
    float d_spike = 0, g = 0;
    for (int t = T; t >= 1; --t) {
      d_spike = carry_leak<Float>(leak, d_spike, received[(t - 1) * step]);
      const float now = u[(t - 1) * size], before = t > 1 ? u[(t - 2) * size] : start,
                  reach = reach_of(below.neuron, t),
                  slope = neuron_slope<slope_at>(now, fire_time, t, inverse, reach, below.neuron.surrogate);
      const float value = neuron_backward(g, gradient, t, d_spike * above.input_weight(t) * share + cost, slope, now,
                                          before, fire_time, inverse, reach, leak_below, initial);
      a[(t - 1) * size] = below.add ? a[(t - 1) * size] + value : value;
    }
    d[0] += gradient.threshold, d[1] += gradient.leak;
  }
};

struct AddNeuronGradient {
  float* d_neuron;

  __device__ void operator()(const double (&sums)[2]) const {
    d_neuron[0] += float(sums[0]);
    d_neuron[1] += float(sums[1]);
  }
};

__device__ __forceinline__ float relaxed_reach(const NeuronParams& p) {
  return 1 / (p.threshold() * p.threshold_factor(p.timesteps));
}

struct Relax {
  RelaxTask task;

  __device__ void operator()(int64_t i) const {
    const int T = task.neuron.timesteps;
    const int64_t size = task.shape.out_size(), image = i / size;
    const float last = task.potential[(image * T + T - 1) * size + i % size];
    task.sent[i] = relaxed_value<Float>(last * relaxed_reach(task.neuron));
  }
};

struct RelaxGradient {
  RelaxGradientTask task;

  __device__ void operator()(int64_t i, double (&d)[2]) const {
    const StageShape& s = task.shape;
    const int T = task.neuron.timesteps;
    const int64_t size = s.out_size(), image = i / size, at = i % size;
    const float* u = task.potential + image * T * size + at;
    float* a = task.a + image * T * size + at;
    const bool real = at % s.out_cs < s.out_c;
    const float reach = relaxed_reach(task.neuron), inverse = 1 / task.neuron.threshold(), leak = task.neuron.leak(),
                start = real ? task.neuron.initial_potential() : 0;
    NeuronSums sums;
    float g = 0, now = u[(T - 1) * size];
    for (int t = T; t >= 1; --t) {
      const float before = t > 1 ? u[(t - 2) * size] : start;
      const float value =
          t == T ? spike_gradient<Float>(task.d_sent[i], relaxed_slope<Float>(now * reach), reach, true) : 0;
      accumulate_neuron<Float>(g, sums, value, now * inverse, before, leak, true);
      a[(t - 1) * size] = task.add ? a[(t - 1) * size] + value : value;
      now = before;
    }
    accumulate_initial<Float>(sums, g, leak, real ? task.neuron.initial : 0);
    d[0] += sums.threshold, d[1] += sums.leak;
  }
};

}  // namespace

size_t CudaBackend::workspace_bytes(const WorkspaceUse& use) const {
  const StageShape& s = use.shape;
  const int64_t n = use.n;
  // Of sums over elements, over rows for a bias, over the images of a loss, and over the neurons of a schedule.
  size_t bytes = std::max({size_t(2 * kSumBlocks) * sizeof(double), columns_bytes(s.out_cs), readout_bytes(n),
                           use.backward && use.schedules ? schedule_bytes(use.timesteps) : 0});
  if (takes_tensor_cores(s, use.timesteps))
    return std::max({bytes, tensor_core::workspace_bytes(int(n), use.timesteps, s),
                     use.backward ? event_weight_gradient_bytes(n, s) : 0});
  if (use.backward)
    bytes = std::max({bytes, sums_bytes(n, use.timesteps, s), simt_weight_gradient_bytes(n, use.timesteps, s)});
  return bytes;
}

void* CudaBackend::tensor_workspace(int n, int timesteps, const StageShape& s) {
  return workspace_.reserve<char>(stream_, tensor_core::workspace_bytes(n, timesteps, s));
}

KernelChoice CudaBackend::execute(const SpikingBackwardTask& task) {
  const StageShape& s = task.shape;
  const ReceivingNeurons& below = task.below;
  const int n = task.n, T = task.neuron.timesteps;
  const KernelChoice choice = choice_for(s, T);
  if (takes_tensor_cores(s, T)) {
    tensor_core::accumulate_gradient(stream_, task);
    if (!below.a) return choice;
    end_part("accumulate_gradient", choice);
    tensor_core::input_gradient(stream_, tensor_workspace(n, T, s), task);
    return choice;
  }
  each(stream_, "accumulate_gradient", n * s.out_size() / 4, Accumulate(task));
  if (!below.a) return choice;
  end_part("accumulate_gradient", choice);
  const int64_t size = s.src_size(), group = images_at_once(n, T, s);
  auto* partial = reinterpret_cast<double*>(workspace_.reserve<char>(stream_, sums_bytes(n, T, s)));
  auto* sums = reinterpret_cast<float*>(partial + 2 * kSumBlocks);
  for (int64_t first = 0; first < n; first += group) {
    const int64_t images = std::min(group, n - first);
    simt_input_sums(stream_, sums, task.a + first * T * s.out_size(), task.weight, images * T, s);
    ReceivingNeurons here = below;
    here.a += first * T * size, here.potential += first * T * size, here.times += first * size;
    if (here.mask) here.mask += first * size;
    sum<2>(stream_, "input_gradient", images * size, ReceiveGradient{here, sums, task.neuron, s},
           AddNeuronGradient{below.d_neuron}, partial);
  }
  return choice;
}

KernelChoice CudaBackend::execute(const RelaxTask& task) {
  each(stream_, "relax", task.n * task.shape.out_size(), Relax{task});
  return {};
}

KernelChoice CudaBackend::execute(const RelaxGradientTask& task) {
  double* partial = workspace_.reserve<double>(stream_, 2 * kSumBlocks);
  sum<2>(stream_, "relax_gradient", task.n * task.shape.out_size(), RelaxGradient{task},
         AddNeuronGradient{task.d_neuron}, partial);
  return {};
}

}  // namespace onespike::cuda
