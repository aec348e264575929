// Logits, loss and the gradient of both, on the GPU: a block has one image.
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

struct ReadoutKernelTask {
  ReadoutTask task;
  double* sums;  // (image, kImageSums)
};

__global__ void __launch_bounds__(kElementThreads, 2) readout_kernel(ReadoutKernelTask k) {
  const ReadoutTask& task = k.task;
  const int classes = task.shape.out_c, stride = task.shape.out_cs;
  ReadoutParams p = task.params;
  p.threshold = task.neuron[0], p.leak = task.neuron[1];
  const int rows = task.spiking ? p.timesteps : 1;
  for (int64_t image = blockIdx.x; image < task.n; image += gridDim.x) {
    float* u = task.values + image * rows * stride;
    float* logits = task.logits + image * classes;
    float top = 0;
    int best = -1;
    for (int c = int(threadIdx.x); c < classes; c += kElementThreads) {
      float logit = u[c];
      if (task.spiking) {
        const int time = readout_time(u + c, stride, p);
        logit = readout_logit(u + c, stride, time, p);
        task.times[image * stride + c] = uint8_t(time);
      }
      logits[c] = logit;
      if (best < 0 || logit > top) top = logit, best = c;
    }
    if (!task.labels) continue;
    const Target target = task.target(image);
    largest(top, best);
    double sum[2] = {};  // of exp(logit - largest), of logits
    for (int c = int(threadIdx.x); c < classes; c += kElementThreads)
      sum[0] += std::exp(double(logits[c]) - top), sum[1] += logits[c];
    add_up(sum);
    NeuronGradient d;
    for (int c = int(threadIdx.x); task.backward && c < classes; c += kElementThreads) {
      const float d_logit = float(float(softmax(logits[c], top, sum[0]) - target.of(c)) * task.share);
      if (!task.spiking) {
        task.d_values[image * stride + c] = d_logit;
        continue;
      }
      const float part = readout_backward(u + c, task.a + image * rows * stride + c, stride, d_logit, p, &d);
      if (task.d_values) task.d_values[image * stride + c] = part;
    }
    // Padding channels carry no gradient.
    float* gradient = task.spiking ? task.a + image * rows * stride : task.d_values + image * stride;
    for (int c = classes + int(threadIdx.x); task.backward && c < stride; c += kElementThreads) {
      for (int row = 0; row < rows; ++row) gradient[row * stride + c] = 0;
      if (task.d_values) task.d_values[image * stride + c] = 0;
    }
    double neuron[2] = {d.threshold, d.leak};
    add_up(neuron);
    if (threadIdx.x != 0) continue;
    double* sums = k.sums + image * kImageSums;
    sums[0] = softmax_loss(target.mean(logits, sum[1]), top, sum[0]) * task.share, sums[1] = best == target.label;
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
