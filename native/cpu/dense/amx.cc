#include "cpu/dense/amx.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#if defined(__x86_64__)

#include <immintrin.h>

#include "cpu/dense/amx_tile-inl.h"

namespace onespike::cpu {
namespace {

// Steps of 16 pairs whose rows are gathered at once: 48 KiB of rows, and 32 KiB of the panel.
constexpr int kSteps = 8;

#define ONESPIKE_AVX512 __attribute__((target("avx512f")))

ONESPIKE_AVX512 inline void copy_row(uint32_t* to, const uint32_t* from) {
  _mm512_store_si512(to, from ? _mm512_loadu_si512(from) : _mm512_setzero_si512());
}

struct Step {
  int64_t offset, row;  // as in DenseRun
};

// Rows as two tiles read them: [two tiles][step][row][pair]. Rows up to whole tiles are zeros.
ONESPIKE_AVX512 void gather(uint32_t* to, const DenseTask& task, const Step* steps, int step_count, int count) {
  const int rows = round_up(count, 16);
  for (int first = 0; first < rows; first += 32) {
    const int here = std::min(32, rows - first);
    for (int r = 0; r < here; ++r) {
      uint32_t* out = to + (int64_t(first) * step_count + r) * kAmxPairs;
      const int64_t next = int64_t(here) * kAmxPairs;
      if (first + r >= count) {
        for (int i = 0; i < step_count; ++i, out += next) copy_row(out, nullptr);
        continue;
      }
      const uint32_t* from = static_cast<const uint32_t*>(task.a) + task.base[first + r];
      for (int i = 0; i < step_count; ++i, out += next) copy_row(out, from + steps[i].offset);
    }
  }
}

template <int kRows, int kColumns>
void multiply(float* sums, const DenseTask& task, const uint32_t* a, const Step* steps, int step_count, int row,
              int lane, bool first) {
  float* at = sums + int64_t(row) * task.width + lane;
  const int64_t stride = int64_t(task.width) * 4;
  if (first) zero_sums();
  else load_sums<kRows, kColumns>(at, stride, 16 * stride);
  const char* panel = static_cast<const char*>(task.panel) + int64_t(lane) * 4;
  const char* from = reinterpret_cast<const char*>(a + int64_t(row) * step_count * kAmxPairs);
  for (int i = 0; i < step_count; ++i, from += kRows * 16 * kTileBytes)
    multiply_tiles<kRows, kColumns>(
        {from, panel + steps[i].row * stride, kTileBytes, stride, 16 * kTileBytes, kTileBytes, 0, 0, 1});
  store_sums<kRows, kColumns>(at, stride, 16 * stride);
}

// All steps of two rows at most and two tiles of columns, whose sums stay in the unit.
template <int kRows, int kColumns>
void multiply_blocks(float* sums, const DenseTask& task, const int64_t* base, int lane) {
  const uint32_t* a = static_cast<const uint32_t*>(task.a);
  const char* panel = static_cast<const char*>(task.panel) + int64_t(lane) * 4;
  const int64_t stride = int64_t(task.width) * 4, tile = 16 * kTileBytes;
  const int64_t next = kRows > 1 ? (base[1] - base[0]) * kBlockImages * 4 : 0;
  zero_sums();
  for (const DenseRun* run = task.runs; run != task.runs + task.run_count; ++run)
    multiply_tiles<kRows, kColumns>({reinterpret_cast<const char*>(a + (base[0] + run->offset) * kBlockImages),
                                     panel + run->row * stride, kTileBytes, stride, next, kTileBytes, tile, 16 * stride,
                                     int(run->depth / kAmxPairs)});
  store_sums<kRows, kColumns>(sums + lane, stride, 16 * stride);
}

}  // namespace

void amx_blocks(float* sums, const DenseTask& task, int first, int count) {
  const AmxTiles tiles;
  each_two(count, [&](int, auto rows) {
    each_two(task.width / 16,
             [&](int lane, auto lanes) { multiply_blocks<rows, lanes>(sums, task, task.base + first, lane * 16); });
  });
}

bool amx_takes(const DenseTask& task) {
  return std::all_of(task.runs, task.runs + task.run_count,
                     [](const DenseRun& run) { return run.depth % kAmxPairs == 0; });
}

void amx_rows(float* sums, const DenseTask& task, int count) {
  alignas(kTileBytes) uint32_t a[kSteps * kDenseRows * kAmxPairs];
  const int rows = round_up(count, 16);
  const AmxTiles tiles;
  Step steps[kSteps];
  int filled = 0;
  bool first = true;
  const auto flush = [&] {
    gather(a, task, steps, filled, count);
    each_two(task.width / 16, [&](int lane, auto lane_tiles) {
      each_two(rows / 16, [&](int row, auto row_tiles) {
        multiply<row_tiles, lane_tiles>(sums, task, a, steps, filled, row * 16, lane * 16, first);
      });
    });
    filled = 0, first = false;
  };
  for (const DenseRun* run = task.runs; run != task.runs + task.run_count; ++run)
    for (int64_t k = 0; k < run->depth; k += kAmxPairs) {
      steps[filled++] = {run->offset + k, run->row + k};
      if (filled == kSteps) flush();
    }
  if (filled > 0 || first) flush();
}

}  // namespace onespike::cpu

#endif
