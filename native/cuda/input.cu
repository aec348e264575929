// Input, masks and counts of the CUDA backend.
#include "cuda/device/backend.h"
#include "cuda/elementwise.cuh"
#include "cuda/spikes.cuh"
#include "ops/dropout.h"
#include "ops/encoders.h"

namespace onespike::cuda {
namespace {

// One value of the image map; the pixel lies in a plane of its own.
struct EncodeValue {
  float* analog;
  uint8_t* times;
  int8_t* rate;
  const uint8_t* pixels;
  int64_t first_image;
  EncodeParams p;

  __device__ void operator()(int64_t i) const {
    const int64_t cells = int64_t(p.height) * p.width, size = cells * p.channels;
    const int64_t image = i / size, at = i - image * size, cell = at / p.channels;
    const int c = int(at - cell * p.channels);
    const uint8_t byte = pixels[image * size + c * cells + cell];
    const float x = analog_value(byte, p.mean[c], p.std[c]);
    if (analog) analog[i] = x;
    if (times) {
      const int time = spike_time(encoder_entry(p.encoder), byte, p.timesteps, p.lo, p.hi);
      times[i] = uint8_t(time <= p.last ? time : 0);
    }
    if (!rate) return;
    const Rng rng = rate_rng(p.seed, p.inputs->random_step, first_image + image);
    for (int t = 0; t < p.last; ++t)
      rate[(image * p.last + t) * size + at] = rate_spike(rng, uint64_t(at) * p.timesteps + t, x);
  }
};

struct DrawPixel {
  DrawTask task;

  __device__ void operator()(int64_t i) const {
    const int64_t plane = int64_t(task.height) * task.width, size = plane * task.channels;
    const int64_t image = i / size, at = i - image * size, c = at / plane;
    const int y = int((at - c * plane) / task.width), x = int((at - c * plane) % task.width);
    const Crop crop = draw_crop(task.augment, augment_rng(task.augment), uint64_t(image));
    const int row = crop.row(y), column = crop.column(x, task.width);
    const bool inside = row >= 0 && row < task.height && column >= 0 && column < task.width;
    const int64_t index = task.indices[image];
    task.to_pixels[i] =
        inside ? task.pixels[index * size + c * plane + int64_t(row) * task.width + column] : uint8_t(0);
    if (at == 0 && task.to_labels) task.to_labels[image] = task.labels[index];
  }
};

struct DrawMask {
  uint8_t* mask;
  uint64_t seed;
  const StepInputs* inputs;
  int64_t first_image, size;
  int layer;
  Dropout dropout;

  __device__ void operator()(int64_t i) const {  // four neurons
    const int64_t image = i * 4 / size;
    const Rng rng = Dropout::rng(seed, inputs->random_step, first_image + image, layer);
    dropout.keep4(mask + i * 4, rng, uint64_t(i * 4 - image * size));
  }
};

struct MaskTimes {
  uint8_t* to;
  const uint8_t *times, *mask;

  __device__ void operator()(int64_t i) const {
    const uint4 t = bytes16(times, i), m = bytes16(mask, i);  // a byte of the mask times 255 keeps all bits or none
    reinterpret_cast<uint4*>(to)[i] = make_uint4(t.x & m.x * 255, t.y & m.y * 255, t.z & m.z * 255, t.w & m.w * 255);
  }
};

struct MaskValues {
  float* values;
  const uint8_t* mask;
  float scale;

  __device__ void operator()(int64_t i) const { values[i] *= scale * float(mask[i]); }
};

struct AddCount {
  int64_t* total;

  __device__ void operator()(const double (&sums)[1]) const { *total += int64_t(sums[0]); }
};

}  // namespace

void CudaBackend::encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image,
                         const EncodeParams& p) {
  choice_ = {};
  each(stream_, "encode", int64_t(n) * p.channels * p.height * p.width,
       EncodeValue{analog, times, rate, pixels, first_image, p});
}

void CudaBackend::draw_batch(const DrawTask& task) {
  choice_ = {};
  each(stream_, "draw_batch", task.n * task.channels * task.height * task.width, DrawPixel{task});
}

void CudaBackend::dropout_mask(uint8_t* mask, uint64_t seed, const StepInputs* inputs, int64_t first_image, int n,
                               const StageShape& s) {
  choice_ = {};
  each(stream_, "dropout_mask", n * s.out_size() / 4,
       DrawMask{mask, seed, inputs, first_image, s.out_size(), s.layer, Dropout(s.dropout)});
}

void CudaBackend::apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) {
  choice_ = {};
  each(stream_, "apply_mask", count / 16, MaskTimes{to, times, mask});
}

void CudaBackend::apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) {
  choice_ = {};
  each(stream_, "apply_mask", count, MaskValues{values, mask, scale});
}

void CudaBackend::count_events(int64_t* total, const uint8_t* times, int64_t count) {
  choice_ = {};
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  sum<1>(stream_, "count_events", count / 16, CountTimes{times}, AddCount{total}, partial);
}

}  // namespace onespike::cuda
