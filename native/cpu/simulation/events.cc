#include "cpu/simulation/events.h"

#include <bit>
#include <cstring>

namespace onespike::cpu {

void EventBlock::begin(const PackedStage& stage, bool valued) {
  stage_ = &stage, valued_ = valued;
  columns_ = uint32_t(stage.shape.in_w), channels_ = uint32_t(stage.shape.src_cs);
  ids_.clear(), values_.clear(), starts_.clear();
}

void EventBlock::begin_step() {
  found_.clear(), found_values_.clear();
  cell_starts_.resize(size_t(stage_->shape.in_h) * columns_ + 1);
  cells_ = 0;
}

int64_t EventBlock::end_step() {
  const StageShape& s = stage_->shape;
  const uint32_t cells = uint32_t(s.in_h) * columns_;
  while (cells_ <= cells) cell_starts_[cells_++] = uint32_t(found_.size());
  int64_t accumulates = 0;
  for (uint32_t i = 0; i < cells; ++i)
    accumulates += int64_t(cell_starts_[i + 1] - cell_starts_[i]) * stage_->fan_out[i];
  for (const Window& window : stage_->rows) {
    for (uint32_t x = 0; x < columns_; ++x) {
      starts_.push_back(uint32_t(ids_.size()));
      for (int i = 0; i < window.count; ++i) {
        const uint32_t cell = uint32_t(window.begin + i) * columns_ + x;
        const uint32_t from = cell_starts_[cell], to = cell_starts_[cell + 1];
        const uint32_t row = uint32_t((window.tap + i) * s.kernel_w) * channels_;
        for (uint32_t event = from; event < to; ++event) ids_.push_back(found_[event] + row);
        if (valued_) values_.insert(values_.end(), found_values_.begin() + from, found_values_.begin() + to);
      }
    }
    starts_.push_back(uint32_t(ids_.size()));
  }
  return accumulates;
}

int64_t add_codes(EventBlock& events, const StageShape& s, const uint8_t* codes) {
  int64_t sent = 0;
  each_source_cell(s, [&](uint32_t cell, int64_t source) {
    for (int c = 0; c < s.src_cs; c += 8) {
      uint64_t word;
      std::memcpy(&word, codes + source + c, sizeof word);
      for (; word; ++sent) {
        const int bits = std::countr_zero(word) / 8 * 8;
        events.add(cell, uint32_t(c + bits / 8), code_size(uint8_t(word >> bits)));
        word &= ~(uint64_t{0xff} << bits);
      }
    }
  });
  each_dropped_cell(s, [&](int64_t source) {
    for (int c = 0; c < s.src_c; ++c) sent += codes[source + c] != 0;
  });
  return sent;
}

}  // namespace onespike::cpu
