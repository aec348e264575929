// Images in native memory, and the batches drawn from them: selection, random crop and flip, prepared in the
// background for the next step while this one computes.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/status.h"

namespace onespike {

// Images of one shape. `labels` may be empty.
struct Dataset {
  int channels = 0, height = 0, width = 0;
  int64_t count = 0;
  std::vector<uint8_t> pixels;   // (count, C, H, W)
  std::vector<int32_t> labels;   // (count)
};

// A batch ready to compute: bytes (N, C, H, W) and labels (N) or null. Views; the owner outlives the call.
struct Batch {
  const uint8_t* pixels = nullptr;
  const int32_t* labels = nullptr;
  int64_t count = 0;
};

struct Augment {
  int padding = 0;      // zero padding of the random crop, in pixels; 0 = no crop
  bool flip = false;    // horizontal, with probability 1/2
  uint64_t seed = 0;
  uint64_t step = 0;    // together with the position in the batch: the whole random state
};

// Owned storage of a drawn batch.
struct BatchStorage {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  int64_t count = 0;
  Batch view() const;
};

// Draws rows `indices` of `data` into `out`, augmented. Deterministic in (augment.seed, augment.step, position).
// Errors: kArg if an index is out of range.
Status draw_batch(const Dataset& data, const std::vector<uint32_t>& indices, const Augment& augment, BatchStorage* out);

// One batch ahead: start() draws on its own thread, take() waits and hands over what matches the request, or draws now.
class Prefetcher {
 public:
  Prefetcher();
  ~Prefetcher();
  void start(std::shared_ptr<const Dataset> data, std::vector<uint32_t> indices, const Augment& augment);
  Status take(std::shared_ptr<const Dataset> data, const std::vector<uint32_t>& indices, const Augment& augment, BatchStorage* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace onespike
