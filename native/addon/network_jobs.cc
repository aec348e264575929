// Exported functions that run on a network's own thread and answer a promise: forward, gradients, train, calibrate.
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/check.h"
#include "addon/inputs.h"
#include "addon/instance.h"
#include "addon/job.h"

namespace onespike::addon {
namespace {

// A JavaScript array and the native buffer that is copied into it when the job completes.
template <class T>
class Output {
 public:
  Output() = default;
  Output(Napi::Value value, std::string name, int64_t length) : name_(std::move(name)), length_(length) {
    view_of<T>(value, name_, length_);
    reference_ = Napi::Persistent(value.As<Napi::Object>());
  }

  T* allocate() {  // on the runner's thread
    if (!reference_.IsEmpty()) buffer_.resize(static_cast<size_t>(length_));
    return buffer_.empty() ? nullptr : buffer_.data();
  }

  void deliver() const {
    if (reference_.IsEmpty()) return;
    ArrayView<T> view{};
    try {
      view = view_of<T>(reference_.Value(), name_, length_);
    } catch (const CodedError& error) {
      fail(Code::kState, "Expected " + name_ + " to stay as it was until the job ended: " + error.message);
    }
    std::memcpy(view.data, buffer_.data(), buffer_.size() * sizeof(T));
  }

 private:
  Napi::ObjectReference reference_;
  std::string name_;
  int64_t length_ = 0;
  std::vector<T> buffer_;
};

// What all four have in common: a batch, and statistics with the time it took.
class BatchJob : public Job {
 public:
  BatchJob(std::shared_ptr<NetworkEntry> entry, BatchInput input) : Job(std::move(entry)), input_(std::move(input)) {}

 protected:
  virtual Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) = 0;

  // Rows of a data set, as this job's own storage.
  virtual Status draw(BatchStorage* storage) { return draw_batch(*input_.dataset, input_.indices, input_.augment, storage); }

  Status run(Network& network, const std::atomic<bool>& stop) final {
    const auto start = std::chrono::steady_clock::now();
    Batch batch{input_.pixels.data(), input_.labels.empty() ? nullptr : input_.labels.data(), input_.count};
    BatchStorage storage;
    Rows rows;
    if (input_.dataset && network.draws(*input_.dataset)) {
      rows = {input_.dataset, std::move(input_.indices), input_.augment};
      batch.rows = &rows;
    } else if (input_.dataset) {
      Status drawn = draw(&storage);
      if (!drawn.ok()) return drawn;
      batch = storage.view();
    }
    Status status = step(network, batch, stop);
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return status;
  }

  Napi::Value result(Napi::Env env) override {
    Napi::Float64Array spikes = Napi::Float64Array::New(env, stats_.spikes.size());
    for (size_t i = 0; i < stats_.spikes.size(); i++) spikes[i] = stats_.spikes[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("loss", stats_.loss);
    object.Set("correct", static_cast<double>(stats_.correct));
    object.Set("count", static_cast<double>(input_.count));
    object.Set("spikes", spikes);
    object.Set("gradientNorm", stats_.gradient_norm);
    object.Set("badLayer", stats_.bad_layer);
    object.Set("seconds", seconds_);
    return object;
  }

  BatchInput input_;
  StepStats stats_;
  double seconds_ = 0;
};

class ForwardJob final : public BatchJob {
 public:
  ForwardJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, Mode mode) : BatchJob(std::move(entry), std::move(input)), mode_(mode) {}

  Output<float> logits, potentials;
  Output<uint8_t> decision_steps;
  std::vector<Output<uint8_t>> spike_times;

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    ForwardOutputs out;
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
  GradientsJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, Mode mode) : BatchJob(std::move(entry), std::move(input)), mode_(mode) {}

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override { return network.gradients(batch, mode_, stop, &stats_); }

  Mode mode_;
};

class TrainJob final : public BatchJob {
 public:
  TrainJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, std::optional<BatchInput> next, Mode mode, const OptimizerOptions& options)
      : BatchJob(std::move(entry), std::move(input)), next_(std::move(next)), mode_(mode), options_(options) {}

 private:
  Status draw(BatchStorage* storage) override { return entry().prefetcher->take(input_.dataset, input_.indices, input_.augment, storage); }

  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    if (next_ && !network.draws(*next_->dataset)) entry().prefetcher->start(next_->dataset, std::move(next_->indices), next_->augment);
    return network.train(batch, mode_, options_, stop, &stats_);
  }

  bool read_only() const override { return false; }

  std::optional<BatchInput> next_;
  Mode mode_;
  OptimizerOptions options_;
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

// The network of the first argument, if it could start a job now; submit() decides again.
std::shared_ptr<NetworkEntry> idle_network(const Napi::CallbackInfo& info, size_t arity, const char* function) {
  check_arity(info, arity, function);
  auto entry = network_entry(Instance::of(info.Env()), info[0]);
  entry->require_idle();
  return entry;
}

}  // namespace

// networkForward(network: NetworkHandle, batch: NativeBatch, mode: NativeMode, out: NativeOutputs): Promise<NativeStats>
Napi::Value network_forward(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkForward");
  const NetworkShape& shape = entry->shape;
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[2]);
  BatchInput batch = read_batch(instance, info[1], shape, Labels::kOptional, "batch");
  const int64_t count = batch.count;
  auto job = std::make_unique<ForwardJob>(entry, std::move(batch), mode);
  const Napi::Object out = read_object(info[3], "out");

  const Napi::Value logits = out.Get("logits"), potentials = out.Get("potentials"), spike_times = out.Get("spikeTimes"), decision_steps = out.Get("decisionSteps");
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
      job->spike_times.push_back(is_absent(layer) ? Output<uint8_t>() : Output<uint8_t>(layer, name, checked_product(count, shape.neurons[i], name)));
    }
  }
  return instance.submit(std::move(job));
}

// networkGradients(network: NetworkHandle, batch: NativeBatch, mode: NativeMode): Promise<NativeStats>
Napi::Value network_gradients(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 3, "networkGradients");
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[2]);
  return instance.submit(std::make_unique<GradientsJob>(entry, read_batch(instance, info[1], entry->shape, Labels::kRequired, "batch"), mode));
}

// networkTrain(network: NetworkHandle, batch: NativeBatch, next: NativeBatch | null, mode: NativeMode, optimizer: NativeOptimizer): Promise<NativeStats>
Napi::Value network_train(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 5, "networkTrain");
  Instance& instance = Instance::of(info.Env());
  const Mode mode = read_mode(info[3]);
  const OptimizerOptions options = read_optimizer(info[4]);
  BatchInput batch = read_batch(instance, info[1], entry->shape, Labels::kRequired, "batch");
  std::optional<BatchInput> next;
  if (!is_absent(info[2])) {
    next = read_batch(instance, info[2], entry->shape, Labels::kRequired, "next");
    if (!next->dataset) fail_expected("rows of a data set", "next", info[2]);
  }
  return instance.submit(std::make_unique<TrainJob>(entry, std::move(batch), std::move(next), mode, options));
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
