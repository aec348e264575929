// Every change of TrivialAugment against a plain program that reads like its definition.
#include <algorithm>
#include <cmath>
#include <map>

#include "ops/augment/draw.h"
#include "test/support/runner.h"
#include "test/training/picture.h"

namespace onespike::test {
namespace {

int grey(const Picture& p, int y, int x) {
  if (p.channels == 3)
    return int(std::floor(0.299 * p.at(0, y, x) + 0.587 * p.at(1, y, x) + 0.114 * p.at(2, y, x) + 0.5));
  double sum = 0;
  for (int c = 0; c < p.channels; ++c) sum += p.at(c, y, x);
  return int(std::floor(sum / p.channels + 0.5));
}

int blend(double from, double to, double factor) {
  return int(std::clamp(std::floor(from + factor * (to - from) + 0.5), 0.0, 255.0));
}

// The source of a pixel by real numbers, about the corner or the middle; outside the image there are zeros.
Picture moved(const Picture& p, double xx, double xy, double x0, double yx, double yy, double y0) {
  return each_pixel(p, [&](int c, int y, int x) {
    const double u = x + 0.5, v = y + 0.5;
    const int sx = int(std::floor(xx * u + xy * v + x0)), sy = int(std::floor(yx * u + yy * v + y0));
    return sx >= 0 && sx < kWidth && sy >= 0 && sy < kHeight ? p.at(c, sy, sx) : 0;
  });
}

Picture equalized(const Picture& p) {
  Picture to = p;
  for (int c = 0; c < p.channels; ++c) {
    std::map<int, int> counts;
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) ++counts[p.at(c, y, x)];
    const int step = (kHeight * kWidth - counts.rbegin()->second) / 255;
    for (int y = 0; step > 0 && y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) {
        int below = step / 2;
        for (const auto& [value, count] : counts) below += value < p.at(c, y, x) ? count : 0;
        to.at(c, y, x) = std::min(255, below / step);
      }
  }
  return to;
}

Picture changed(const Picture& p, ChangeKind kind, int strength, bool negative) {
  const double sign = negative ? -1 : 1, share = 0.99 * strength / 30, factor = 1 + sign * share;
  switch (kind) {
    case ChangeKind::kIdentity: return p;
    case ChangeKind::kShearX: return moved(p, 1, sign * share, 0, 0, 1, 0);
    case ChangeKind::kShearY: return moved(p, 1, 0, 0, sign * share, 1, 0);
    case ChangeKind::kTranslateX: return moved(p, 1, 0, -sign * std::floor(32.0 * strength / 30), 0, 1, 0);
    case ChangeKind::kTranslateY: return moved(p, 1, 0, 0, 0, 1, -sign * std::floor(32.0 * strength / 30));
    case ChangeKind::kRotate: {
      const double a = sign * 4.5 * strength * std::acos(-1.0) / 180, cx = kWidth / 2.0, cy = kHeight / 2.0;
      return moved(p, std::cos(a), std::sin(a), cx - std::cos(a) * cx - std::sin(a) * cy, -std::sin(a), std::cos(a),
                   cy + std::sin(a) * cx - std::cos(a) * cy);
    }
    case ChangeKind::kBrightness:
      return each_pixel(p, [&](int c, int y, int x) { return blend(0, p.at(c, y, x), factor); });
    case ChangeKind::kColor:
      return each_pixel(p, [&](int c, int y, int x) { return blend(grey(p, y, x), p.at(c, y, x), factor); });
    case ChangeKind::kContrast: {
      double sum = 0;
      for (int y = 0; y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x) sum += grey(p, y, x);
      const double mean = std::floor(sum / (kHeight * kWidth) + 0.5);
      return each_pixel(p, [&](int c, int y, int x) { return blend(mean, p.at(c, y, x), factor); });
    }
    case ChangeKind::kSharpness:
      return each_pixel(p, [&](int c, int y, int x) {
        if (y == 0 || x == 0 || y + 1 == kHeight || x + 1 == kWidth) return p.at(c, y, x);
        double sum = 4 * p.at(c, y, x);
        for (int i = 0; i < 9; ++i) sum += p.at(c, y + i / 3 - 1, x + i % 3 - 1);
        return blend(std::floor(sum / 13 + 0.5), p.at(c, y, x), factor);
      });
    case ChangeKind::kPosterize: {
      const int kept = 1 << int(std::lround(strength * 6 / 30.0));  // values that become one
      return each_pixel(p, [&](int c, int y, int x) { return p.at(c, y, x) / kept * kept; });
    }
    case ChangeKind::kSolarize:
      return each_pixel(p, [&](int c, int y, int x) {
        return p.at(c, y, x) >= 255 - 8.5 * strength ? 255 - p.at(c, y, x) : p.at(c, y, x);
      });
    case ChangeKind::kAutoContrast:
      return each_pixel(p, [&](int c, int y, int x) {
        const auto from = p.values.begin() + c * kHeight * kWidth, to = from + kHeight * kWidth;
        const int low = *std::min_element(from, to), high = *std::max_element(from, to);
        return high > low ? int(std::floor((p.at(c, y, x) - low) * 255.0 / (high - low))) : p.at(c, y, x);
      });
    case ChangeKind::kEqualize: break;
  }
  return equalized(p);
}

// The source of a moved pixel that lies between two, and a value in the middle of two bytes, may be either: factors are
// rounded to 16 bits. A factor of 0.825 has such a middle at every twentieth byte.
void expect_change(int channels, ChangeKind kind, int strength, bool negative) {
  const auto data = images(channels);
  Change change = make_change(kind, strength, negative, kHeight, kWidth);
  const std::string what = "change " + std::to_string(int(kind)) + " of strength " + std::to_string(strength);
  int different = 0, largest = 0;
  for (int n = 0; n < kImages; ++n) {
    const uint8_t* bytes = data->pixels.data() + n * channels * kHeight * kWidth;
    const Picture expected = changed(picture_of(bytes, channels), kind, strength, negative);
    const CroppedImage image{{bytes, channels, kHeight, kWidth}, {}};
    for (int c = 0; c < channels; ++c) {
      uint8_t table[256];
      if (change.has_table()) change_table(image, change, c, table);
      for (int y = 0; y < kHeight; ++y)
        for (int x = 0; x < kWidth; ++x) {
          const int off = std::abs(changed_pixel(image, change, table, c, y, x) - expected.at(c, y, x));
          different += off > 0;
          largest = std::max(largest, off);
        }
    }
  }
  const int pixels = kImages * channels * kHeight * kWidth;
  if (change.moves()) expect(different * 50 <= pixels, what + ": " + std::to_string(different) + " pixels differ");
  else expect(largest <= 1 && different * 10 <= pixels, what + ": off by " + std::to_string(largest));
}

void every_change() {
  for (int channels : {1, 3, 4})
    for (int kind = 0; kind < kChangeKinds; ++kind)
      for (int strength = 0; strength < kChangeStrengths; ++strength)
        for (bool negative : {false, true}) expect_change(channels, ChangeKind(kind), strength, negative);
}

// One value everywhere, and images with two: what stretches and spreads has nothing to do or all of it.
void flat_images() {
  uint8_t bytes[kHeight * kWidth], table[256];
  std::fill_n(bytes, kHeight * kWidth, uint8_t(77));
  const CroppedImage image{{bytes, 1, kHeight, kWidth}, {}};
  for (ChangeKind kind : {ChangeKind::kAutoContrast, ChangeKind::kEqualize}) {
    change_table(image, make_change(kind, 0, false, kHeight, kWidth), 0, table);
    expect(table[77] == 77, "a flat image stays");
  }
  bytes[0] = 78;
  change_table(image, make_change(ChangeKind::kAutoContrast, 0, false, kHeight, kWidth), 0, table);
  expect(table[77] == 0 && table[78] == 255, "two values become black and white");
}

}  // namespace

void add_change_tests(Tests& tests) {
  tests.push_back({"augment: every change equals its definition", every_change});
  tests.push_back({"augment: flat images", flat_images});
}

}  // namespace onespike::test
