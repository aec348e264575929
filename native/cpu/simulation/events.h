// The events that a stage receives in a block of steps. One list per step and output row holds the events of all source
// rows that the row reads, sorted by column, so that what an output pixel meets at a step is one contiguous run; an
// event behind an average pool belongs to the pooled pixel.
//
//   id      (tap row * kernel_w + x) * src_cs + c: the weight row that a pixel adds whose window begins at column 0
//           with tap 0; every other pixel adds its own constant
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/simulation/packed.h"

namespace onespike::cpu {

// An event of the source map: `cell` counts pooled pixels row by row.
struct SourceEvent {
  uint32_t cell, channel;
  float value;
};

class EventBlock {
 public:
  // Empty, in front of `stage`. `valued`: events have values; else each counts 1.
  void begin(const PackedStage& stage, bool valued);

  // ---- the next step: its events in the order of their cells, at most as many as the source map has places
  void begin_step();
  void add(uint32_t cell, uint32_t channel, float value) {
    begin_cell(cell);
    if (valued_) found_values_[size_] = value;
    found_[size_++] = column_id_ + channel;
  }
  // Adds what a cell of a map of codes (src_cs) sends; see code_size. Returns how many events that is.
  int64_t add_codes(uint32_t cell, const uint8_t* codes);
  // Returns the accumulates that the events of the step cause.
  int64_t end_step();

  bool valued() const { return valued_; }
  const uint32_t* ids() const { return ids_.data(); }
  const float* values() const { return values_.data(); }
  // Of output row y at a step: the run of columns [x, x + count) is ids [starts[x], starts[x + count]).
  const uint32_t* starts(int step, int y) const {
    return starts_.data() + (size_t(step) * stage_->rows.size() + size_t(y)) * (columns_ + 1);
  }

 private:
  void begin_cell(uint32_t cell) {
    if (cell < cells_) return;
    while (cells_ <= cell) cell_starts_[cells_++] = uint32_t(size_);
    column_id_ = cell % columns_ * channels_;
  }

  const PackedStage* stage_ = nullptr;
  bool valued_ = false;
  uint32_t columns_ = 0, channels_ = 0, cells_ = 0, column_id_ = 0;
  std::vector<uint32_t> ids_, starts_;
  std::vector<float> values_;
  // Of the step at work, by source pixel; `size_` of the places for events are taken.
  std::vector<uint32_t> found_, cell_starts_;
  std::vector<float> found_values_;
  size_t size_ = 0;
};

// The value of a byte that a hidden neuron sends: 0 = nothing, else 2^(code - 1) times the amplitude of its step.
inline float code_size(uint8_t code) { return float(uint64_t{1} << (code - 1)); }

// Adds one step of a map of such bytes (src_h, src_w, src_cs). Returns how many were sent, those included that a pool
// drops.
int64_t add_codes(EventBlock& events, const StageShape& s, const uint8_t* codes);

// Calls visit(pooled cell, source cell) for every source cell that the stage reads, in the order of the pooled ones.
template <class Visit>
void each_source_cell(const StageShape& s, const Visit& visit) {
  for (int y = 0; y < s.in_h; ++y)
    for (int x = 0; x < s.in_w; ++x)
      for (int dy = 0; dy < s.pool; ++dy)
        for (int dx = 0; dx < s.pool; ++dx)
          visit(uint32_t(y * s.in_w + x), s.src_cell(y * s.pool + dy, x * s.pool + dx));
}

// Calls visit(source cell) for those that a pool drops, because they fill no window.
template <class Visit>
void each_dropped_cell(const StageShape& s, const Visit& visit) {
  const int rows = s.in_h * s.pool, columns = s.in_w * s.pool;
  for (int y = 0; y < s.src_h; ++y)
    for (int x = y < rows ? columns : 0; x < s.src_w; ++x) visit(s.src_cell(y, x));
}

}  // namespace onespike::cpu
