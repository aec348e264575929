// Images in native memory, and the batches drawn from them: selection and augmentation, prepared in the background for
// the next step while this one computes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/shards.h"
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
  BatchShards shards = {};
};

// A batch ready to compute: bytes (N, C, H, W) and labels (N) or null, or `rows` in place of both. Of mixed images
// `labels` have `shares`, at least 1/2, and `others` the rest. Views; the owner outlives the call.
struct Batch {
  const uint8_t* pixels = nullptr;
  const int32_t* labels = nullptr;
  int64_t count = 0;
  const Rows* rows = nullptr;
  const int32_t* others = nullptr;  // (N) or null
  const float* shares = nullptr;
  const float* teacher = nullptr;       // (N, K) logits of a teacher, or null
  const BatchShards* shards = nullptr;  // that the images are, or null
  bool labelled() const { return rows ? !rows->data->labels.empty() : labels != nullptr; }
  bool mixed() const { return rows ? labelled() && rows->augment.mixes() : others != nullptr; }
};

// Owned storage of a drawn batch.
struct BatchStorage {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  int64_t count = 0;
  std::vector<int32_t> others;  // (count) of mixed images, else empty
  std::vector<float> shares;
  Batch view() const;
  int64_t bytes() const;
};

// Rows of images in memory, augmented: (n, C, H, W) bytes and labels or null.
struct DrawTask {
  static constexpr const char* kOperation = "draw_batch";
  const uint8_t* pixels = nullptr;
  const int32_t* labels = nullptr;
  int channels = 0, height = 0, width = 0;
  const uint32_t* indices = nullptr;  // (n)
  int64_t n = 0;
  const DrawnImage* drawn = nullptr;  // (n)
  uint8_t* tables = nullptr;          // (n, C, 256): scratch of changes that have a table; null if there can be none
  uint8_t* to_pixels = nullptr;       // (n, C, H, W)
  int32_t* to_labels = nullptr;       // (n) or null
  int32_t* to_others = nullptr;       // (n), of mixed images, else null
  float* to_shares = nullptr;

  // ---- for code that can read its memory
  ONESPIKE_HD int64_t size() const { return int64_t(channels) * height * width; }
  ONESPIKE_HD ImageBytes image(int64_t position) const {
    return {pixels + int64_t(indices[position]) * size(), channels, height, width};
  }
  ONESPIKE_HD uint8_t* table(int64_t position, int channel) const {
    return tables ? tables + (position * channels + channel) * 256 : nullptr;
  }
  // The table of one channel of an image, where its change has one: of every image before any pixel is drawn.
  ONESPIKE_HD void draw_table(int64_t position, int channel) const {
    const DrawnImage& d = drawn[position];
    if (d.change.has_table()) change_table({image(position), d.crop}, d.change, channel, table(position, channel));
  }
  // A pixel before the image is mixed.
  ONESPIKE_HD uint8_t own_pixel(int64_t position, int channel, int y, int x) const {
    return augmented_pixel(image(position), drawn[position], table(position, channel), channel, y, x);
  }
  ONESPIKE_HD void draw_labels(int64_t position) const {
    if (!to_labels) return;
    const int32_t own = labels[indices[position]];
    to_labels[position] = own;
    if (!to_others) return;
    const Mix& mix = drawn[position].mix;
    const int32_t other = labels[indices[mix.partner]];
    const bool first = mix.share >= 0.5f;
    to_labels[position] = first ? own : other, to_others[position] = first ? other : own;
    to_shares[position] = first ? mix.share : 1 - mix.share;
  }
};
// What is drawn for the images of a batch: by their positions in the whole batch, and mixed within a shard.
std::vector<DrawnImage> draw_augmentations(const Augment& augment, int64_t images, const BatchShards& shards,
                                           int height, int width);
// The image at `position` of the batch, and its label.
void draw_image(const DrawTask& task, int64_t position);

// Errors: kArg if an index is out of range.
Status check_rows(const Dataset& data, const std::vector<uint32_t>& indices);

// Draws rows `indices` of `data` into `out`, augmented. Deterministic in (augment.seed, augment.step, position).
// Errors: kArg if an index is out of range, kOom.
Status draw_batch(const Dataset& data, const std::vector<uint32_t>& indices, const Augment& augment, BatchStorage* out,
                  const BatchShards& shards = {});
inline Status draw_batch(const Rows& rows, BatchStorage* out) {
  return draw_batch(*rows.data, rows.indices, rows.augment, out, rows.shards);
}

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
