#include "core/dataset.h"

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

namespace onespike {

Batch BatchStorage::view() const { return {pixels.data(), labels.empty() ? nullptr : labels.data(), int64_t(count)}; }

namespace {

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
}

struct Prefetcher::State {
  struct Request {
    std::shared_ptr<const Dataset> data;
    std::vector<uint32_t> indices;
    Augment augment;

    bool same(const Request& o) const {
      return data == o.data && indices == o.indices && augment.padding == o.augment.padding &&
             augment.flip == o.augment.flip && augment.seed == o.augment.seed && augment.step == o.augment.step;
    }
  };

  std::mutex mutex;
  std::condition_variable changed;
  Request request;
  BatchStorage batch;
  Status status;
  bool wanted = false, ready = false, quit = false;
  std::thread thread;

  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      changed.wait(lock, [&] { return quit || wanted; });
      if (quit) return;
      const Request now = request;
      BatchStorage drawn;
      std::swap(drawn, batch);  // reuse the memory
      lock.unlock();
      Status result;
      try {
        result = draw_batch(*now.data, now.indices, now.augment, &drawn);
      } catch (const std::bad_alloc&) {
        result = Status::error(Code::kOom, "Not enough memory to prepare the next batch");
      }
      lock.lock();
      std::swap(drawn, batch);
      status = result;
      wanted = false;
      ready = true;
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

void Prefetcher::start(std::shared_ptr<const Dataset> data, std::vector<uint32_t> indices, const Augment& augment) {
  std::unique_lock<std::mutex> lock(state_->mutex);
  state_->changed.wait(lock, [&] { return !state_->wanted; });
  state_->request = {std::move(data), std::move(indices), augment};
  state_->wanted = true;
  state_->ready = false;
  if (!state_->thread.joinable()) {
    try {
      state_->thread = std::thread([state = state_.get()] { state->work(); });
    } catch (...) {
      state_->wanted = false;  // no thread to be had: take() draws by itself
    }
  }
  state_->changed.notify_all();
}

Status Prefetcher::take(std::shared_ptr<const Dataset> data, const std::vector<uint32_t>& indices,
                        const Augment& augment, BatchStorage* out) {
  {
    std::unique_lock<std::mutex> lock(state_->mutex);
    state_->changed.wait(lock, [&] { return !state_->wanted; });
    if (state_->ready && state_->status.ok() && state_->request.same({data, indices, augment})) {
      std::swap(*out, state_->batch);
      state_->ready = false;
      return Status::success();
    }
  }
  return draw_batch(*data, indices, augment, out);
}

}  // namespace onespike
