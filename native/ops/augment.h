// Random crop and flip of a training image, as index arithmetic: which pixel of the stored image lies at (y, x) of the
// drawn one.
#pragma once

#include <cstdint>

#include "ops/portable.h"
#include "ops/rng.h"

namespace onespike {

struct Augment {
  int padding = 0;    // zero padding of the random crop, in pixels; 0 = no crop
  bool flip = false;  // horizontal, with probability 1/2
  uint64_t seed = 0;
  uint64_t step = 0;  // together with the position in the batch: the whole random state
};

// What was drawn for one image.
struct Crop {
  int dy = 0, dx = 0;
  bool flip = false;

  // Row and column of the stored image; outside it there are zeros.
  ONESPIKE_HD int row(int y) const { return y + dy; }
  ONESPIKE_HD int column(int x, int width) const { return (flip ? width - 1 - x : x) + dx; }
  ONESPIKE_HD bool moves() const { return dy != 0 || dx != 0 || flip; }
};

ONESPIKE_HD inline Rng augment_rng(const Augment& augment) {
  return Rng::of(augment.seed, augment.step, Stream::kCrop);
}

// Of the image at `position` of the batch.
ONESPIKE_HD inline Crop draw_crop(const Augment& augment, const Rng& rng, uint64_t position) {
  const uint32_t shifts = uint32_t(2 * augment.padding + 1);
  return {int(rng.below(3 * position, shifts)) - augment.padding,
          int(rng.below(3 * position + 1, shifts)) - augment.padding,
          augment.flip && rng.below(3 * position + 2, 2) == 1};
}

}  // namespace onespike
