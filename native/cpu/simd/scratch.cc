#include "cpu/simd/scratch.h"

#include <new>
#include <utility>

namespace onespike::cpu {

int64_t ScratchSet::bytes() const {
  int64_t sum = 0;
  for (const ScratchBlock* block = first_; block; block = block->next_) sum += int64_t(block->bytes_);
  return sum;
}

void ScratchSet::release() {
  for (ScratchBlock* block = first_; block; block = block->next_) block->release();
}

ScratchBlock::ScratchBlock(ScratchSet& set) : set_(&set) { join(); }

ScratchBlock::ScratchBlock(ScratchBlock&& other) noexcept
    : set_(other.set_), memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {
  join();
}

ScratchBlock::~ScratchBlock() {
  release();
  (before_ ? before_->next_ : set_->first_) = next_;
  if (next_) next_->before_ = before_;
}

void ScratchBlock::join() {
  next_ = set_->first_;
  if (next_) next_->before_ = this;
  set_->first_ = this;
}

void* ScratchBlock::reserve_bytes(size_t bytes, Pages pages) {
  if (bytes <= bytes_) return memory_;
  release();
  memory_ = allocate_aligned(bytes, false, pages);
  if (!memory_) throw std::bad_alloc();
  bytes_ = bytes;
  return memory_;
}

void ScratchBlock::release() {
  free_aligned(memory_);
  memory_ = nullptr, bytes_ = 0;
}

}  // namespace onespike::cpu
