// Drawing batches: selection, crop and flip as sets of allowed results, determinism, and the prefetcher.
#include <algorithm>
#include <memory>
#include <set>

#include "core/dataset.h"
#include "test/support/cases.h"
#include "test/allocation/failing_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

std::shared_ptr<Dataset> images(int channels, int height, int width, int count) {
  Random random(61);
  auto data = std::make_shared<Dataset>();
  data->channels = channels;
  data->height = height;
  data->width = width;
  data->count = count;
  data->pixels.resize(int64_t(channels) * height * width * count);
  for (uint8_t& p : data->pixels) p = uint8_t(random.between(1, 255));  // 0 is the padding alone
  for (int n = 0; n < count; ++n) data->labels.push_back(n % 7);
  return data;
}

// Image `index` moved by (dy, dx), zeros moving in, mirrored or not.
std::vector<uint8_t> moved(const Dataset& d, uint32_t index, int dy, int dx, bool mirror) {
  std::vector<uint8_t> out;
  for (int c = 0; c < d.channels; ++c)
    for (int y = 0; y < d.height; ++y)
      for (int x = 0; x < d.width; ++x) {
        const int sy = y + dy, sx = (mirror ? d.width - 1 - x : x) + dx;
        const bool inside = sy >= 0 && sy < d.height && sx >= 0 && sx < d.width;
        out.push_back(inside ? d.pixels[((int64_t(index) * d.channels + c) * d.height + sy) * d.width + sx] : 0);
      }
  return out;
}

std::vector<uint8_t> image_of(const BatchStorage& batch, const Dataset& d, size_t position) {
  const size_t size = size_t(d.channels) * d.height * d.width;
  const uint8_t* const first = batch.pixels.data() + position * size;
  return {first, first + size};
}

void selection() {
  const auto data = images(3, 4, 5, 9);
  const std::vector<uint32_t> indices = {8, 0, 3, 3};
  BatchStorage batch;
  expect_ok(draw_batch(*data, indices, {}, &batch), "draw");
  expect(batch.view().count == 4 && batch.labels == std::vector<int32_t>({1, 0, 3, 3}), "labels follow the indices");
  for (size_t i = 0; i < indices.size(); ++i)
    expect(image_of(batch, *data, i) == moved(*data, indices[i], 0, 0, false), "pixels follow the indices");
  expect(draw_batch(*data, {0, 9}, {}, &batch).code == Code::kArg, "an index out of range is refused");
  auto bare = std::make_shared<Dataset>(*data);
  bare->labels.clear();
  expect_ok(draw_batch(*bare, indices, {}, &batch), "draw without labels");
  expect(batch.view().labels == nullptr && batch.view().count == 4, "no labels, no pointer");
}

void augmentation(int padding, bool flip) {
  const auto data = images(2, 6, 5, 4);
  std::vector<uint32_t> indices(4000);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = uint32_t(i % 4);
  Augment augment;
  augment.padding = padding;
  augment.flip = flip;
  augment.seed = 5;
  BatchStorage batch;
  expect_ok(draw_batch(*data, indices, augment, &batch), "draw");
  const int side = 2 * padding + 1;
  std::vector<int> seen(2 * side * side, 0);
  for (size_t i = 0; i < indices.size(); ++i) {
    const std::vector<uint8_t> got = image_of(batch, *data, i);
    int matches = 0;
    for (int m = 0; m <= int(flip); ++m)
      for (int dy = -padding; dy <= padding; ++dy)
        for (int dx = -padding; dx <= padding; ++dx)
          if (got == moved(*data, indices[i], dy, dx, m)) {
            ++matches;
            ++seen[(m * side + dy + padding) * side + dx + padding];
          }
    expect(matches == 1, "image " + std::to_string(i) + " is a crop of its source");
  }
  const int kinds = side * side * (flip ? 2 : 1);
  for (int kind = 0; kind < kinds; ++kind)
    expect_near(seen[kind], 4000.0 / kinds, 0.5, 5,
                "crops of kind " + std::to_string(kind) + " of " + std::to_string(kinds));
}

