// The kernels of cpu/forward/spike_tables.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/forward/spike_tables.cc"
#include <hwy/foreach_target.h>
// Highway asks for this order.
#include <hwy/highway.h>

#include <algorithm>
#include <cstring>

#include "cpu/forward/lif-inl.h"
#include "cpu/forward/spike_tables.h"
#include "cpu/simd/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace onespike::cpu {
namespace HWY_NAMESPACE {

// Windows of one output row. `rows` is the first source row of the map within its border of zeros, `windows` has
// kMostTableInputs for every column and a row's copy to spare.
void FindWords(uint64_t* HWY_RESTRICT words, const uint8_t* HWY_RESTRICT rows, uint8_t* HWY_RESTRICT windows,
               int timesteps, const StageShape& s) {
  const int row_inputs = s.kernel_w * s.src_cs, inputs = s.kernel_h * row_inputs;
  for (int x = 0; x < s.out_w; ++x)
    for (int r = 0; r < s.kernel_h; ++r) {
      const uint8_t* from = rows + r * padded_row(s) + int64_t(x) * s.stride * s.src_cs;
      uint8_t* to = windows + x * kMostTableInputs + r * row_inputs;
      // Whole pieces: what is too much lies where the next row, the next window or nothing comes.
      for (int i = 0; i < row_inputs; i += kPiece) std::memcpy(to + i, from + i, kPiece);
    }
  const uint64_t inside = inputs < 64 ? (uint64_t(1) << inputs) - 1 : ~uint64_t(0);
  for (int x = 0; x < s.out_w; ++x)
    for (int t = 1; t <= timesteps; ++t) {
      const uint8_t* window = windows + x * kMostTableInputs;
      uint64_t word = 0;
#if HWY_TARGET == HWY_SCALAR
      for (int i = 0; i < inputs; ++i) word |= uint64_t(window[i] == t) << i;
#else
      const hn::CappedTag<uint8_t, 64> d8;
      for (int i = 0; i < inputs; i += int(hn::Lanes(d8))) {
        uint64_t bits = 0;
        hn::StoreMaskBits(d8, hn::Eq(hn::LoadU(d8, window + i), hn::Set(d8, uint8_t(t))),
                          reinterpret_cast<uint8_t*>(&bits));
        word |= bits << i;
      }
#endif
      *words++ = word & inside;
    }
}

void FillTables(float* HWY_RESTRICT tables, const float* HWY_RESTRICT weight, int inputs, int width) {
  for (int first = 0; first < inputs; first += kTableBits)
    for (int row = 0; row < kTableRows; ++row, tables += width) {
      const int last = row == 0 ? 0 : 31 - __builtin_clz(unsigned(row)), without = row & ~(1 << last);
      for (int lane = 0; lane < width; lane += kFloats) {
        V sum = hn::Zero(d);
        if (row > 0 && first + last < inputs)
          sum = hn::Add(hn::Load(d, tables + (without - row) * width + lane),
                        hn::Load(d, weight + (first + last) * width + lane));
        hn::Store(sum, d, tables + lane);
      }
    }
}

template <int kWidth>
HWY_NOINLINE void pixels(const TableTask& task, int channel, int64_t image, int y) {
  constexpr int kCount = kWidth / kFloats;
  const ForwardTask& forward = *task.forward;
  const StageShape& s = *forward.shape;
  const int count = table_count(s), T = forward.neuron.timesteps;
  const float* HWY_RESTRICT tables = task.tables + int64_t(channel) * count * kTableRows;
  const uint64_t* words = task.words + (image * s.out_h + y) * s.out_w * T;
  for (int x = 0; x < s.out_w; ++x) {
    LifPixel<kCount> neurons(forward, image, y, x, channel);
    for (int t = 1; t <= T; ++t) {
      uint64_t word = *words++;
      Block<kCount> sum;
      sum.fill(hn::Zero(d));
      const float* HWY_RESTRICT table = tables;
      for (int i = 0; i < count; ++i, word >>= kTableBits, table += kTableRows * kWidth)
        add_row(sum, table + (word & (kTableRows - 1)) * kWidth);
      neurons.step(sum, t);
    }
    neurons.store();
  }
}

void TableRow(const TableTask& task, Tile tile, int64_t image, int y) {
  with_width(tile.width, [&](auto width) { pixels<width.value>(task, tile.begin, image, y); });
}

}  // namespace HWY_NAMESPACE
}  // namespace onespike::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace onespike::cpu {
HWY_EXPORT(FindWords);
HWY_EXPORT(FillTables);
HWY_EXPORT(TableRow);

void WindowBits::build(const uint8_t* times, int n, int timesteps, const StageShape& s, ThreadPool& pool) {
  const int64_t row = int64_t(s.src_w) * s.src_cs, row_words = int64_t(s.out_w) * timesteps;
  words_.reserve(size_t(n * s.out_h * row_words));
  pool.parallel_for(n, [&](int64_t image) {
    std::vector<uint8_t> padded(size_t(s.padded_h() * padded_row(s) + kMostTableInputs)),
        windows(size_t((s.out_w + 1) * kMostTableInputs));
    for (int y = 0; y < s.src_h; ++y)
      std::memcpy(padded.data() + (y + s.pad) * padded_row(s) + s.pad * s.src_cs,
                  times + image * s.src_size() + y * row, size_t(row));
    uint64_t* words = words_.data() + image * s.out_h * row_words;
    for (int y = 0; y < s.out_h; ++y, words += row_words)
      HWY_DYNAMIC_DISPATCH(FindWords)(words, padded.data() + y * s.stride * padded_row(s), windows.data(), timesteps,
                                      s);
  });
}

bool fits_tables(const StageShape& s) { return !s.linear && s.pool == 1 && s.taps() * s.src_cs <= kMostTableInputs; }

// A table is read in the time of one event or two; a list has its sorting and its mispredicted end besides: 1.35 events
// a step (T = 20, 27 inputs) take 276 us an image, and their 7 tables 140.
bool tables_pay(double density, int timesteps, const StageShape& s) {
  return density * s.taps() * s.src_cs / timesteps >= 0.15 * table_count(s);
}

void fill_tables(float* tables, const float* weight, int inputs, int width) {
  HWY_DYNAMIC_DISPATCH(FillTables)(tables, weight, inputs, width);
}
void table_row(const TableTask& task, Tile tile, int64_t image, int y) {
  HWY_DYNAMIC_DISPATCH(TableRow)(task, tile, image, y);
}
}  // namespace onespike::cpu
#endif
