// Input, masks and counts of the CPU backend.
#include <algorithm>
#include <vector>

#include "cpu/backend/backend.h"
#include "cpu/backend/ranges.h"
#include "cpu/code/levels.h"
#include "cpu/events/event_lists.h"
#include "ops/dropout.h"
#include "ops/encoders.h"
#include "ops/rng.h"

namespace onespike::cpu {

KernelChoice CpuBackend::execute(const EncodeTask& task) {
  const EncodeParams& p = task.params;
  const int cells = p.height * p.width, C = p.channels, T = p.timesteps, last = p.last;
  const EncoderEntry entry = encoder_entry(p.encoder);
  // A byte has 256 values: what it sends is a table, unless it is drawn.
  std::vector<float> value(size_t(C) * 256);
  uint8_t when[256];
  for (int byte = 0; byte < 256; ++byte) {
    for (int c = 0; c < C; ++c) value[c * 256 + byte] = analog_value(uint8_t(byte), p.mean[c], p.std[c]);
    const int time = spike_time(entry, uint8_t(byte), T, p.lo, p.hi);
    when[byte] = uint8_t(time <= last ? time : 0);
  }
  std::vector<int8_t> powers;  // (256, last)
  for (int byte = 0; entry.events == InputEvents::kPowers && byte < 256; ++byte) {
    PowerCode code(p.encoder, uint8_t(byte), T);
    for (int t = 0; t < last; ++t) powers.push_back(code.next());
  }
  pool_.parallel_for(task.n, [&](int64_t image) {
    const uint8_t* from = task.pixels + image * C * cells;
    const int64_t to = image * C * cells;
    const Rng rng = rate_rng(p.seed, p.inputs->random_step, task.first_image + image);
    for (int c = 0; c < C; ++c)
      for (int i = 0; i < cells; ++i) {
        const uint8_t byte = from[c * cells + i];
        const int64_t at = to + int64_t(i) * C + c;
        if (task.analog) task.analog[at] = value[c * 256 + byte];
        if (task.times) task.times[at] = when[byte];
        if (task.values) {
          int8_t* const values = task.values + image * last * C * cells + int64_t(i) * C + c;
          const float x = value[c * 256 + byte];
          for (int t = 0; t < last; ++t)
            values[int64_t(t) * C * cells] =
                powers.empty() ? rate_spike(rng, (uint64_t(i) * C + c) * T + t, x) : powers[size_t(byte) * last + t];
        }
      }
  });
  return {};
}

KernelChoice CpuBackend::execute(const DrawTask& task) {
  if (task.tables)
    pool_.parallel_for(task.n * task.channels,
                       [&](int64_t i) { task.draw_table(i / task.channels, int(i % task.channels)); });
  pool_.parallel_for(task.n, [&](int64_t i) { draw_image(task, i); });
  return {};
}

KernelChoice CpuBackend::execute(const CountEventsTask& task) {
  // A byte is counted so fast that ranges of kRange have the threads wait for the counter of tasks.
  constexpr int64_t kBytes = 16 * kRange;
  const int64_t tasks = (task.count + kBytes - 1) / kBytes;
  int64_t* counts = counts_.reserve(size_t(tasks));
  pool_.parallel_for(tasks, [&](int64_t i) {
    const uint8_t* from = task.times + i * kBytes;
    const int64_t count = std::min(kBytes, task.count - i * kBytes);
    counts[i] = task.bits ? count_bits(from, count) : count_fired(from, count);
  });
  for (int64_t i = 0; i < tasks; ++i) *task.total += counts[i];
  return {};
}

KernelChoice CpuBackend::execute(const DropoutMaskTask& task) {
  const int64_t size = task.shape.out_size();
  const Dropout dropout(task.shape.dropout);
  pool_.parallel_for(task.n, [&](int64_t image) {
    const Rng rng = Dropout::rng(task.seed, task.inputs->random_step, task.first_image + image, task.shape.layer);
    for (int64_t i = 0; i < size; i += 4) dropout.keep4(task.mask + image * size + i, rng, uint64_t(i));
  });
  return {};
}

KernelChoice CpuBackend::execute(const MaskTimesTask& task) {
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t end = std::min(task.count, (i + 1) * kRange);
    // In locals: a byte that is stored might be one of the task.
    uint8_t* to = task.to;
    const uint8_t *times = task.times, *mask = task.mask;
    for (int64_t j = i * kRange; j < end; ++j) to[j] = uint8_t(times[j] * mask[j]);
  });
  return {};
}

KernelChoice CpuBackend::execute(const MaskValuesTask& task) {
  pool_.parallel_for(ranges(task.count), [&](int64_t i) {
    const int64_t end = std::min(task.count, (i + 1) * kRange);
    for (int64_t j = i * kRange; j < end; ++j) task.values[j] *= task.scale * float(task.mask[j]);
  });
  return {};
}

}  // namespace onespike::cpu
