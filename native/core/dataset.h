// Images in native memory, and the batches drawn from them: selection, random crop and flip, prepared in the
// background for the next step while this one computes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/status.h"
#include "ops/augment.h"

namespace onespike {

// Images of one shape. `labels` may be empty.
struct Dataset {
  int channels = 0, height = 0, width = 0;
  int64_t count = 0;
  std::vector<uint8_t> pixels;  // (count, C, H, W)
  std::vector<int32_t> labels;  // (count)
};

// Rows of a data set and how they are augmented: a batch, before it is drawn.
struct Rows {
  std::shared_ptr<const Dataset> data;
  std::vector<uint32_t> indices;
  Augment augment;
};

// A batch ready to compute: bytes (N, C, H, W) and labels (N) or null, or `rows` in place of both. Views; the owner
// outlives the call.
struct Batch {
  const uint8_t* pixels = nullptr;
  const int32_t* labels = nullptr;
  int64_t count = 0;
  const Rows* rows = nullptr;
  bool labelled() const { return rows ? !rows->data->labels.empty() : labels != nullptr; }
};

// Owned storage of a drawn batch.
struct BatchStorage {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  int64_t count = 0;
  Batch view() const;
  int64_t bytes() const;
};

// Rows of images in memory, cropped and flipped: (count, C, H, W) bytes and labels or null.
struct DrawTask {
  static constexpr const char* kOperation = "draw_batch";
  const uint8_t* pixels = nullptr;
  const int32_t* labels = nullptr;
  int channels = 0, height = 0, width = 0;
  const uint32_t* indices = nullptr;  // (n)
  int64_t n = 0;
  Augment augment;
  uint8_t* to_pixels = nullptr;  // (n, C, H, W)
  int32_t* to_labels = nullptr;  // (n) or null
};
// The image at `position` of the batch, and its label.
void draw_image(const DrawTask& task, int64_t position);

// Errors: kArg if an index is out of range.
Status check_rows(const Dataset& data, const std::vector<uint32_t>& indices);

// Draws rows `indices` of `data` into `out`, augmented. Deterministic in (augment.seed, augment.step, position).
// Errors: kArg if an index is out of range, kOom.
Status draw_batch(const Dataset& data, const std::vector<uint32_t>& indices, const Augment& augment, BatchStorage* out);

// One batch ahead: start() draws on its own thread, take() waits and hands over what was started, or draws now if
// something else was, or if there was no memory or no thread for it. A data set is held while it is drawn from, no
// longer.
class Prefetcher {
 public:
  Prefetcher();
  ~Prefetcher();
  void start(const Rows& rows);
  // Errors: kArg if an index is out of range, kOom.
  Status take(const Rows& rows, BatchStorage* out);
  // Of the batch that was started and not taken yet.
  int64_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace onespike