void repeatable() {
  const auto data = images(1, 8, 8, 20);
  std::vector<uint32_t> indices(20);
  for (size_t i = 0; i < indices.size(); ++i) indices[i] = uint32_t(i);
  Augment augment{2, true, 9, 3};
  BatchStorage a, b, other_step, other_seed;
  expect_ok(draw_batch(*data, indices, augment, &a), "draw");
  expect_ok(draw_batch(*data, indices, augment, &b), "draw");
  augment.step = 4;
  expect_ok(draw_batch(*data, indices, augment, &other_step), "draw");
  augment = {2, true, 10, 3};
  expect_ok(draw_batch(*data, indices, augment, &other_seed), "draw");
  expect(a.pixels == b.pixels, "the same numbers give the same crops");
  expect(a.pixels != other_step.pixels && a.pixels != other_seed.pixels && other_step.pixels != other_seed.pixels,
         "step and seed both matter");
}

void prefetcher() {
  const auto data = images(3, 9, 9, 50), other = images(3, 9, 9, 60);
  Prefetcher ahead;
  Random random(62);
  for (int round = 0; round < 200; ++round) {
    std::vector<uint32_t> indices(random.between(1, 30));
    for (uint32_t& i : indices) i = uint32_t(random.between(0, 49));
    const Augment augment{2, true, 1, uint64_t(round)};
    std::vector<uint32_t> started = indices;
    Augment started_augment = augment;
    const int kind =
        random.between(0, 5);  // what was started is what is taken, or differs in one thing, or nothing was
    if (kind == 1) started.back() ^= 1;
    if (kind == 2) started_augment.step += 1;
    if (kind == 3) started_augment.flip = false;
    if (kind != 4) ahead.start({kind == 5 ? other : data, started, started_augment});
    if (kind == 2) ahead.start({data, started, started_augment});
    BatchStorage taken, drawn;
    expect_ok(ahead.take({data, indices, augment}, &taken), "take");
    expect_ok(draw_batch(*data, indices, augment, &drawn), "draw");
    expect(taken.pixels == drawn.pixels && taken.labels == drawn.labels,
           "round " + std::to_string(round) + " kind " + std::to_string(kind));
  }
  BatchStorage storage;
  ahead.start({data, {1000}, {}});
  expect(ahead.take({data, {1000}, {}}, &storage).code == Code::kArg, "an index out of range is refused when taken");
  expect_ok(ahead.take({data, {1}, {}}, &storage), "and the next is served");
  ahead.start({data, std::vector<uint32_t>(5000, 1), {2, true, 0, 0}});  // left behind: the destructor waits for it
}

// The images are freed with their handle, whether the batch that was drawn ahead is taken or not.
void images_are_not_kept() {
  Prefetcher ahead;
  const auto other = images(1, 2, 2, 4);
  BatchStorage storage;
  for (bool taken : {true, false}) {
    auto data = images(3, 9, 9, 50);
    const std::weak_ptr<const Dataset> held = data;
    const int64_t image = 3 * 9 * 9 + int64_t(sizeof(int32_t));
    ahead.start({data, {1, 2}, {}});
    expect(ahead.memory_bytes() >= 2 * image, "a batch that is drawn ahead is counted");
    if (taken) expect_ok(ahead.take({data, {1, 2}, {}}, &storage), "take");
    else
      expect_ok(ahead.take({other, {1, 2}, {}}, &storage), "another batch, which waits for the one that was started");
    data.reset();
    expect(held.expired(),
           std::string("nobody holds the images of a batch that was ") + (taken ? "" : "not ") + "taken");
  }
  // A data set at the same place is not the same data set.
  std::shared_ptr<const Dataset> data = images(3, 9, 9, 50);
  ahead.start({data, {1, 2}, {}});
  expect_ok(ahead.take({other, {1, 2}, {}}, &storage), "wait");
  data = images(3, 9, 9, 50);
  const_cast<Dataset&>(*data).pixels.assign(data->pixels.size(), 7);
  expect_ok(ahead.take({data, {1, 2}, {}}, &storage), "take");
  expect(storage.pixels == std::vector<uint8_t>(2 * 3 * 9 * 9, 7), "the images of the data set that was asked for");
}

