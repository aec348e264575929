// Input, masks and counts of the CPU backend.
#include <algorithm>
#include <vector>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/events/event_lists.h"
#include "ops/dropout.h"
#include "ops/encoders.h"
#include "ops/rng.h"

namespace onespike::cpu {

void CpuBackend::encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image,
                        const EncodeParams& p) {
  const int cells = p.height * p.width, C = p.channels, T = p.timesteps, last = p.last;
  const EncoderEntry entry = encoder_entry(p.encoder);
  // A byte has 256 values: both codes are tables.
  std::vector<float> value(size_t(C) * 256);
  uint8_t when[256];
  for (int byte = 0; byte < 256; ++byte) {
    for (int c = 0; c < C; ++c) value[c * 256 + byte] = analog_value(uint8_t(byte), p.mean[c], p.std[c]);
    const int time = spike_time(entry, uint8_t(byte), T, p.lo, p.hi);
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

}  // namespace onespike::cpu
