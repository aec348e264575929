// Logits, loss and the gradient of both, on the GPU: a block has one image.
#include "core/limits.h"
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"

namespace onespike::cuda {
namespace {

constexpr int kImageSums = 4;  // loss, correct, gradients of threshold and leak

// The largest value of the block and the first index that has it.
__device__ __forceinline__ void largest(float& value, int& index) {
  __shared__ float values[kElementThreads];
  __shared__ int indices[kElementThreads];
  values[threadIdx.x] = value, indices[threadIdx.x] = index;
  for (int half = kElementThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (int(threadIdx.x) >= half) continue;
    const float other = values[threadIdx.x + half];
    const int other_index = indices[threadIdx.x + half];
    if (other_index >= 0 && (indices[threadIdx.x] < 0 || other > values[threadIdx.x] ||
                             (other == values[threadIdx.x] && other_index < indices[threadIdx.x])))
      values[threadIdx.x] = other, indices[threadIdx.x] = other_index;
  }
  __syncthreads();
  value = values[0], index = indices[0];
  __syncthreads();
}

// The largest of K logits, the first class that has it, and what the loss wants of all of them.
struct Softmax {
  float top = 0;
  int best = -1;
  double sum = 0, all = 0;  // of exp(logit - largest), of logits
};

// Of logit(c) for every class c, by all threads of the block.
template <class Logit>
__device__ __forceinline__ Softmax softmax_of(int classes, const Logit& logit) {
  Softmax of;
  for (int c = int(threadIdx.x); c < classes; c += kElementThreads) {
    const float value = logit(c);
    if (of.best < 0 || value > of.top) of.top = value, of.best = c;
  }
  largest(of.top, of.best);
  double sum[2] = {};
  for (int c = int(threadIdx.x); c < classes; c += kElementThreads) {
    const float value = logit(c);
    sum[0] += std::exp(double(value) - of.top), sum[1] += value;
  }
  add_up(sum);
  of.sum = sum[0], of.all = sum[1];
  return of;
}

struct ReadoutKernelTask {
  ReadoutTask task;
  double* sums;  // (image, kImageSums)
};

// One image. Its logits lie in `logits`, and its spike times in `times`, before the loss is asked for.
struct ImageReadout {
  const ReadoutTask& task;
  const ReadoutParams& p;
  int64_t image;
  const float* u;
  const float* logits;
  const uint8_t* times;

