// The forward pass of a stage that sees few inputs, nearly all of which fire: the first one, on coded images. What
// fires at one step within a pixel's window is a word of bits there, and every four bits of it choose one of sixteen
// sums of weight rows made beforehand. So the work of a step depends on neither events nor branches, and nothing is
// sorted: lists of five events, as there are at T = 5 with 27 inputs, cost more by the mispredicted ends of their loops
// than by their weights.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "cpu/forward/spiking_forward.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

constexpr int kTableBits = 4;  // inputs of a table: seven tables of a tile are 28 KiB, and fit the L1 cache
constexpr int kTableRows = 1 << kTableBits;
constexpr int kMostTableInputs = 64;  // of a window
constexpr int kPiece = 16;            // bytes of a window that are copied at once

// What fires within the window of an output cell: one word per step, bit `tap * src_cs + channel`.
class WindowBits {
 public:
  explicit WindowBits(ScratchSet& set) : words_(set) {}
  void build(const uint8_t* times, int n, int timesteps, const StageShape& s, ThreadPool& pool);
  // (n, out_h, out_w, T)
  const uint64_t* data() const { return words_.data(); }

 private:
  Scratch<uint64_t> words_;
};

// Whether a stage can go through tables, and whether they beat lists when `density` of its inputs fire within T steps.
bool fits_tables(const StageShape& s);
bool tables_pay(double density, int timesteps, const StageShape& s);

inline int64_t padded_row(const StageShape& s) { return int64_t(s.padded_w()) * s.src_cs; }
inline int table_count(const StageShape& s) { return (s.taps() * s.src_cs + kTableBits - 1) / kTableBits; }

// The tables of one tile, from its weights: table_count * kTableRows rows of `width`.
void fill_tables(float* tables, const float* weight, int inputs, int width);

struct TableTask {
  const ForwardTask* forward;  // its events are not used
  const uint64_t* words;       // of WindowBits
  const float* tables;         // tile by tile
};
// One output row of one tile.
void table_row(const TableTask& task, Tile tile, int64_t image, int y);

}  // namespace onespike::cpu
