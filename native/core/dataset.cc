#include "core/dataset.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/guard.h"
#include "ops/augment/draw.h"

namespace onespike {

Batch BatchStorage::view() const {
  const bool mixed = !others.empty();
  return {pixels.data(), labels.empty() ? nullptr : labels.data(), count,
          nullptr,       mixed ? others.data() : nullptr,          mixed ? shares.data() : nullptr};
}
int64_t BatchStorage::bytes() const {
  const size_t numbers = labels.capacity() + others.capacity() + shares.capacity();
  return int64_t(pixels.capacity() + numbers * sizeof(int32_t));
}

namespace {

int64_t batch_bytes(const Dataset& data, const Rows& rows) {
  const int64_t labels = data.labels.empty() ? 0 : rows.augment.mixes() ? 3 : 1;
  const int64_t image = int64_t(data.channels) * data.height * data.width;
  return int64_t(rows.indices.size()) * (image + labels * int64_t(sizeof(int32_t)));
}

// One image cropped into `to`.
void copy_image(uint8_t* to, const ImageBytes& image, const Crop& crop) {
  const int H = image.height, W = image.width;
  for (int c = 0; c < image.channels; ++c)
    for (int y = 0; y < H; ++y, to += W) {
      int row = crop.row(y);
      if (!crop.reflect && (row < 0 || row >= H)) {
        std::memset(to, 0, size_t(W));
        continue;
      }
      row = mirrored(row, H);
      const uint8_t* in = image.bytes + (int64_t(c) * H + row) * W;
      for (int x = 0; x < W; ++x) {
        const int column = crop.column(x, W);
        const bool inside = column >= 0 && column < W;
        to[x] = inside ? in[column] : crop.reflect ? in[mirrored(column, W)] : uint8_t(0);
      }
    }
}

// The image before it is mixed: what own_pixel() says, row by row where that is simple.
void draw_own(const DrawTask& task, int64_t position, uint8_t* to) {
  const DrawnImage& drawn = task.drawn[position];
  const ImageBytes image = task.image(position);
  const bool in_place = drawn.change.kind == ChangeKind::kIdentity || drawn.change.has_table();
  if (!in_place) {
    for (int c = 0; c < task.channels; ++c)
      for (int y = 0; y < task.height; ++y)
        for (int x = 0; x < task.width; ++x) *to++ = task.own_pixel(position, c, y, x);
    return;
  }
  if (drawn.crop.moves()) copy_image(to, image, drawn.crop);
  else std::memcpy(to, image.bytes, size_t(task.size()));
  const int64_t plane = int64_t(task.height) * task.width;
  for (int c = 0; c < task.channels; ++c, to += plane) {
    const uint8_t* table = task.table(position, c);
    for (int64_t i = 0; drawn.change.has_table() && i < plane; ++i) to[i] = table[to[i]];
    for (int y = drawn.cut.top; y < drawn.cut.bottom; ++y)
      std::memset(to + int64_t(y) * task.width + drawn.cut.left, 0, size_t(drawn.cut.right - drawn.cut.left));
  }
}

}  // namespace

std::vector<DrawnImage> draw_augmentations(const Augment& augment, int64_t images, const BatchShards& shards,
                                           int height, int width) {
  std::vector<DrawnImage> drawn;
  drawn.reserve(size_t(images));
  for (const int64_t count : shards.none() ? std::vector<int64_t>{images} : shards.counts) {
    const auto begin = uint32_t(drawn.size());
    for (int64_t i = 0; i < count; ++i) {
      const auto position = uint64_t(shards.first) + drawn.size();
      drawn.push_back(draw_augmentation(augment, position, count, height, width));
      drawn.back().mix.partner += begin;
    }
  }
  return drawn;
}

void draw_image(const DrawTask& task, int64_t position) {
  uint8_t* to = task.to_pixels + position * task.size();
  draw_own(task, position, to);
  task.draw_labels(position);
  const Mix& mix = task.drawn[position].mix;
  if (mix.none()) return;
  for (int c = 0; c < task.channels; ++c)
    for (int y = 0; y < task.height; ++y)
      for (int x = 0; x < task.width; ++x, ++to)
        if (mix.own < 256 || mix.patch.holds(y, x)) *to = mix.of(*to, task.own_pixel(mix.partner, c, y, x), y, x);
}

Status check_rows(const Dataset& data, const std::vector<uint32_t>& indices) {
  for (uint32_t index : indices)
    if (index >= uint64_t(data.count))
      return Status::error(Code::kArg, "Expected indices below " + std::to_string(data.count) + " but received " +
                                           std::to_string(index));
  return Status::success();
}

Status draw_batch(const Dataset& data, const std::vector<uint32_t>& indices, const Augment& augment, BatchStorage* out,
                  const BatchShards& shards) {
  return guarded([&] {
    if (Status status = check_rows(data, indices); !status.ok()) return status;
    if (!shards.none())
      if (Status status = shards.check(int64_t(indices.size())); !status.ok()) return status;
    const int64_t size = int64_t(data.channels) * data.height * data.width;
    const bool labelled = !data.labels.empty(), mixed = labelled && augment.mixes();
    out->count = int64_t(indices.size());
    out->pixels.resize(size_t(out->count * size));
    out->labels.resize(labelled ? indices.size() : 0);
    out->others.resize(mixed ? indices.size() : 0);
    out->shares.resize(mixed ? indices.size() : 0);
    const std::vector<DrawnImage> drawn = draw_augmentations(augment, out->count, shards, data.height, data.width);
    std::vector<uint8_t> tables(augment.trivial ? size_t(out->count) * size_t(data.channels) * 256 : 0);
    const DrawTask task{.pixels = data.pixels.data(),
                        .labels = data.labels.data(),
                        .channels = data.channels,
                        .height = data.height,
                        .width = data.width,
                        .indices = indices.data(),
                        .n = out->count,
                        .drawn = drawn.data(),
                        .tables = tables.empty() ? nullptr : tables.data(),
                        .to_pixels = out->pixels.data(),
                        .to_labels = labelled ? out->labels.data() : nullptr,
                        .to_others = mixed ? out->others.data() : nullptr,
                        .to_shares = mixed ? out->shares.data() : nullptr};
    for (int64_t i = 0; i < out->count; ++i)
      for (int c = 0; c < data.channels; ++c) task.draw_table(i, c);
    for (int64_t i = 0; i < out->count; ++i) draw_image(task, i);
    return Status::success();
  });
}

struct Prefetcher::State {
  std::mutex mutex;
  std::condition_variable changed;
  Rows rows;                          // what was started; without its data set from when it was drawn
  std::weak_ptr<const Dataset> data;  // which data set that was
  BatchStorage batch;
  int64_t bytes = 0;  // of `batch`, or that it is about to have
  bool wanted = false, ready = false, quit = false;
  std::thread thread;