  __device__ float logit_at(int c, int t) const { return readout_logit_at(u + c, task.shape.out_cs, times[c], t, p); }
  __device__ float teacher(int c) const { return task.teacher[image * task.shape.out_c + c]; }
};

// The loss over the steps that have a weight, and what the softmax of each is relative to.
struct StepSoftmax {
  float top[int(limits::kTimesteps.max)];
  double sum[int(limits::kTimesteps.max)];
};

__device__ double loss_over_time(const ImageReadout& r, const Target& target, StepSoftmax& steps) {
  double loss = 0;
  for (int t = 1; t <= r.p.timesteps; ++t) {
    const float weight = r.task.time_weights[t - 1];
    if (weight == 0) continue;
    const Softmax of = softmax_of(r.task.shape.out_c, [&](int c) { return r.logit_at(c, t); });
    const double labels = target.mean_of([&](int c) { return r.logit_at(c, t); }, of.all);
    loss += weight * softmax_loss(labels, of.top, of.sum);
    if (threadIdx.x == 0) steps.top[t - 1] = of.top, steps.sum[t - 1] = of.sum;
  }
  __syncthreads();
  return loss;
}

// Two sets of logits softened by the temperature, and the loss that compares them.
struct Softened {
  float top, top_teacher;
  double sum, sum_teacher, loss;
};

__device__ Softened soften(const ImageReadout& r, const Distillation& d, float top) {
  const int classes = r.task.shape.out_c;
  Softened of{};
  of.top = top;
  of.top_teacher = softmax_of(classes, [&](int c) { return r.teacher(c); }).top;
  double sum[2] = {};
  for (int c = int(threadIdx.x); c < classes; c += kElementThreads)
    sum[0] += d.softened(r.logits[c], of.top), sum[1] += d.softened(r.teacher(c), of.top_teacher);
  add_up(sum);
  of.sum = sum[0], of.sum_teacher = sum[1];
  double divergence[1] = {};
  for (int c = int(threadIdx.x); c < classes; c += kElementThreads) {
    const double other = d.log_softmax(r.teacher(c), of.top_teacher, of.sum_teacher);
    divergence[0] += std::exp(other) * (other - d.log_softmax(r.logits[c], of.top, of.sum));
  }
  add_up(divergence);
  of.loss = d.loss(divergence[0]);
  return of;
}

__global__ void __launch_bounds__(kElementThreads, 2) readout_kernel(ReadoutKernelTask k) {
  __shared__ StepSoftmax steps;
  const ReadoutTask& task = k.task;
  const int classes = task.shape.out_c, stride = task.shape.out_cs;
  ReadoutParams p = task.params;
  p.threshold = task.neuron[0], p.leak = task.neuron[1];
  const int rows = task.spiking ? p.timesteps : 1;
  for (int64_t image = blockIdx.x; image < task.n; image += gridDim.x) {
    float* u = task.values + image * rows * stride;
    float* logits = task.logits + image * classes;
    uint8_t* times = task.spiking ? task.times + image * stride : nullptr;
    for (int c = int(threadIdx.x); c < classes; c += kElementThreads) {
      float logit = u[c];
      if (task.spiking) {
        const int time = readout_time(u + c, stride, p);
        logit = readout_logit(u + c, stride, time, p);
        times[c] = uint8_t(time);
      }
      logits[c] = logit;
    }
    if (!task.labels) continue;
    __syncthreads();
    const Target target = task.target(image);
    const ImageReadout readout{task, p, image, u, logits, times};
    const Softmax last = softmax_of(classes, [&](int c) { return logits[c]; });
    double loss = task.time_weights ? loss_over_time(readout, target, steps)
                                    : softmax_loss(target.mean(logits, last.all), last.top, last.sum);
    const Distillation distillation = task.inputs->distillation;
    Softened softened{};
    if (task.teacher) {
      softened = soften(readout, distillation, last.top);
      loss = distillation.rest() * loss + softened.loss;
    }
    NeuronGradient d;
    for (int c = int(threadIdx.x); task.backward && c < classes; c += kElementThreads) {
      const auto d_logit = [&](int t) {
        float value = 0;
        if (!task.time_weights) {
          if (t == rows) value = float(softmax(logits[c], last.top, last.sum) - target.of(c));
        } else if (const float weight = task.time_weights[t - 1]; weight != 0) {
          value = weight * float(softmax(readout.logit_at(c, t), steps.top[t - 1], steps.sum[t - 1]) - target.of(c));
        }
        if (task.teacher) value = float(distillation.rest() * value);
        if (task.teacher && t == rows) {
          const double own = distillation.log_softmax(logits[c], softened.top, softened.sum),
                       other = distillation.log_softmax(readout.teacher(c), softened.top_teacher, softened.sum_teacher);
          value = float(value + distillation.gradient(std::exp(own) - std::exp(other)));
        }
        return float(value * task.share);
      };
      if (!task.spiking) {
        task.d_values[image * stride + c] = d_logit(1);
        continue;
      }
      const int64_t at = image * rows * stride + c;
      readout_backward(u + c, task.a + at, task.d_values ? task.d_values + at : nullptr, stride, d_logit, p, &d);
    }
    // Padding channels carry no gradient.
    float* gradient = task.spiking ? task.a + image * rows * stride : task.d_values + image * stride;
    float* spike_a = task.spiking && task.d_values ? task.d_values + image * rows * stride : nullptr;
    for (int c = classes + int(threadIdx.x); task.backward && c < stride; c += kElementThreads)
      for (int row = 0; row < rows; ++row) {
        gradient[row * stride + c] = 0;
        if (spike_a) spike_a[row * stride + c] = 0;
      }
    double neuron[2] = {d.threshold, d.leak};
    add_up(neuron);
    if (threadIdx.x != 0) continue;
    double* sums = k.sums + image * kImageSums;
    sums[0] = loss * task.share, sums[1] = last.best == target.label;
    sums[2] = neuron[0], sums[3] = neuron[1];
  }
}

struct EndReadout {
  StepResult* result;
  float* d_neuron;  // or null

  __device__ void operator()(const double (&sums)[kImageSums]) const {
    result->loss += sums[0];
    result->correct += int64_t(sums[1]);
    if (!d_neuron) return;
    d_neuron[0] += float(sums[2]);
    d_neuron[1] += float(sums[3]);
  }
};

}  // namespace

size_t readout_bytes(int64_t n) { return size_t(n) * kImageSums * sizeof(double); }

KernelChoice CudaBackend::execute(const ReadoutTask& task) {
  double* sums = reinterpret_cast<double*>(workspace_.reserve<char>(stream_, readout_bytes(task.n)));
  launch(stream_, dim3(unsigned(task.n)), dim3(kElementThreads), 0, "read_out", readout_kernel,
         ReadoutKernelTask{task, sums});
  if (task.labels)
    end_sum<kImageSums>(stream_, "read_out", task.n, sums,
                        EndReadout{task.result, task.backward && task.spiking ? task.d_neuron : nullptr});
  return {};
}

}  // namespace onespike::cuda