// No memory for the batch that is drawn ahead is no failure: it is drawn when it is taken.
void no_memory_to_draw_ahead() {
  const Rows rows{images(3, 9, 9, 50), {1, 2, 3}, {2, true, 1, 0}};
  BatchStorage expected;
  expect_ok(draw_batch(*rows.data, rows.indices, rows.augment, &expected), "draw");
  for (Failing failing : {Failing::kOne, Failing::kAll})
    for (int64_t at = 0; at < 6; ++at) {
      Prefetcher ahead;
      BatchStorage storage;
      Status status;
      bool reached = false;
      {
        const FailingMemory memory(at, failing);
        ahead.start(rows);
        status = ahead.take(rows, &storage);
        reached = memory.reached();
      }
      if (reached && failing == Failing::kAll) expect(status.code == Code::kOom, "no memory when it is taken either");
      else expect_ok(status, "take without allocation " + std::to_string(at));
      if (!status.ok()) expect_ok(ahead.take(rows, &storage), "take once there is memory");
      expect(storage.pixels == expected.pixels && storage.labels == expected.labels, "the same batch");
    }
}

// Training is bit-identical whether a network draws rows in its own memory or gets batches that were drawn for it.
void rows_drawn_by_the_network() {
  Random random(63);
  const Case c = make_case(network_spec(3, 6, 5, 3, {conv(7), pool(2), linear(9), output(7)}), 1, random);
  const auto data = images(3, 6, 5, 40), other = images(3, 6, 5, 11);
  const auto a = make_network(c), b = make_network(c);
  for (int round = 0; round < 4; ++round) {
    Rows rows{round == 2 ? other : data, {}, {1, true, 5, uint64_t(round)}};
    for (int i = 0; i < 6; ++i) rows.indices.push_back(uint32_t(random.between(0, 10)));
    BatchStorage drawn;
    expect_ok(draw_batch(*rows.data, rows.indices, rows.augment, &drawn), "draw");
    StepStats x, y;
    expect_ok(a->train({nullptr, nullptr, 6, &rows}, Mode::kSnn, {}, no_stop(), &x), "train on rows");
    expect_ok(b->train(drawn.view(), Mode::kSnn, {}, no_stop(), &y), "train on a batch");
    expect(x.loss == y.loss && read_bits(*a, TensorKind::kParameter) == read_bits(*b, TensorKind::kParameter),
           "round " + std::to_string(round));
  }
  const Rows beyond{data, {40}, {}};
  StepStats stats;
  expect(a->train({nullptr, nullptr, 1, &beyond}, Mode::kSnn, {}, no_stop(), &stats).code == Code::kArg,
         "a row out of range is refused");
}

}  // namespace

void add_dataset_tests(Tests& tests) {
  tests.push_back({"batch follows its indices", selection});
  tests.push_back({"batch with flips", [] { augmentation(0, true); }});
  tests.push_back({"batch with crops", [] { augmentation(2, false); }});
  tests.push_back({"batch with crops and flips", [] { augmentation(1, true); }});
  tests.push_back({"batch depends on seed, step and position alone", repeatable});
  tests.push_back({"batch drawn by the network equals batch drawn for it", rows_drawn_by_the_network});
  tests.push_back({"batch drawn ahead equals batch drawn now", prefetcher});
  tests.push_back({"batch drawn ahead does not keep its data set", images_are_not_kept});
  tests.push_back({"batch drawn ahead without memory", no_memory_to_draw_ahead});
}

}  // namespace onespike::test
