// Relaxed layers of the spiking stage (docs/MATHEMATICS.md, "Relaxation of spikes") on the GPU; the formulas are those
// of ops/lif-inl.h.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"
#include "cuda/neuron.cuh"

namespace onespike::cuda {
namespace {

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

struct AddNeuronGradient {
  float* d_neuron;

  __device__ void operator()(const double (&sums)[2]) const {
    d_neuron[0] += float(sums[0]), d_neuron[1] += float(sums[1]);
  }
};

}  // namespace

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
