// TrivialAugment (Mueller and Hutter 2021): one of fourteen changes at one of 31 strengths, both drawn uniformly.
// Changes that move pixels take the nearest one and fill with zeros; all of them compute in integers.
#pragma once

#include <cstdint>

#include "ops/augment/crop.h"
#include "ops/portable.h"

namespace onespike {

enum class ChangeKind {
  kIdentity,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kBrightness,
  kColor,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutoContrast,
  kEqualize,
};
constexpr int kChangeKinds = 14;
constexpr int kChangeStrengths = 31;

constexpr int kFixedBits = 16;
constexpr int kFixedOne = 1 << kFixedBits;

struct Change {
  ChangeKind kind = ChangeKind::kIdentity;
  // A factor in units of 1/kFixedOne (brightness, colour, contrast, sharpness), the bits that stay (posterize), twice
  // the first byte that is inverted (solarize).
  int amount = 0;
  // Of a change that moves pixels: the source of (y, x) lies at (x[0]*(2x+1) + x[1]*(2y+1) + x[2]) / (2 * kFixedOne) in
  // pixels from the left border, and the same with `y` from the top.
  int64_t x[3] = {}, y[3] = {};

  ONESPIKE_HD bool moves() const { return kind >= ChangeKind::kShearX && kind <= ChangeKind::kRotate; }
  // What the change makes of a byte depends on the byte, the channel and the image alone.
  ONESPIKE_HD bool has_table() const {
    return kind == ChangeKind::kBrightness || kind == ChangeKind::kContrast || kind >= ChangeKind::kPosterize;
  }
};

// `from` for a factor of 0, `to` for 1, beyond it above 1.
ONESPIKE_HD inline uint8_t blended(int from, int to, int factor) {
  const int value = (from * (kFixedOne - factor) + to * factor + kFixedOne / 2) >> kFixedBits;
  return uint8_t(value < 0 ? 0 : value > 255 ? 255 : value);
}

// The mean of 3x3 pixels of which the middle one counts five times.
ONESPIKE_HD inline int smoothed(const CroppedImage& image, int channel, int y, int x) {
  int sum = 4 * image.at(channel, y, x);
  for (int dy = -1; dy <= 1; ++dy)
    for (int dx = -1; dx <= 1; ++dx) sum += image.at(channel, y + dy, x + dx);
  return (sum + 6) / 13;
}

// Of the grey image, rounded.
ONESPIKE_HD inline int mean_grey(const CroppedImage& image) {
  const int64_t count = int64_t(image.image.height) * image.image.width;
  int64_t sum = count / 2;
  for (int y = 0; y < image.image.height; ++y)
    for (int x = 0; x < image.image.width; ++x) sum += image.grey(y, x);
  return int(sum / count);
}

// The bytes of a channel stretched over all 256 values.
ONESPIKE_HD inline void stretch_table(const CroppedImage& image, int channel, uint8_t* table) {
  int low = 255, high = 0;
  for (int y = 0; y < image.image.height; ++y)
    for (int x = 0; x < image.image.width; ++x) {
      const int value = image.at(channel, y, x);
      low = value < low ? value : low, high = value > high ? value : high;
    }
  for (int value = 0; value < 256; ++value) {
    const int inside = value < low ? low : value > high ? high : value;
    table[value] = uint8_t(high > low ? (inside - low) * 255 / (high - low) : value);
  }
}

// The bytes of a channel spread so that each range of values has about as many pixels.
ONESPIKE_HD inline void equal_table(const CroppedImage& image, int channel, uint8_t* table) {
  int32_t counts[256] = {};
  for (int y = 0; y < image.image.height; ++y)
    for (int x = 0; x < image.image.width; ++x) ++counts[image.at(channel, y, x)];
  int last = 255;
  while (last > 0 && counts[last] == 0) --last;
  const int64_t step = (int64_t(image.image.height) * image.image.width - counts[last]) / 255;
  int64_t below = step / 2;
  for (int value = 0; value < 256; ++value) {
    const int64_t level = step > 0 ? below / step : value;
    table[value] = uint8_t(level > 255 ? 255 : level);
    below += counts[value];
  }
}

// What a change that has a table makes of every byte of a channel.
ONESPIKE_HD inline void change_table(const CroppedImage& image, const Change& change, int channel, uint8_t* table) {
  if (change.kind == ChangeKind::kAutoContrast) return stretch_table(image, channel, table);
  if (change.kind == ChangeKind::kEqualize) return equal_table(image, channel, table);
  const int middle = change.kind == ChangeKind::kContrast ? mean_grey(image) : 0;
  for (int value = 0; value < 256; ++value) {
    if (change.kind == ChangeKind::kPosterize) table[value] = uint8_t(value & (0xff << (8 - change.amount)));
    else if (change.kind == ChangeKind::kSolarize)
      table[value] = uint8_t(2 * value >= change.amount ? 255 - value : value);
    else table[value] = blended(middle, value, change.amount);
  }
}

// A pixel of the changed image.
ONESPIKE_HD inline uint8_t changed_pixel(const CroppedImage& image, const Change& change, const uint8_t* table,
                                         int channel, int y, int x) {
  const int height = image.image.height, width = image.image.width;
  if (change.moves()) {
    const int64_t u = 2 * int64_t(x) + 1, v = 2 * int64_t(y) + 1;
    const int64_t column = (change.x[0] * u + change.x[1] * v + change.x[2]) >> (kFixedBits + 1),
                  row = (change.y[0] * u + change.y[1] * v + change.y[2]) >> (kFixedBits + 1);
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    return inside ? image.at(channel, int(row), int(column)) : uint8_t(0);
  }
  const uint8_t value = image.at(channel, y, x);
  if (change.has_table()) return table[value];
  if (change.kind == ChangeKind::kColor) return blended(image.grey(y, x), value, change.amount);
  const bool inner = y > 0 && y + 1 < height && x > 0 && x + 1 < width;  // the border stays as it is
  if (change.kind == ChangeKind::kSharpness && inner)
    return blended(smoothed(image, channel, y, x), value, change.amount);
  return value;
}

}  // namespace onespike
