// Augmentation of training images, on bytes: which numbers are drawn for an image (on the host, ops/augment/draw.h),
// and what its pixels are then, as index arithmetic in integers, the same on every backend. In this order: crop and
// flip, one change of TrivialAugment, Cutout; then Mixup or CutMix with another image of the batch.
#pragma once

#include <cstdint>

#include "ops/augment/change.h"
#include "ops/portable.h"

namespace onespike {

struct Augment {
  int padding = 0;    // border of the random crop, in pixels; 0 = no crop
  bool flip = false;  // horizontal, with probability 1/2
  uint64_t seed = 0;
  uint64_t step = 0;            // together with the position in the batch: the whole random state
  bool reflect = false;         // the border mirrors the image; else it is zeros
  int cutout = 0;               // side of a square of zeros, in pixels; 0 = none
  bool trivial = false;         // TrivialAugment
  float mixup = 0, cutmix = 0;  // alpha of their Beta(alpha, alpha); 0 = none

  bool mixes() const { return mixup > 0 || cutmix > 0; }
  bool operator==(const Augment&) const = default;
};

// Rows [top, bottom) and columns [left, right) of an image.
struct Box {
  int top = 0, left = 0, bottom = 0, right = 0;

  ONESPIKE_HD bool holds(int y, int x) const { return y >= top && y < bottom && x >= left && x < right; }
};

// What another image of the batch contributes to an image and to its label.
struct Mix {
  uint32_t partner = 0;  // its position in the batch
  Box patch;             // CutMix: where its pixels take the place of the image's own
  int own = 256;         // Mixup: share of the image's own pixels elsewhere, in 256ths
  float share = 1;       // of the image's own label

  ONESPIKE_HD bool none() const { return own == 256 && patch.top == patch.bottom; }
  ONESPIKE_HD uint8_t of(uint8_t self, uint8_t other, int y, int x) const {
    return patch.holds(y, x) ? other : uint8_t((self * own + other * (256 - own) + 128) >> 8);
  }
};

// All that was drawn for one image of a batch.
struct DrawnImage {
  Crop crop;
  Change change;
  Box cut;  // Cutout
  Mix mix;
};

// A pixel of the image before it is mixed. `table` is that of its channel, for a change that has one.
ONESPIKE_HD inline uint8_t augmented_pixel(const ImageBytes& image, const DrawnImage& drawn, const uint8_t* table,
                                           int channel, int y, int x) {
  return drawn.cut.holds(y, x) ? uint8_t(0) : changed_pixel({image, drawn.crop}, drawn.change, table, channel, y, x);
}

}  // namespace onespike
