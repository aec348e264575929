// What the jobs on a network have in common: the time they take, their batches and their statistics.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include "addon/inputs.h"
#include "addon/support/job.h"
#include "core/network.h"

namespace onespike::addon {

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// Whether a network gets rows as they are; a teacher needs the pixels as well.
inline bool draws(const Network& network, const BatchInput& input, bool taught) {
  return !taught && network.draws(*input.rows.data);
}

// The batch for a network: the arrays that came, or rows that it draws itself, or what `draw` makes of them in
// `storage`.
template <class Draw>
Status batch_of(const Network& network, const BatchInput& input, bool taught, BatchStorage* storage, const Draw& draw,
                Batch* batch) {
  *batch = {input.pixels.data(), input.labels.empty() ? nullptr : input.labels.data(), input.count};
  if (!input.has_rows()) return Status::success();
  const bool drawn = draws(network, input, taught);
  if (!drawn)
    if (Status status = draw(storage); !status.ok()) return status;
  *batch = drawn ? Batch{nullptr, nullptr, input.count, &input.rows} : storage->view();
  if (!input.rows.shards.none()) batch->shards = &input.rows.shards;
  return Status::success();
}

Napi::Object stats_object(Napi::Env env, const StepStats& stats, int64_t count, double seconds);

// What the jobs of one batch have in common: the batch, and statistics with the time it took.
class BatchJob : public Job {
 public:
  BatchJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, std::shared_ptr<NetworkEntry> helper = nullptr)
      : Job(std::move(entry), std::move(helper)), input_(std::move(input)) {}

 protected:
  virtual Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) = 0;

  Status run(const std::atomic<bool>& stop) final {
    const Stopwatch watch;
    Network& network = this->network();
    const Rows& rows = input_.rows;
    BatchStorage storage;
    Batch batch;
    Status status = batch_of(
        network, input_, helper() != nullptr, &storage, [&rows](BatchStorage* to) { return draw_batch(rows, to); },
        &batch);
    if (status.ok()) status = step(network, batch, stop);
    seconds_ = watch.seconds();
    return status;
  }

  Napi::Value result(Napi::Env env) override { return stats_object(env, stats_, input_.images(), seconds_); }

  BatchInput input_;
  StepStats stats_;
  double seconds_ = 0;
};

}  // namespace onespike::addon
