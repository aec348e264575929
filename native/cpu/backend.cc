// Memory, input and element-wise operations of the CPU backend.
#include "cpu/backend.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "cpu/kernels.h"
#include "ops/encode.h"
#include "ops/rng.h"

namespace onespike::cpu {
namespace {

constexpr int64_t kRange = 1 << 14;  // elements of one task over a tensor; fixed, so that sums do not depend on threads

int64_t ranges(int64_t count) { return (count + kRange - 1) / kRange; }

}  // namespace

void* CpuBackend::allocate(size_t bytes) {
  void* memory = allocate_aligned(bytes);
  if (memory) std::memset(memory, 0, bytes);
  return memory;
}
void CpuBackend::release(void* memory) {
  filter_.release(memory);
  std::free(memory);
}
void CpuBackend::upload(void* to, const void* from_host, size_t bytes) {
  filter_.forget(to, bytes);
  std::memcpy(to, from_host, bytes);
}
void CpuBackend::download(void* to_host, const void* from, size_t bytes) { std::memcpy(to_host, from, bytes); }
void CpuBackend::zero(void* memory, size_t bytes) {
  filter_.forget(memory, bytes);
  const int64_t block = kRange * int64_t(sizeof(float)) * 8, count = int64_t(bytes);
  pool_.parallel_for((count + block - 1) / block, [&](int64_t i) {
    std::memset(static_cast<char*>(memory) + i * block, 0, size_t(std::min(block, count - i * block)));
  });
}

void CpuBackend::encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n, int64_t first_image, const EncodeParams& p) {
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
          const Rng rng = Rng::of(p.seed, p.step, uint64_t(first_image + image));
          for (int t = 0; t < last; ++t) {
            const bool spike = rng.uniform((uint64_t(i) * C + c) * T + t) < std::fabs(x);
            rate[(image * last + t) * C * cells + int64_t(i) * C + c] = int8_t(spike ? (x > 0 ? 1 : -1) : 0);
          }
        }
      }
  });
}

int64_t CpuBackend::count_events(const uint8_t* times, int64_t count) {
  int64_t* counts = counts_.reserve(size_t(ranges(count)));
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    counts[i] = count_fired(times + i * kRange, std::min(kRange, count - i * kRange));
  });
  int64_t sum = 0;
  for (int64_t i = 0; i < ranges(count); ++i) sum += counts[i];
  return sum;
}

void CpuBackend::dropout_mask(uint8_t* mask, uint64_t seed, uint64_t step, int64_t first_image, int n, const StageShape& s) {
  const int64_t size = s.out_size();
  const uint32_t limit = uint32_t(double(s.dropout) * (1 << 16));
  pool_.parallel_for(n, [&](int64_t image) {
    const Rng rng = Rng::of(seed, step, uint64_t(first_image + image) * 4096 + uint64_t(s.layer));
    // Four draws of 16 bits from one hash; sizes are multiples of kLane.
    for (int64_t i = 0; i < size; i += 4) {
      const uint64_t bits = rng.bits(uint64_t(i));
      for (int j = 0; j < 4; ++j) mask[image * size + i + j] = ((bits >> (16 * j)) & 0xffff) >= limit;
    }
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

void CpuBackend::update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2, int64_t count, OptimizerKind kind,
                        const UpdateParams& p) {
  filter_.forget(weight, size_t(count) * sizeof(float));
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    const int64_t at = i * kRange, size = std::min(kRange, count - at);
    if (kind == OptimizerKind::kSgd) sgd_range(weight + at, gradient + at, slot0 + at, size, p);
    else adam_range(weight + at, gradient + at, slot0 + at, slot1 + at, slot2 + at, size, p);
  });
}

double CpuBackend::squared_norm(const float* values, int64_t count) {
  double* sums = sums_.reserve(size_t(ranges(count)));
  pool_.parallel_for(ranges(count), [&](int64_t i) {
    // Independent partial sums, so that the compiler may keep several additions in flight.
    double part[8] = {};
    const int64_t end = std::min(count, (i + 1) * kRange);
    int64_t j = i * kRange;
    for (; j + 8 <= end; j += 8)
      for (int k = 0; k < 8; ++k) part[k] += double(values[j + k]) * values[j + k];
    for (; j < end; ++j) part[0] += double(values[j]) * values[j];
    sums[i] = ((part[0] + part[1]) + (part[2] + part[3])) + ((part[4] + part[5]) + (part[6] + part[7]));
  });
  double sum = 0;
  for (int64_t i = 0; i < ranges(count); ++i) sum += sums[i];
  return sum;
}

}  // namespace onespike::cpu

namespace onespike {

std::unique_ptr<Backend> make_cpu_backend(int threads, Precision precision) { return std::make_unique<cpu::CpuBackend>(threads, precision); }

}  // namespace onespike
