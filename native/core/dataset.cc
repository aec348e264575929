#include "core/dataset.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/guard.h"

namespace onespike {

Batch BatchStorage::view() const { return {pixels.data(), labels.empty() ? nullptr : labels.data(), int64_t(count)}; }
int64_t BatchStorage::bytes() const { return int64_t(pixels.capacity() + labels.capacity() * sizeof(int32_t)); }

namespace {

int64_t batch_bytes(const Dataset& data, size_t images) {
  const int64_t label = data.labels.empty() ? 0 : int64_t(sizeof(int32_t));
  return int64_t(images) * (int64_t(data.channels) * data.height * data.width + label);
}

// One image cropped into `to`, zero where it ends.
void copy_image(uint8_t* to, const uint8_t* from, const DrawTask& task, const Crop& crop) {
  const int H = task.height, W = task.width;
  for (int c = 0; c < task.channels; ++c)
    for (int y = 0; y < H; ++y) {
      uint8_t* out = to + (int64_t(c) * H + y) * W;
      const int sy = crop.row(y);
      if (sy < 0 || sy >= H) {
        std::memset(out, 0, size_t(W));
        continue;
      }
      const uint8_t* in = from + (int64_t(c) * H + sy) * W;
      for (int x = 0; x < W; ++x) {
        const int sx = crop.column(x, W);
        out[x] = sx < 0 || sx >= W ? uint8_t(0) : in[sx];
      }
    }
}

}  // namespace

void draw_image(const DrawTask& task, int64_t i) {
  const int64_t size = int64_t(task.channels) * task.height * task.width;
  const uint8_t* from = task.pixels + int64_t(task.indices[i]) * size;
  const Crop crop = draw_crop(task.augment, augment_rng(task.augment), uint64_t(i));
  if (crop.moves()) copy_image(task.to_pixels + i * size, from, task, crop);
  else std::memcpy(task.to_pixels + i * size, from, size_t(size));
  if (task.to_labels) task.to_labels[i] = task.labels[task.indices[i]];
}

Status check_rows(const Dataset& data, const std::vector<uint32_t>& indices) {
  for (uint32_t index : indices)
    if (index >= uint64_t(data.count))
      return Status::error(Code::kArg, "Expected indices below " + std::to_string(data.count) + " but received " +
                                           std::to_string(index));
  return Status::success();
}

Status draw_batch(const Dataset& data, const std::vector<uint32_t>& indices, const Augment& augment,
                  BatchStorage* out) {
  return guarded([&] {
    if (Status status = check_rows(data, indices); !status.ok()) return status;
    const int64_t size = int64_t(data.channels) * data.height * data.width;
    out->count = int64_t(indices.size());
    out->pixels.resize(size_t(out->count * size));
    out->labels.resize(data.labels.empty() ? 0 : indices.size());
    const DrawTask task{data.pixels.data(), data.labels.data(),
                        data.channels,      data.height,
                        data.width,         indices.data(),
                        out->count,         augment,
                        out->pixels.data(), out->labels.empty() ? nullptr : out->labels.data()};
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
    const Augment &a = rows.augment, &b = other.augment;
    return data.lock() == other.data && rows.indices == other.indices && a.padding == b.padding && a.flip == b.flip &&
           a.seed == b.seed && a.step == b.step;
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return quit || wanted; });
      if (quit) return;
      // No other thread touches `rows` and `batch` while `wanted`.
      lock.unlock();
      // Of an error take() learns by drawing for itself.
      const bool drawn = draw_batch(*rows.data, rows.indices, rows.augment, &batch).ok();
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
    state.bytes = std::max(state.batch.bytes(), batch_bytes(*rows.data, rows.indices.size()));
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
  return draw_batch(*rows.data, rows.indices, rows.augment, out);
}

int64_t Prefetcher::memory_bytes() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->bytes;
}

}  // namespace onespike
