#include "cpu/simulation/events.h"

#include "cpu/simulation/nonzero.h"

namespace onespike::cpu {

void EventBlock::begin(const PackedStage& stage, bool valued) {
  stage_ = &stage, valued_ = valued;
  columns_ = uint32_t(stage.shape.in_w), channels_ = uint32_t(stage.shape.src_cs);
  ids_.clear(), values_.clear(), starts_.clear();
  const size_t places = size_t(stage.shape.src_size()) + kNonzeroSlack;
  if (found_.size() < places) found_.resize(places);
  if (valued && found_values_.size() < places) found_values_.resize(places);
}

void EventBlock::begin_step() {
  size_ = 0;
  cell_starts_.resize(size_t(stage_->shape.in_h) * columns_ + 1);
  cells_ = 0;
}

int64_t EventBlock::add_codes(uint32_t cell, const uint8_t* codes) {
  begin_cell(cell);
  uint32_t* const found = found_.data() + size_;
  const int count = nonzero(codes, int(channels_), column_id_, found);
  if (valued_)
    for (int i = 0; i < count; ++i) found_values_[size_ + size_t(i)] = code_size(codes[found[i] - column_id_]);
  size_ += size_t(count);
  return count;
}

int64_t EventBlock::end_step() {
  const StageShape& s = stage_->shape;
  const uint32_t cells = uint32_t(s.in_h) * columns_;
  while (cells_ <= cells) cell_starts_[cells_++] = uint32_t(size_);
  int64_t accumulates = 0;
  for (uint32_t i = 0; i < cells; ++i)
    accumulates += int64_t(cell_starts_[i + 1] - cell_starts_[i]) * stage_->fan_out[i];
  for (const Window& window : stage_->rows) {
    // What the row reads is known before it is written: no event needs a test of its own for room.
    const uint32_t first = cell_starts_[uint32_t(window.begin) * columns_];
    const size_t size = ids_.size() + cell_starts_[uint32_t(window.begin + window.count) * columns_] - first;
    if (ids_.capacity() < size) ids_.reserve(2 * size);
    uint32_t at = uint32_t(ids_.size());
    ids_.resize(size);
    for (uint32_t x = 0; x < columns_; ++x) {
      starts_.push_back(at);
      for (int i = 0; i < window.count; ++i) {
        const uint32_t cell = uint32_t(window.begin + i) * columns_ + x;
        const uint32_t from = cell_starts_[cell], to = cell_starts_[cell + 1];
        const uint32_t row = uint32_t((window.tap + i) * s.kernel_w) * channels_;
        for (uint32_t event = from; event < to; ++event) ids_[at++] = found_[event] + row;
        if (valued_) values_.insert(values_.end(), found_values_.begin() + from, found_values_.begin() + to);
      }
    }
    starts_.push_back(at);
  }
  return accumulates;
}

int64_t add_codes(EventBlock& events, const StageShape& s, const uint8_t* codes) {
  int64_t sent = 0;
  each_source_cell(s, [&](uint32_t cell, int64_t source) { sent += events.add_codes(cell, codes + source); });
  each_dropped_cell(s, [&](int64_t source) {
    for (int c = 0; c < s.src_c; ++c) sent += codes[source + c] != 0;
  });
  return sent;
}

}  // namespace onespike::cpu
