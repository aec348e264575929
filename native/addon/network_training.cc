// Exported functions that run on a network's own thread and answer a promise: gradients and training steps, perhaps
// with a teacher.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/batch_job.h"
#include "addon/inputs.h"
#include "addon/support/check.h"
#include "addon/support/communicators.h"
#include "addon/support/instance.h"
#include "addon/support/job.h"
#include "core/comm/communicator.h"

namespace onespike::addon {
namespace {

// The logits of a teacher beside each batch of its student.
class Lesson {
 public:
  Lesson(const LossInput& loss, int64_t classes)
      : teacher_(loss.teacher ? loss.teacher->network.get() : nullptr), mode_(loss.teacher_mode), classes_(classes) {}

  bool taught() const { return teacher_ != nullptr; }
  Status attend(Batch* batch, const std::atomic<bool>& stop) {
    if (!teacher_ || batch->count == 0) return Status::success();
    logits_.resize(size_t(batch->count * classes_));
    ForwardOutputs out;
    out.logits = logits_.data();
    StepStats stats;
    Batch pixels{batch->pixels, nullptr, batch->count};
    pixels.shards = batch->shards;  // what the teacher draws at random follows the positions of its images
    Status status = teacher_->forward(pixels, mode_, out, stop, &stats);
    batch->teacher = logits_.data();
    return status;
  }

 private:
  Network* teacher_;
  Mode mode_;
  int64_t classes_;
  std::vector<float> logits_;
};

class GradientsJob final : public BatchJob {
 public:
  GradientsJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, Mode mode, LossInput loss)
      : BatchJob(std::move(entry), std::move(input), loss.teacher), mode_(mode), loss_(std::move(loss)) {}

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    Lesson lesson(loss_, entry()->shape.classes);
    Batch taught = batch;
    if (Status status = lesson.attend(&taught, stop); !status.ok()) return status;
    return network.gradients(taught, mode_, stop, &stats_, loss_.options);
  }

  Mode mode_;
  LossInput loss_;
};

// Steps one after the other; rows that the host draws are drawn one batch ahead.
class TrainJob final : public Job {
 public:
  TrainJob(std::shared_ptr<NetworkEntry> entry, std::vector<BatchInput> inputs, std::vector<OptimizerOptions> updates,
           std::optional<BatchInput> next, Mode mode, LossInput loss, Ranks ranks)
      : Job(std::move(entry), loss.teacher),
        inputs_(std::move(inputs)),
        updates_(std::move(updates)),
        next_(std::move(next)),
        mode_(mode),
        loss_(std::move(loss)),
        ranks_(std::move(ranks)) {}

 private:
  Status run(const std::atomic<bool>& stop) override {
    const Stopwatch watch;
    Network& network = this->network();
    BatchStorage storage;
    Lesson lesson(loss_, entry()->shape.classes);
    StepGroup group;
    group.count = inputs_.size();
    for (const BatchInput& input : inputs_) group.largest = std::max(group.largest, input.count);
    group.batch = [&](size_t i, Batch* batch) {
      Status status = batch_of_step(network, i, lesson.taught(), &storage, batch);
      return status.ok() ? lesson.attend(batch, stop) : status;
    };
    group.updates = std::move(updates_);
    group.loss = loss_.options;
    group.ranks = ranks_.communicator.get();
    group.link = ranks_.link.get();
    Status status = network.train(group, mode_, stop, &stats_);
    seconds_ = watch.seconds();
    return status;
  }

  Status batch_of_step(const Network& network, size_t i, bool taught, BatchStorage* storage, Batch* batch) {
    Prefetcher& ahead = *entry()->prefetcher;
    const Rows& rows = inputs_[i].rows;
    Status status =
        batch_of(network, inputs_[i], taught, storage, [&](BatchStorage* to) { return ahead.take(rows, to); }, batch);
    const BatchInput* next = i + 1 < inputs_.size() ? &inputs_[i + 1] : next_ ? &*next_ : nullptr;
    if (next && next->has_rows() && !draws(network, *next, taught)) ahead.start(next->rows);
    return status;
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, stats_.size());
    for (size_t i = 0; i < stats_.size(); ++i)
      list[uint32_t(i)] = stats_object(env, stats_[i], inputs_[i].images(), seconds_ / double(stats_.size()));
    return list;
  }

  bool read_only() const override { return false; }

  std::vector<BatchInput> inputs_;
  std::vector<OptimizerOptions> updates_;
  std::optional<BatchInput> next_;
  Mode mode_;
  LossInput loss_;
  Ranks ranks_;
  std::vector<StepStats> stats_;
  double seconds_ = 0;
};

}  // namespace

// networkGradients(network: NetworkHandle, batch: NativeBatch, mode: NativeMode, loss: NativeLoss):
// Promise<NativeStats>
Napi::Value network_gradients(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkGradients");
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[2]);
  LossInput loss = read_loss(instance, info[3], *entry, "loss");
  return instance.submit(std::make_unique<GradientsJob>(
      entry, read_batch(instance, info[1], entry->shape, Labels::kRequired, "batch"), mode, std::move(loss)));
}

// networkTrain(network: NetworkHandle, steps: NativeStep[], next: NativeBatch | null, mode: NativeMode,
// loss: NativeLoss, communicator: CommunicatorHandle | null): Promise<NativeStats[]>
Napi::Value network_train(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 6, "networkTrain");
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[3]);
  LossInput loss = read_loss(instance, info[4], *entry, "loss");
  const Napi::Array steps = read_array(info[1], "steps", 1, uint32_t(limits::kSteps.max));
  const uint32_t count = steps.Length();
  std::vector<BatchInput> inputs;
  std::vector<OptimizerOptions> updates;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string name = "steps[" + std::to_string(i) + "]";
    const Napi::Object step = read_object(steps.Get(i), name);
    updates.push_back(read_optimizer(step.Get("optimizer"), name + ".optimizer"));
    inputs.push_back(read_batch(instance, step.Get("batch"), entry->shape, Labels::kRequired, name + ".batch"));
  }
  std::optional<BatchInput> next;
  if (!is_absent(info[2])) {
    next = read_batch(instance, info[2], entry->shape, Labels::kRequired, "next");
    if (!next->has_rows()) fail_expected("rows of a data set", "next", info[2]);
  }
  Ranks ranks = is_absent(info[5]) ? Ranks() : ranks_of(instance, info[5]);
  return instance.submit(std::make_unique<TrainJob>(entry, std::move(inputs), std::move(updates), std::move(next), mode,
                                                    std::move(loss), std::move(ranks)));
}

}  // namespace onespike::addon