  bool matches(const Rows& other) const {
    return data.lock() == other.data && rows.indices == other.indices && rows.augment == other.augment &&
           rows.shards == other.shards;
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return quit || wanted; });
      if (quit) return;
      // No other thread touches `rows` and `batch` while `wanted`.
      lock.unlock();
      // Of an error take() learns by drawing for itself.
      const bool drawn = draw_batch(rows, &batch).ok();
      rows.data.reset();
      lock.lock();
      wanted = false, ready = drawn;
      bytes = batch.bytes();
      changed.notify_all();
    }
  }
};

Prefetcher::Prefetcher() : state_(std::make_unique<State>()) {}

Prefetcher::~Prefetcher() {
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->quit = true;
  }
  state_->changed.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

void Prefetcher::start(const Rows& rows) {
  State& state = *state_;
  std::unique_lock<std::mutex> lock(state.mutex);
  state.changed.wait(lock, [&] { return !state.wanted; });
  state.ready = false;
  try {
    state.rows = rows;
    state.data = rows.data;
    state.bytes = std::max(state.batch.bytes(), batch_bytes(*rows.data, rows));
    if (!state.thread.joinable()) state.thread = std::thread([this] { state_->work(); });
    state.wanted = true;
  } catch (...) {
    state.rows.data.reset();  // no memory or no thread: take() draws by itself
  }
  state.changed.notify_all();
}

Status Prefetcher::take(const Rows& rows, BatchStorage* out) {
  {
    State& state = *state_;
    std::unique_lock<std::mutex> lock(state.mutex);
    state.changed.wait(lock, [&] { return !state.wanted; });
    if (state.ready && state.matches(rows)) {
      std::swap(*out, state.batch);  // and what the caller had is drawn into next
      state.ready = false, state.bytes = state.batch.bytes();
      return Status::success();
    }
  }
  return draw_batch(rows, out);
}

int64_t Prefetcher::memory_bytes() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->bytes;
}

}  // namespace onespike
