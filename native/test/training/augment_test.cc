// What is drawn for the images of a batch, its statistics, and what the network receives.
#include <algorithm>
#include <cmath>
#include <map>

#include "ops/augment/draw.h"
#include "test/support/runner.h"
#include "test/training/picture.h"

namespace onespike::test {
namespace {

BatchStorage drawn(const Dataset& data, const Augment& augment, int count = 2000) {
  std::vector<uint32_t> indices(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) indices[size_t(i)] = uint32_t(i % kImages);
  BatchStorage batch;
  expect_ok(draw_batch(data, indices, augment, &batch), "draw");
  return batch;
}

// As NumPy's pad with mode 'reflect': the border itself is not repeated.
void reflected_borders() {
  const int expected[] = {2, 3, 2, 1, 0, 1, 2, 3, 2, 1};
  for (int i = -4; i < 6; ++i) expect(mirrored(i, 4) == expected[i + 4], "index " + std::to_string(i) + " of 4");
  expect(mirrored(-3, 1) == 0 && mirrored(5, 2) == 1, "of 1 and of 2");
  const auto data = images(2);
  Augment augment;
  augment.padding = 11, augment.flip = true, augment.reflect = true, augment.seed = 3;
  const BatchStorage batch = drawn(*data, augment, 300);
  const int size = 2 * kHeight * kWidth;
  for (int i = 0; i < 300; ++i) {
    const Crop crop = draw_crop(augment, uint64_t(i));
    const Picture p = picture_of(data->pixels.data() + i % kImages * size, 2);
    const Picture expected = each_pixel(p, [&](int c, int y, int x) {
      return p.at(c, mirrored(y + crop.dy, kHeight), mirrored((crop.flip ? kWidth - 1 - x : x) + crop.dx, kWidth));
    });
    expect(expected.values == picture_of(batch.pixels.data() + i * size, 2).values, "image " + std::to_string(i));
  }
}

// A square of zeros, cut off at the border, around every pixel alike.
void cutout() {
  const auto data = images(3);
  for (uint8_t& byte : data->pixels) byte = std::max<uint8_t>(byte, 1);
  Augment augment;
  augment.cutout = 3, augment.seed = 4;
  const BatchStorage batch = drawn(*data, augment, 6300);
  std::vector<int> zeros(kHeight * kWidth);
  for (int i = 0; i < 6300; ++i) {
    const Picture p = picture_of(batch.pixels.data() + i * 3 * kHeight * kWidth, 3);
    int count = 0;
    for (int y = 0; y < kHeight; ++y)
      for (int x = 0; x < kWidth; ++x) {
        const bool cut = p.at(0, y, x) == 0;
        expect(cut == (p.at(1, y, x) == 0) && cut == (p.at(2, y, x) == 0), "all channels alike");
        zeros[size_t(y * kWidth + x)] += cut, count += cut;
      }
    expect(count == 9 || count == 6 || count == 4, "a square of 3, or what is inside: " + std::to_string(count));
  }
  expect_near(zeros[size_t(4 * kWidth + 3)], 900, 0, 100, "in the middle, 9 of 63 squares");
  expect_near(zeros[0], 400, 0, 70, "in the corner, 4 of 63");
}

void trivial_draws() {
  Augment augment;
  augment.trivial = true, augment.seed = 5;
  std::map<int, int> kinds;
  int brighter = 0, brightness = 0;
  for (uint64_t i = 0; i < 14000; ++i) {
    const Change change = draw_change(augment, i, kHeight, kWidth);
    ++kinds[int(change.kind)];
    if (change.kind != ChangeKind::kBrightness || change.amount == kFixedOne) continue;
    ++brightness, brighter += change.amount > kFixedOne;
  }
  for (int kind = 0; kind < kChangeKinds; ++kind)
    expect_near(kinds[kind], 1000, 0, 120, "kind " + std::to_string(kind));
  expect_near(brighter, 0.5 * brightness, 0, 60, "either direction");
}

// Beta(a, a) has mean 1/2 and variance 1/(4(2a + 1)).
void beta_draws() {
  for (double alpha : {0.2, 0.5, 1.0, 3.0}) {
    Draws draws{Rng::of(7, uint64_t(alpha * 10))};
    double sum = 0, square = 0;
    for (int i = 0; i < 20000; ++i) {
      const double share = draws.beta(alpha);
      expect(share >= 0 && share <= 1, "a share");
      sum += share, square += (share - 0.5) * (share - 0.5);
    }
    expect_near(sum / 20000, 0.5, 0, 0.015, "mean of alpha " + std::to_string(alpha));
    expect_near(square / 20000, 1 / (4 * (2 * alpha + 1)), 0.05, 0, "variance of alpha " + std::to_string(alpha));
  }
  Draws tiny{Rng::of(8)};
  const double share = tiny.beta(1e-30);
  expect(share == 0 || share == 1, "of a tiny alpha one of the two");
}

// Pixels and labels from two images by the same share. Both are cropped and flipped with numbers of their own.
void mixtures(float mixup, float cutmix) {
  const auto data = images(3);
  Augment augment;
  augment.padding = 1, augment.flip = true, augment.trivial = true, augment.cutout = 2, augment.seed = 6;
  const BatchStorage alone = drawn(*data, augment, 500);
  expect(alone.others.empty() && !alone.view().mixed(), "one label each");
  augment.mixup = mixup, augment.cutmix = cutmix;
  const BatchStorage batch = drawn(*data, augment, 500);
  expect(batch.view().mixed(), "two labels each");
  const int plane = kHeight * kWidth, size = 3 * plane;
  int cut = 0, blends = 0;
  for (int i = 0; i < 500; ++i) {
    const Mix mix = draw_mix(augment, uint64_t(i), 500, kHeight, kWidth);
    const int label = data->labels[size_t(i % kImages)], other = data->labels[mix.partner % kImages];
    const float share = mix.share;
    expect(batch.shares[size_t(i)] == std::max(share, 1 - share), "the larger share comes first");
    expect(batch.labels[size_t(i)] == (share >= 0.5f ? label : other) &&
               batch.others[size_t(i)] == (share >= 0.5f ? other : label),
           "labels follow their shares");
    int taken = 0;
    for (int at = 0; at < size; ++at) {
      const int a = alone.pixels[size_t(i * size + at)], b = alone.pixels[mix.partner * size_t(size) + size_t(at)],
                got = batch.pixels[size_t(i * size + at)];
      const int y = at % plane / kWidth, x = at % kWidth;
      if (mix.own == 256) {
        expect(got == (mix.patch.holds(y, x) ? b : a), "a patch of the partner");
        taken += at < plane && mix.patch.holds(y, x);
      } else {
        expect_near(got, share * float(a) + (1 - share) * float(b), 0, 0.5, "a blend of both");
      }
    }
    if (mix.own == 256)
      expect_near(share, 1 - double(taken) / plane, 0, 1e-6, "the share of the label is that of the pixels");
    (mix.own == 256 ? cut : blends) += 1;
  }
  if (cutmix == 0) expect(cut < 100, "Mixup alone");
  if (mixup == 0) expect(blends == 0, "CutMix alone");
  if (mixup > 0 && cutmix > 0) expect(cut > 180 && blends > 150, "both, about alike");
}

// What is asked for besides leaves the numbers of the rest alone, and position alone decides.
void separate_draws() {
  const auto data = images(1);
  Augment some{2, true, 9, 3}, all{2, true, 9, 3, true, 3, true, 0.5f, 1};
  for (uint64_t i = 0; i < 100; ++i) {
    const Crop a = draw_crop(some, i), b = draw_crop(all, i);
    expect(a.dy == b.dy && a.dx == b.dx && a.flip == b.flip, "crops");
  }
  const BatchStorage one = drawn(*data, all), two = drawn(*data, all);
  expect(one.pixels == two.pixels && one.labels == two.labels && one.others == two.others && one.shares == two.shares,
         "the same numbers give the same batch");
  all.step = 4;
  expect(one.pixels != drawn(*data, all).pixels && one.shares != drawn(*data, all).shares, "another step, others");
  // Drawn ahead.
  Prefetcher ahead;
  Rows rows{data, {1, 2, 3, 4, 5, 6, 7}, all};
  BatchStorage taken, now;
  for (float mixup : {0.5f, 0.0f}) {
    ahead.start(rows);
    rows.augment.mixup = mixup;
    expect_ok(ahead.take(rows, &taken), "take");
    expect_ok(draw_batch(*data, rows.indices, rows.augment, &now), "draw");
    expect(taken.pixels == now.pixels && taken.others == now.others && taken.shares == now.shares, "drawn ahead");
  }
}

// A network that draws rows in its own memory has the bits of one that gets the batch.
void drawn_by_the_network() {
  Random random(64);
  const auto data = images(3);
  const Case c = make_case(network_spec(3, kHeight, kWidth, 3, {conv(7), pool(2), linear(9), output(7)}), 1, random);
  const auto a = make_network(c), b = make_network(c);
  for (int round = 0; round < 12; ++round) {
    Rows rows{
        data, {}, {1, true, 5, uint64_t(round), round % 2 == 0, 3, round % 3 > 0, 0.8f, round % 4 > 1 ? 1.0f : 0}};
    for (int i = 0; i < 9; ++i) rows.indices.push_back(uint32_t(random.between(0, kImages - 1)));
    BatchStorage batch;
    expect_ok(draw_batch(*data, rows.indices, rows.augment, &batch), "draw");
    StepStats x, y;
    expect_ok(a->train({nullptr, nullptr, 9, &rows}, Mode::kSnn, {}, no_stop(), &x), "train on rows");
    expect_ok(b->train(batch.view(), Mode::kSnn, {}, no_stop(), &y), "train on a batch");
    expect(x.loss == y.loss && x.correct == y.correct &&
               read_bits(*a, TensorKind::kParameter) == read_bits(*b, TensorKind::kParameter),
           "round " + std::to_string(round));
  }
}

}  // namespace

void add_augment_tests(Tests& tests) {
  tests.push_back({"augment: reflected borders", reflected_borders});
  tests.push_back({"augment: Cutout", cutout});
  tests.push_back({"augment: TrivialAugment draws all changes alike", trivial_draws});
  tests.push_back({"augment: shares are Beta distributed", beta_draws});
  tests.push_back({"augment: Mixup", [] { mixtures(0.8f, 0); }});
  tests.push_back({"augment: CutMix", [] { mixtures(0, 1); }});
  tests.push_back({"augment: Mixup and CutMix", [] { mixtures(0.8f, 1); }});
  tests.push_back({"augment: draws are separate", separate_draws});
  tests.push_back({"augmented batch drawn by the network equals batch drawn for it", drawn_by_the_network});
}

}  // namespace onespike::test
