// Exported functions that run on a network's own thread and answer a promise: forward, gradients, train, calibrate.
#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/support/check.h"
#include "addon/inputs.h"
#include "addon/support/instance.h"
#include "addon/support/job.h"
#include "addon/support/output.h"

namespace onespike::addon {
namespace {

// Steps in one call: more than any backend gains from, few enough to hold.
constexpr uint32_t kMaxSteps = 1024;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The batch for a network: the arrays that came, or rows that it draws itself, or what `draw` makes of them in
// `storage`.
template <class Draw>
Status batch_of(const Network& network, const BatchInput& input, BatchStorage* storage, const Draw& draw,
                Batch* batch) {
  *batch = {input.pixels.data(), input.labels.empty() ? nullptr : input.labels.data(), input.count};
  if (!input.has_rows()) return Status::success();
  if (network.draws(*input.rows.data)) {
    *batch = {nullptr, nullptr, input.count, &input.rows};
    return Status::success();
  }
  Status status = draw(storage);
  if (status.ok()) *batch = storage->view();
  return status;
}

Napi::Object stats_object(Napi::Env env, const StepStats& stats, int64_t count, double seconds) {
  Napi::Float64Array spikes = Napi::Float64Array::New(env, stats.spikes.size());
  for (size_t i = 0; i < stats.spikes.size(); i++) spikes[i] = stats.spikes[i];
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", stats.loss);
  object.Set("correct", static_cast<double>(stats.correct));
  object.Set("count", static_cast<double>(count));
  object.Set("spikes", spikes);
  object.Set("gradientNorm", stats.gradient_norm);
  object.Set("badLayer", stats.bad_layer);
  object.Set("seconds", seconds);
  return object;
}

// What the jobs of one batch have in common: the batch, and statistics with the time it took.
class BatchJob : public Job {
 public:
  BatchJob(std::shared_ptr<NetworkEntry> entry, BatchInput input) : Job(std::move(entry)), input_(std::move(input)) {}

 protected:
  virtual Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) = 0;

  Status run(const std::atomic<bool>& stop) final {
    const Stopwatch watch;
    Network& network = this->network();
    const Rows& rows = input_.rows;
    BatchStorage storage;
    Batch batch;
    Status status = batch_of(
        network, input_, &storage,
        [&rows](BatchStorage* to) { return draw_batch(*rows.data, rows.indices, rows.augment, to); }, &batch);
    if (status.ok()) status = step(network, batch, stop);
    seconds_ = watch.seconds();
    return status;
  }

  Napi::Value result(Napi::Env env) override { return stats_object(env, stats_, input_.count, seconds_); }

  BatchInput input_;
  StepStats stats_;
  double seconds_ = 0;
};

class ForwardJob final : public BatchJob {
 public:
  ForwardJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, Mode mode)
      : BatchJob(std::move(entry), std::move(input)), mode_(mode) {}

  bool averaged = false;
  Output<float> logits, potentials;
  Output<uint8_t> decision_steps;
  std::vector<Output<uint8_t>> spike_times;

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    ForwardOutputs out;
    out.averaged = averaged;
    out.logits = logits.allocate();
    out.potentials = potentials.allocate();
    out.decision_steps = decision_steps.allocate();
    for (Output<uint8_t>& layer : spike_times) out.spike_times.push_back(layer.allocate());
    return network.forward(batch, mode_, out, stop, &stats_);
  }

  Napi::Value result(Napi::Env env) override {
    logits.deliver();
    potentials.deliver();
    decision_steps.deliver();
    for (const Output<uint8_t>& layer : spike_times) layer.deliver();
    return BatchJob::result(env);
  }

  Mode mode_;
};

class GradientsJob final : public BatchJob {
 public:
  GradientsJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, Mode mode, const LossOptions& loss)
      : BatchJob(std::move(entry), std::move(input)), mode_(mode), loss_(loss) {}

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    return network.gradients(batch, mode_, stop, &stats_, loss_);
  }

  Mode mode_;
  LossOptions loss_;
};

// Steps one after the other; rows that the host draws are drawn one batch ahead.
class TrainJob final : public Job {
 public:
  TrainJob(std::shared_ptr<NetworkEntry> entry, std::vector<BatchInput> inputs, std::vector<OptimizerOptions> updates,
           std::optional<BatchInput> next, Mode mode, const LossOptions& loss)
      : Job(std::move(entry)),
        inputs_(std::move(inputs)),
        updates_(std::move(updates)),
        next_(std::move(next)),
        mode_(mode),
        loss_(loss) {}

 private:
  Status run(const std::atomic<bool>& stop) override {
    const Stopwatch watch;
    Network& network = this->network();
    BatchStorage storage;
    StepGroup group;
    group.count = inputs_.size();
    for (const BatchInput& input : inputs_) group.largest = std::max(group.largest, input.count);
    group.batch = [&](size_t i, Batch* batch) { return batch_of_step(network, i, &storage, batch); };
    group.updates = std::move(updates_);
    group.loss = loss_;
    Status status = network.train(group, mode_, stop, &stats_);
    seconds_ = watch.seconds();
    return status;
  }

  Status batch_of_step(const Network& network, size_t i, BatchStorage* storage, Batch* batch) {
    Prefetcher& ahead = *entry()->prefetcher;
    const Rows& rows = inputs_[i].rows;
    Status status =
        batch_of(network, inputs_[i], storage, [&](BatchStorage* to) { return ahead.take(rows, to); }, batch);
    const BatchInput* next = i + 1 < inputs_.size() ? &inputs_[i + 1] : next_ ? &*next_ : nullptr;
    if (next && next->has_rows() && !network.draws(*next->rows.data)) ahead.start(next->rows);
    return status;
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, stats_.size());
    for (size_t i = 0; i < stats_.size(); i++)
      list[static_cast<uint32_t>(i)] =
          stats_object(env, stats_[i], inputs_[i].count, seconds_ / static_cast<double>(stats_.size()));
    return list;
  }

  bool read_only() const override { return false; }

  std::vector<BatchInput> inputs_;
  std::vector<OptimizerOptions> updates_;
  std::optional<BatchInput> next_;
  Mode mode_;
  LossOptions loss_;
  std::vector<StepStats> stats_;
  double seconds_ = 0;
};

