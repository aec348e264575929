// The neurons of a layer whose a(t) is not zero, sorted for the input gradient: a neuron is one event per block of
// steps, with the range of steps in that block outside which its a(t) vanishes. One load of its weights then serves all
// steps of the range, and events of one range share code that knows the range at compile time.
//
//   row:   | block 0: steps 1..1: x=0 x=0 x=2 .. | steps 1..2: x=1 .. | .. | block 1: .. |
//   event: id, a of every step of the range
//          id = x * cs + c, the offset of the neuron in its row, selects the weight row
//   pair:  id, id, (a, a) of every step as two bf16, the first in the lower half
//          for a processor that multiplies such pairs
//
// Within a range, events lie by column: those that one source pixel meets are one contiguous run. A linear layer is one
// row an image, and its columns are blocks of kLinearBlock neurons.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/simd/scratch.h"
#include "ops/shape.h"

namespace onespike::cpu {

// Outputs of a linear layer whose weights the input gradient takes at once: with 64 channels of the source 128 KiB,
// which pass from the L2 cache.
constexpr int kLinearBlock = 512;

constexpr int kMaxBlock = 5;  // steps whose sums stay in registers: 5 times 4 vectors of AVX-512's 32 registers

// T steps in blocks as equal as can be; the last may be shorter.
struct StepBlocks {
  explicit StepBlocks(int timesteps_in = 1)
      : timesteps(timesteps_in),
        count((timesteps + kMaxBlock - 1) / kMaxBlock),
        length((timesteps + count - 1) / count) {}

  int begin(int block) const { return block * length; }  // first step, counted from 0
  int steps(int block) const { return timesteps - begin(block) < length ? timesteps - begin(block) : length; }
  // Ranges of a block in the order of their first step, then of their last. The blocks before it are all of full
  // length.
  int ranges_before(int block) const { return block * length * (length + 1) / 2; }
  int ranges() const { return ranges_before(count - 1) + steps(count - 1) * (steps(count - 1) + 1) / 2; }

  int timesteps, count, length;
};

// What some of the events make to be done.
struct GradientWork {
  int64_t events = 0;   // each reads its weights once
  int64_t covered = 0;  // (neuron, step) pairs within their ranges: each multiplies them
};

struct GradientEvents {
  explicit GradientEvents(ScratchSet& set) : words(set), starts(set), work(set) {}

  Scratch<uint32_t> words;     // events, floats as their bits
  Scratch<uint32_t> starts;    // of every column of every range, in words
  Scratch<GradientWork> work;  // per row
  StepBlocks blocks;
  bool pairs = false;
  int64_t capacity = 0;  // words per row
  int64_t cells = 0;     // ranges * columns; starts of a row has one entry more
  int columns = 0;
  int cs = 0;           // neurons of a column; the last may have fewer
  int64_t neurons = 0;  // of a row

  void reserve(int n, int timesteps, bool in_pairs, const StageShape& s) {
    blocks = StepBlocks(timesteps), pairs = in_pairs, neurons = int64_t(s.out_w) * s.out_cs;
    cs = s.linear ? std::min(s.out_cs, kLinearBlock) : s.out_cs, columns = int((neurons + cs - 1) / cs);
    cells = int64_t(blocks.ranges()) * columns;
    // A pair may lack its second event once per column and range.
    capacity = neurons * (blocks.count + timesteps) + (pairs ? cells * (2 + kMaxBlock) : 0);
    const int64_t rows = int64_t(n) * s.out_h;
    words.reserve(size_t(rows * capacity), Pages::kAsTouched);
    starts.reserve(size_t(rows * (cells + 1)));
    work.reserve(size_t(rows));
  }
  GradientWork total(int64_t rows) const {
    GradientWork sum;
    for (int64_t row = 0; row < rows; ++row)
      sum.events += work.data()[row].events, sum.covered += work.data()[row].covered;
    return sum;
  }
  uint32_t* row_words(int64_t row) const { return words.data() + row * capacity; }
  uint32_t* row_starts(int64_t row) const { return starts.data() + row * (cells + 1); }
};

}  // namespace onespike::cpu
