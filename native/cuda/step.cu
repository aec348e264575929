// What ends a step on the GPU: loss and its gradient, norm, updates.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"

namespace onespike::cuda {
namespace {

// ---- read_out: a block has one image

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
  int classes, stride, images;
  double* sums;  // (image, kImageSums)
};

__global__ void __launch_bounds__(kElementThreads, 2) readout_kernel(ReadoutKernelTask k) {
  const ReadoutTask& task = k.task;
  ReadoutParams p = task.params;
  p.threshold = task.neuron[0], p.leak = task.neuron[1];
  const int rows = task.spiking ? p.timesteps : 1;
  for (int64_t image = blockIdx.x; image < k.images; image += gridDim.x) {
    float* u = task.values + image * rows * k.stride;
    float* logits = task.logits + image * k.classes;
    float top = 0;
    int best = -1;
    for (int c = int(threadIdx.x); c < k.classes; c += kElementThreads) {
      float logit = u[c];
      if (task.spiking) {
        const int time = readout_time(u + c, k.stride, p);
        logit = readout_logit(u + c, k.stride, time, p);
        task.times[image * k.stride + c] = uint8_t(time);
      }
      logits[c] = logit;
      if (best < 0 || logit > top) top = logit, best = c;
    }
    if (!task.labels) continue;
    const int label = task.labels[image];
    largest(top, best);
    double sum[1] = {};
    for (int c = int(threadIdx.x); c < k.classes; c += kElementThreads) sum[0] += std::exp(double(logits[c]) - top);
    add_up(sum);
    NeuronGradient d;
    for (int c = int(threadIdx.x); task.backward && c < k.classes; c += kElementThreads) {
      const float d_logit = float(float(softmax(logits[c], top, sum[0]) - (c == label)) * task.share);
      if (task.spiking) readout_backward(u + c, k.stride, d_logit, p, &d);
      else task.d_values[image * k.stride + c] = d_logit;
    }
    // Padding channels carry no gradient.
    float* gradient = task.spiking ? u : task.d_values + image * k.stride;
    for (int c = k.classes + int(threadIdx.x); task.backward && c < k.stride; c += kElementThreads)
      for (int row = 0; row < rows; ++row) gradient[row * k.stride + c] = 0;
    double neuron[2] = {d.threshold, d.leak};
    add_up(neuron);
    if (threadIdx.x != 0) continue;
    double* sums = k.sums + image * kImageSums;
    sums[0] = softmax_loss(logits[label], top, sum[0]) * task.share, sums[1] = best == label, sums[2] = neuron[0],
    sums[3] = neuron[1];
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

// ---- norm and update

struct Square {
  const float* values;

  __device__ void operator()(int64_t i, double (&sums)[1]) const { sums[0] += double(values[i]) * values[i]; }
};

struct AddTo {
  double* total;

  __device__ void operator()(const double (&sums)[1]) const { *total += sums[0]; }
};

struct EndGradient {
  StepResult* result;
  const StepInputs* inputs;

  __device__ void operator()(int64_t) const {
    const double norm = std::sqrt(result->squared_norm);
    result->gradient_scale = clip_scale(norm, inputs->clip_norm);
    // Infinities and what is no number differ from themselves times zero.
    result->finite = result->finite && result->loss * 0 == 0 && norm * 0 == 0;
  }
};

struct UpdateTask {
  float* weight;
  const float* gradient;
  float *slot0, *slot1, *slot2;
  const UpdateParams* params;
  const StepResult* result;
};

template <OptimizerKind kind>
__global__ void __launch_bounds__(kElementThreads) update_kernel(int64_t count, UpdateTask task) {
  if (!task.result->finite) return;
  // Into registers before the loop: the compiler must assume that its stores change what pointers lead to.
  UpdateParams p = *task.params;
  p.gradient_scale = task.result->gradient_scale;
  for (int64_t i = first_element(); i < count; i += element_stride()) {
    if constexpr (kind == OptimizerKind::kSgd) {
      sgd_update<ScalarMath<float>>(task.weight[i], task.gradient[i], task.slot0[i], p);
    } else {
      float unused = 0;
      adam_update<ScalarMath<float>>(task.weight[i], task.gradient[i], task.slot0[i], task.slot1[i],
                                     p.amsgrad ? task.slot2[i] : unused, p);
    }
  }
}

struct Clamp {
  float* neurons;
  const StepResult* result;

  __device__ void operator()(int64_t i) const {
    if (result->finite) clamp_neuron(neurons + 2 * i);
  }
};

}  // namespace

size_t readout_bytes(int64_t n) { return size_t(n) * kImageSums * sizeof(double); }

void CudaBackend::read_out(const ReadoutTask& task, int n, const StageShape& s) {
  choice_ = {};
  double* sums = reinterpret_cast<double*>(workspace_.reserve<char>(stream_, readout_bytes(n)));
  launch(stream_, dim3(unsigned(n)), dim3(kElementThreads), 0, "read_out", readout_kernel,
         ReadoutKernelTask{task, s.out_c, s.out_cs, n, sums});
  if (task.labels)
    end_sum<kImageSums>(stream_, "read_out", n, sums,
                        EndReadout{task.result, task.backward && task.spiking ? task.d_neuron : nullptr});
}

void CudaBackend::squared_norm(double* total, const float* values, int64_t count) {
  choice_ = {};
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "squared_norm", count, Square{values}, AddTo{total}, partial);
}

void CudaBackend::finish_gradient(StepResult* result, const StepInputs* inputs) {
  choice_ = {};
  each(stream_, "finish_gradient", 1, EndGradient{result, inputs});
}

void CudaBackend::update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count,
                         OptimizerKind kind, const UpdateParams* p, const StepResult* result) {
  choice_ = {};
  const UpdateTask task{weight, gradient, slot0, slot1, slot2, p, result};
  // Adam and AdamW differ in what the parameters say.
  launch(stream_, dim3(blocks_for(count, kElementBlocks)), dim3(kElementThreads), 0, "update",
         kind == OptimizerKind::kSgd ? update_kernel<OptimizerKind::kSgd> : update_kernel<OptimizerKind::kAdam>, count,
         task);
}

void CudaBackend::clamp_neurons(float* neurons, int count, const StepResult* result) {
  each(stream_, "clamp_neurons", count, Clamp{neurons, result});
}

}  // namespace onespike::cuda
