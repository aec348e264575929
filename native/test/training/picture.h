// Small images of odd sizes, and one of them as numbers: what plain programs of augmentation compute with.
#pragma once

#include <memory>
#include <vector>

#include "core/dataset.h"
#include "test/support/cases.h"

namespace onespike::test {

constexpr int kHeight = 9, kWidth = 7, kImages = 12;

inline std::shared_ptr<Dataset> images(int channels, uint64_t seed = 66) {
  Random random(seed);
  auto data = std::make_shared<Dataset>();
  data->channels = channels, data->height = kHeight, data->width = kWidth, data->count = kImages;
  for (int i = 0; i < kImages * channels * kHeight * kWidth; ++i)
    data->pixels.push_back(uint8_t(random.between(i % 5 * 20, 90 + i % 7 * 25)));
  for (int n = 0; n < kImages; ++n) data->labels.push_back(n % 7);
  return data;
}

// An image as numbers: what the plain program computes with.
struct Picture {
  int channels = 0;
  std::vector<int> values;
  int& at(int c, int y, int x) { return values[size_t((c * kHeight + y) * kWidth + x)]; }
  int at(int c, int y, int x) const { return values[size_t((c * kHeight + y) * kWidth + x)]; }
};

inline Picture picture_of(const uint8_t* bytes, int channels) {
  return {channels, std::vector<int>(bytes, bytes + channels * kHeight * kWidth)};
}

template <class F>
Picture each_pixel(const Picture& from, const F& f) {
  Picture to = from;
  for (int c = 0; c < from.channels; ++c)
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) to.at(c, y, x) = f(c, y, x);
  return to;
}

}  // namespace onespike::test
