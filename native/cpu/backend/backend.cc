// Memory, input and element-wise operations of the CPU backend.
#include "cpu/backend/backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/kernels.h"
#include "ops/dropout.h"
#include "ops/encode.h"
#include "ops/rng.h"

namespace onespike::cpu {
namespace {

// Images pass in chunks so that potentials stay within this, whatever the batch: the peak of training follows the
// chunk. Every chunk reads all weights and their gradients again, 440 MB of vgg16: 128 MiB trains it 4 % faster than 64
// on two threads, whose memory is the limit, and as fast on one.
constexpr int64_t kChunkBytes = 128ll << 20;
// An activation of the ANN is T times smaller than a potential, so more images fit; every chunk reads all weights
// again.
constexpr int64_t kAnnChunkBytes = 128ll << 20;
constexpr int kMaxChunkImages = 64;
// Inference keeps byte maps alone: the weights of a linear layer of 4096 x 4096 are read once for 64 images, not
// for 10.
constexpr int64_t kInferenceBytes = 64ll << 20;

// The weight gradient of a linear layer is a pass over all its weights, and needs little of an image: spike times and
// g. So it waits for several chunks, whose times and g stay within this: all of a batch of 64 at T = 5 with two layers
// of 4096.
constexpr int64_t kBlockBytes = 16ll << 20;
constexpr int kMaxBlockImages = 256;

}  // namespace

CpuBackend::CpuBackend(int threads, Precision precision) : pool_(threads), precision_(precision) {
  for (int i = 0; i < pool_.threads(); ++i) workers_.emplace_back(scratch_);
}

ChunkLimits CpuBackend::limits() const {
  return {kChunkBytes, kInferenceBytes, kAnnChunkBytes, kBlockBytes, kMaxChunkImages, kMaxBlockImages};
}

void* CpuBackend::allocate(size_t bytes) { return allocate_aligned(bytes, true); }
void CpuBackend::release(void* memory) {
  filter_.release(memory);
  free_aligned(memory);
}
void CpuBackend::upload(void* to, const void* from_host, size_t bytes) {
  filter_.forget(to, bytes);
  std::memcpy(to, from_host, bytes);
}
void CpuBackend::download(void* to_host, const void* from, size_t bytes) { std::memcpy(to_host, from, bytes); }
void CpuBackend::copy(void* to, const void* from, size_t bytes) { upload(to, from, bytes); }
void CpuBackend::zero(void* memory, size_t bytes) {
  filter_.forget(memory, bytes);
  const int64_t block = kRange * int64_t(sizeof(float)) * 8, count = int64_t(bytes);
  pool_.parallel_for((count + block - 1) / block, [&](int64_t i) {
    std::memset(static_cast<char*>(memory) + i * block, 0, size_t(std::min(block, count - i * block)));
  });
}

void CpuBackend::encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image,
                        const EncodeParams& p) {
  const int cells = p.height * p.width, C = p.channels, T = p.timesteps, last = p.last;
  // A byte has 256 values: both codes are tables.
  std::vector<float> value(size_t(C) * 256);
  uint8_t when[256];
  for (int byte = 0; byte < 256; ++byte) {
    for (int c = 0; c < C; ++c) value[c * 256 + byte] = analog_value(uint8_t(byte), p.mean[c], p.std[c]);
    const int time = coded_time(uint8_t(byte), T, p.encoder == Encoder::kTtfs ? 1 : 2, p.lo, p.hi);
    when[byte] = uint8_t(time <= last ? time : 0);
  }
  pool_.parallel_for(n, [&](int64_t image) {
    const uint8_t* from = pixels + image * C * cells;
    const int64_t to = image * C * cells;
    for (int c = 0; c < C; ++c)
      for (int i = 0; i < cells; ++i) {
        const uint8_t byte = from[c * cells + i];
        const int64_t at = to + int64_t(i) * C + c;
        if (analog) analog[at] = value[c * 256 + byte];
        if (times) times[at] = when[byte];
        if (rate) {
          const float x = value[c * 256 + byte];
          const Rng rng = rate_rng(p.seed, p.inputs->random_step, first_image + image);
          for (int t = 0; t < last; ++t)
            rate[(image * last + t) * C * cells + int64_t(i) * C + c] =
                rate_spike(rng, (uint64_t(i) * C + c) * T + t, x);
        }
      }
  });
}

void CpuBackend::draw_batch(const DrawTask& task) {
  pool_.parallel_for(task.n, [&](int64_t i) { draw_image(task, i); });
}

void CpuBackend::count_events(int64_t* total, const uint8_t* times, int64_t count) {
  // A byte is counted so fast that ranges of kRange have the threads wait for the counter of tasks.
  constexpr int64_t kBytes = 16 * kRange;
  const int64_t tasks = (count + kBytes - 1) / kBytes;
  int64_t* counts = counts_.reserve(size_t(tasks));
  pool_.parallel_for(
      tasks, [&](int64_t i) { counts[i] = count_fired(times + i * kBytes, std::min(kBytes, count - i * kBytes)); });
  for (int64_t i = 0; i < tasks; ++i) *total += counts[i];
}

void CpuBackend::dropout_mask(uint8_t* mask, uint64_t seed, const StepInputs* inputs, int64_t first_image, int n,
                              const StageShape& s) {
  const int64_t size = s.out_size();
  const Dropout dropout(s.dropout);
  pool_.parallel_for(n, [&](int64_t image) {
    const Rng rng = Dropout::rng(seed, inputs->random_step, first_image + image, s.layer);
    for (int64_t i = 0; i < size; i += 4) dropout.keep4(mask + image * size + i, rng, uint64_t(i));
  });
}

void CpuBackend::apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) {
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    const int64_t end = std::min(count, (i + 1) * kRange);
    for (int64_t j = i * kRange; j < end; ++j) to[j] = uint8_t(times[j] * mask[j]);
  });
}

void CpuBackend::apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) {
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    const int64_t end = std::min(count, (i + 1) * kRange);
    for (int64_t j = i * kRange; j < end; ++j) values[j] *= scale * float(mask[j]);
  });
}

void CpuBackend::release_scratch() {
  scratch_.release();
  filter_.clear();
}

}  // namespace onespike::cpu

namespace onespike {

std::unique_ptr<Backend> make_cpu_backend(int threads, Precision precision) {
  return std::make_unique<cpu::CpuBackend>(threads, precision);
}

}  // namespace onespike