class ActivationsJob final : public BatchJob {
 public:
  ActivationsJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, double percentile)
      : BatchJob(std::move(entry), std::move(input)), percentile_(percentile) {}

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    return network.activations(batch, percentile_, stop, &values_);
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Array list = Napi::Array::New(env, values_.size());
    for (size_t i = 0; i < values_.size(); i++) list[static_cast<uint32_t>(i)] = values_[i];
    return list;
  }

  double percentile_;
  std::vector<double> values_;
};

class CalibrateJob final : public BatchJob {
 public:
  CalibrateJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, double percentile, double scale)
      : BatchJob(std::move(entry), std::move(input)), percentile_(percentile), scale_(scale) {}

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    return network.calibrate(batch, percentile_, scale_, stop);
  }

  Napi::Value result(Napi::Env env) override { return env.Undefined(); }
  bool read_only() const override { return false; }

  double percentile_, scale_;
};

}  // namespace

// networkForward(network: NetworkHandle, batch: NativeBatch, mode: NativeMode, out: NativeOutputs):
// Promise<NativeStats>
Napi::Value network_forward(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkForward");
  const NetworkShape& shape = entry->shape;
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[2]);
  BatchInput batch = read_batch(instance, info[1], shape, Labels::kOptional, "batch");
  const int64_t count = batch.count;
  auto job = std::make_unique<ForwardJob>(entry, std::move(batch), mode);
  const Napi::Object out = read_object(info[3], "out");

  const Napi::Value logits = out.Get("logits"), potentials = out.Get("potentials"), spike_times = out.Get("spikeTimes"),
                    decision_steps = out.Get("decisionSteps");
  const Napi::Value averaged = out.Get("averaged");
  if (!is_absent(averaged)) job->averaged = read_boolean(averaged, "out.averaged");
  if (!is_absent(logits)) job->logits = {logits, "out.logits", checked_product(count, shape.classes, "out.logits")};
  if (!is_absent(potentials)) {
    const int64_t per_image = checked_product(shape.timesteps, shape.classes, "out.potentials");
    job->potentials = {potentials, "out.potentials", checked_product(count, per_image, "out.potentials")};
  }
  if (!is_absent(decision_steps)) job->decision_steps = {decision_steps, "out.decisionSteps", count};
  if (!is_absent(spike_times)) {
    const auto layers = static_cast<uint32_t>(shape.neurons.size());
    const Napi::Array list = read_array(spike_times, "out.spikeTimes", layers, layers);
    for (uint32_t i = 0; i < layers; i++) {
      const std::string name = "out.spikeTimes[" + std::to_string(i) + "]";
      const Napi::Value layer = list.Get(i);
      job->spike_times.push_back(is_absent(layer)
                                     ? Output<uint8_t>()
                                     : Output<uint8_t>(layer, name, checked_product(count, shape.neurons[i], name)));
    }
  }
  return instance.submit(std::move(job));
}

// networkGradients(network: NetworkHandle, batch: NativeBatch, mode: NativeMode, loss: NativeLoss):
// Promise<NativeStats>
Napi::Value network_gradients(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkGradients");
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[2]);
  const LossOptions loss = read_loss(info[3], "loss");
  return instance.submit(std::make_unique<GradientsJob>(
      entry, read_batch(instance, info[1], entry->shape, Labels::kRequired, "batch"), mode, loss));
}

// networkTrain(network: NetworkHandle, steps: NativeStep[], next: NativeBatch | null, mode: NativeMode,
// loss: NativeLoss): Promise<NativeStats[]>
Napi::Value network_train(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 5, "networkTrain");
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[3]);
  const LossOptions loss = read_loss(info[4], "loss");
  const Napi::Array steps = read_array(info[1], "steps", 1, static_cast<uint32_t>(limits::kSteps.max));
  const uint32_t count = steps.Length();
  std::vector<BatchInput> inputs;
  std::vector<OptimizerOptions> updates;
  for (uint32_t i = 0; i < count; i++) {
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
  return instance.submit(
      std::make_unique<TrainJob>(entry, std::move(inputs), std::move(updates), std::move(next), mode, loss));
}

// networkActivations(network: NetworkHandle, batch: NativeBatch, percentile: number): Promise<number[]>
Napi::Value network_activations(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 3, "networkActivations");
  Instance& instance = Instance::of(info.Env());
  const double percentile = read_number(info[2], "percentile", 0, 100);
  BatchInput batch = read_batch(instance, info[1], entry->shape, Labels::kOptional, "batch");
  return instance.submit(std::make_unique<ActivationsJob>(entry, std::move(batch), percentile));
}

// networkCalibrate(network: NetworkHandle, batch: NativeBatch, percentile: number, scale: number): Promise<void>
Napi::Value network_calibrate(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkCalibrate");
  Instance& instance = Instance::of(info.Env());
  const double percentile = read_number(info[2], "percentile", 0, 100);
  const double scale = read_number(info[3], "scale", 1e-6, 1e6);
  BatchInput batch = read_batch(instance, info[1], entry->shape, Labels::kOptional, "batch");
  return instance.submit(std::make_unique<CalibrateJob>(entry, std::move(batch), percentile, scale));
}

}  // namespace onespike::addon
