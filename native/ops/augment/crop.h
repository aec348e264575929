// Random crop and flip of an image: which pixel of the stored image lies at (y, x) of the drawn one.
#pragma once

#include <cstdint>

#include "ops/portable.h"

namespace onespike {

// A stored image, (channels, height, width).
struct ImageBytes {
  const uint8_t* bytes = nullptr;
  int channels = 0, height = 0, width = 0;

  ONESPIKE_HD uint8_t at(int channel, int y, int x) const { return bytes[(int64_t(channel) * height + y) * width + x]; }
};

// Where index i lies when `size` entries are mirrored at their ends over and over, without repeating the last one.
ONESPIKE_HD inline int mirrored(int i, int size) {
  if (size == 1) return 0;
  const int period = 2 * (size - 1);
  const int at = (i % period + period) % period;
  return at < size ? at : period - at;
}

struct Crop {
  int dy = 0, dx = 0;
  bool flip = false;
  bool reflect = false;

  // Row and column of the stored image, or outside it.
  ONESPIKE_HD int row(int y) const { return y + dy; }
  ONESPIKE_HD int column(int x, int width) const { return (flip ? width - 1 - x : x) + dx; }
  ONESPIKE_HD bool moves() const { return dy != 0 || dx != 0 || flip; }
};

// An image as it is cropped and flipped.
struct CroppedImage {
  ImageBytes image;
  Crop crop;

  ONESPIKE_HD uint8_t at(int channel, int y, int x) const {
    int row = crop.row(y), column = crop.column(x, image.width);
    const bool inside = row >= 0 && row < image.height && column >= 0 && column < image.width;
    if (!inside && !crop.reflect) return 0;
    if (!inside) row = mirrored(row, image.height), column = mirrored(column, image.width);
    return image.at(channel, row, column);
  }
  // Of three channels the luma of ITU-R 601 in 16 bits, of any other number their mean.
  ONESPIKE_HD int grey(int y, int x) const {
    if (image.channels == 3) return (19595 * at(0, y, x) + 38470 * at(1, y, x) + 7471 * at(2, y, x) + 0x8000) >> 16;
    int64_t sum = image.channels / 2;
    for (int c = 0; c < image.channels; ++c) sum += at(c, y, x);
    return int(sum / image.channels);
  }
};

}  // namespace onespike
