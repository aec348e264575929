// The random numbers of augmentation, drawn on the host: a function of (seed, step, position in the batch). Each use
// has a stream of its own, so that asking for one kind of augmentation leaves the numbers of the others alone.
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/augment.h"
#include "ops/rng.h"

namespace onespike {

inline Rng crop_rng(const Augment& augment) { return Rng::of(augment.seed, augment.step, Stream::kCrop); }
inline Rng change_rng(const Augment& augment) { return Rng::of(augment.seed, augment.step, Stream::kChange); }
inline Rng cutout_rng(const Augment& augment) { return Rng::of(augment.seed, augment.step, Stream::kCutout); }
inline Rng mix_rng(const Augment& augment, uint64_t position) {
  return Rng::of(augment.seed, augment.step, Stream::kMix, position);
}

inline Crop draw_crop(const Augment& augment, uint64_t position) {
  const Rng rng = crop_rng(augment);
  const uint32_t shifts = uint32_t(2 * augment.padding + 1);
  return {int(rng.below(3 * position, shifts)) - augment.padding,
          int(rng.below(3 * position + 1, shifts)) - augment.padding,
          augment.flip && rng.below(3 * position + 2, 2) == 1, augment.reflect};
}

// A change of kind and strength 0..30. Those that have a direction take `negative` for the other one.
inline Change make_change(ChangeKind kind, int strength, bool negative, int height, int width) {
  const int sign = negative ? -1 : 1, highest = kChangeStrengths - 1;
  const int share = (int(std::lround(0.99 * kFixedOne)) * strength + highest / 2) / highest;  // 0 to 0.99
  Change change;
  change.kind = kind;
  change.x[0] = change.y[1] = kFixedOne;
  switch (kind) {
    case ChangeKind::kIdentity:
    case ChangeKind::kAutoContrast:
    case ChangeKind::kEqualize: break;
    case ChangeKind::kShearX: change.x[1] = sign * share; break;
    case ChangeKind::kShearY: change.y[0] = sign * share; break;
    case ChangeKind::kTranslateX: change.x[2] = -int64_t(sign) * (32 * strength / highest) * 2 * kFixedOne; break;
    case ChangeKind::kTranslateY: change.y[2] = -int64_t(sign) * (32 * strength / highest) * 2 * kFixedOne; break;
    case ChangeKind::kRotate: {  // up to 135 degrees about the middle
      const double angle = sign * strength * 135.0 / highest * 3.141592653589793 / 180;
      const int64_t cosine = std::lround(std::cos(angle) * kFixedOne), sine = std::lround(std::sin(angle) * kFixedOne);
      change.x[0] = change.y[1] = cosine, change.x[1] = sine, change.y[0] = -sine;
      change.x[2] = int64_t(kFixedOne) * width - cosine * width - sine * height;
      change.y[2] = int64_t(kFixedOne) * height + sine * width - cosine * height;
      break;
    }
    case ChangeKind::kBrightness:
    case ChangeKind::kColor:
    case ChangeKind::kContrast:
    case ChangeKind::kSharpness: change.amount = kFixedOne + sign * share; break;
    case ChangeKind::kPosterize: change.amount = 8 - (strength + 2) / 5; break;
    case ChangeKind::kSolarize: change.amount = 510 - 17 * strength; break;
  }
  return change;
}

inline Change draw_change(const Augment& augment, uint64_t position, int height, int width) {
  if (!augment.trivial) return {};
  const Rng rng = change_rng(augment);
  const auto kind = ChangeKind(rng.below(3 * position, kChangeKinds));
  const int strength = int(rng.below(3 * position + 1, kChangeStrengths));
  return make_change(kind, strength, rng.below(3 * position + 2, 2) == 1, height, width);
}

// A box of so many rows and columns around (y, x), cut off at the borders of the image.
inline Box box_around(int y, int x, int rows, int columns, int height, int width) {
  const auto inside = [](int at, int size) { return at < 0 ? 0 : at > size ? size : at; };
  const int top = y - rows / 2, left = x - columns / 2;
  return {inside(top, height), inside(left, width), inside(top + rows, height), inside(left + columns, width)};
}

// A square around a pixel of the image.
inline Box draw_cutout(const Augment& augment, uint64_t position, int height, int width) {
  if (augment.cutout == 0) return {};
  const Rng rng = cutout_rng(augment);
  const int y = int(rng.below(2 * position, uint32_t(height))), x = int(rng.below(2 * position + 1, uint32_t(width)));
  return box_around(y, x, augment.cutout, augment.cutout, height, width);
}

// Numbers of one stream, one after the other.
struct Draws {
  Rng rng;
  uint64_t next = 0;

  uint32_t below(uint32_t n) { return rng.below(next++, n); }
  double uniform() { return (double(rng.bits(next++) >> 11) + 0.5) * 0x1p-53; }  // in (0, 1)
  double normal() {
    const double u = uniform(), v = uniform();
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
  // Gamma(alpha, 1) after Marsaglia and Tsang (2000).
  double gamma(double alpha) {
    const double boost = alpha < 1 ? std::pow(uniform(), 1 / alpha) : 1;
    const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
    for (;;) {
      const double x = normal(), v = (1 + c * x) * (1 + c * x) * (1 + c * x);
      if (v > 0 && std::log(uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v * boost;
    }
  }
  // Beta(alpha, alpha): of a tiny alpha both gammas are 0, and it is 0 or 1.
  double beta(double alpha) {
    const double a = gamma(alpha), b = gamma(alpha);
    return a + b > 0 ? a / (a + b) : double(below(2));
  }
};

// With whom, and how: Mixup or CutMix, each with probability 1/2 where both are asked for.
inline Mix draw_mix(const Augment& augment, uint64_t position, int64_t images, int height, int width) {
  if (!augment.mixes()) return {};
  Draws draws{mix_rng(augment, position)};
  Mix mix;
  mix.partner = draws.below(uint32_t(images));
  const bool cuts = augment.cutmix > 0 && (augment.mixup == 0 || draws.below(2) == 1);
  const double share = draws.beta(cuts ? augment.cutmix : augment.mixup);
  if (!cuts) {
    mix.own = int(std::lround(share * 256));
    mix.share = float(mix.own) / 256;
    return mix;
  }
  const double side = std::sqrt(1 - share);
  const int y = int(draws.below(uint32_t(height))), x = int(draws.below(uint32_t(width)));
  mix.patch = box_around(y, x, int(height * side), int(width * side), height, width);
  const Box& box = mix.patch;
  const double area = double(box.bottom - box.top) * (box.right - box.left);
  mix.share = float(1 - area / (double(height) * width));
  return mix;
}

// For the image at `position` of a batch of `images`.
inline DrawnImage draw_augmentation(const Augment& augment, uint64_t position, int64_t images, int height, int width) {
  return {draw_crop(augment, position), draw_change(augment, position, height, width),
          draw_cutout(augment, position, height, width), draw_mix(augment, position, images, height, width)};
}

}  // namespace onespike
