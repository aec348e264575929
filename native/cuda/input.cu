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
  EncodeTask task;

  __device__ void operator()(int64_t i) const {
    const EncodeParams& p = task.params;
    const int64_t cells = int64_t(p.height) * p.width, size = cells * p.channels;
    const int64_t image = i / size, at = i - image * size, cell = at / p.channels;
    const int c = int(at - cell * p.channels);
    const uint8_t byte = task.pixels[image * size + c * cells + cell];
    const float x = analog_value(byte, p.mean[c], p.std[c]);
    if (task.analog) task.analog[i] = x;
    if (task.times) {
      const int time = spike_time(encoder_entry(p.encoder), byte, p.timesteps, p.lo, p.hi);
      task.times[i] = uint8_t(time <= p.last ? time : 0);
    }
    if (!task.values) return;
    int8_t* const values = task.values + image * p.last * size + at;
    if (encoder_entry(p.encoder).events == InputEvents::kPowers) {
      PowerCode code(p.encoder, byte, p.timesteps);
      for (int t = 0; t < p.last; ++t) values[t * size] = code.next();
      return;
    }
    const Rng rng = rate_rng(p.seed, p.inputs->random_step, task.first_image + image);
    for (int t = 0; t < p.last; ++t) values[t * size] = rate_spike(rng, uint64_t(at) * p.timesteps + t, x);
  }
};

struct DrawTable {
  DrawTask task;

  __device__ void operator()(int64_t i) const { task.draw_table(i / task.channels, int(i % task.channels)); }
};

struct DrawPixel {
  DrawTask task;

  __device__ void operator()(int64_t i) const {
    const int64_t plane = int64_t(task.height) * task.width;
    const int64_t image = i / task.size(), at = i - image * task.size();
    const int c = int(at / plane), y = int((at - c * plane) / task.width), x = int((at - c * plane) % task.width);
    const Mix& mix = task.drawn[image].mix;
    uint8_t value = task.own_pixel(image, c, y, x);
    if (mix.own < 256 || mix.patch.holds(y, x)) value = mix.of(value, task.own_pixel(mix.partner, c, y, x), y, x);
    task.to_pixels[i] = value;
    if (at == 0) task.draw_labels(image);
  }
};

struct DrawMask {
  DropoutMaskTask task;
  Dropout dropout;

  __device__ void operator()(int64_t i) const {  // four neurons
    const int64_t size = task.shape.out_size(), image = i * 4 / size;
    const Rng rng = Dropout::rng(task.seed, task.inputs->random_step, task.first_image + image, task.shape.layer);
    dropout.keep4(task.mask + i * 4, rng, uint64_t(i * 4 - image * size));
  }
};

struct MaskTimes {
  MaskTimesTask task;

  __device__ void operator()(int64_t i) const {
    // A byte of the mask times 255 keeps all bits or none.
    const uint4 t = bytes16(task.times, i), m = bytes16(task.mask, i);
    reinterpret_cast<uint4*>(task.to)[i] =
        make_uint4(t.x & m.x * 255, t.y & m.y * 255, t.z & m.z * 255, t.w & m.w * 255);
  }
};

struct MaskValues {
  MaskValuesTask task;

  __device__ void operator()(int64_t i) const { task.values[i] *= task.scale * float(task.mask[i]); }
};

struct AddCount {
  int64_t* total;

  __device__ void operator()(const double (&sums)[1]) const { *total += int64_t(sums[0]); }
};

}  // namespace

KernelChoice CudaBackend::execute(const EncodeTask& task) {
  const EncodeParams& p = task.params;
  each(stream_, "encode", int64_t(task.n) * p.channels * p.height * p.width, EncodeValue{task});
  return {};
}

KernelChoice CudaBackend::execute(const DrawTask& task) {
  // A channel of an image is one thread's: only few of the changes look at all of its pixels.
  if (task.tables) each(stream_, "draw_tables", task.n * task.channels, DrawTable{task});
  each(stream_, "draw_batch", task.n * task.size(), DrawPixel{task});
  return {};
}

KernelChoice CudaBackend::execute(const DropoutMaskTask& task) {
  each(stream_, "dropout_mask", task.n * task.shape.out_size() / 4, DrawMask{task, Dropout(task.shape.dropout)});
  return {};
}

KernelChoice CudaBackend::execute(const MaskTimesTask& task) {
  each(stream_, "apply_mask", task.count / 16, MaskTimes{task});
  return {};
}

KernelChoice CudaBackend::execute(const MaskValuesTask& task) {
  each(stream_, "apply_mask", task.count, MaskValues{task});
  return {};
}

KernelChoice CudaBackend::execute(const CountEventsTask& task) {
  double* partial = workspace_.reserve<double>(stream_, kSumBlocks);
  if (task.bits) {
    sum<1>(stream_, "count_events", task.count / 16, CountBits{task.times}, AddCount{task.total}, partial);
    return {};
  }
  sum<1>(stream_, "count_events", task.count / 16, CountTimes{task.times}, AddCount{task.total}, partial);
  return {};
}

}  // namespace onespike::cuda
