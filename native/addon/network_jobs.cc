// Exported functions that run on a network's own thread and answer a promise: forward passes, calibration, and
// genes fitted to weights. Training is in network_training.cc.
#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/batch_job.h"
#include "addon/inputs.h"
#include "addon/support/check.h"
#include "addon/support/instance.h"
#include "addon/support/job.h"
#include "addon/support/output.h"

namespace onespike::addon {

Napi::Object stats_object(Napi::Env env, const StepStats& stats, int64_t count, double seconds) {
  Napi::Float64Array spikes = Napi::Float64Array::New(env, stats.spikes.size());
  for (size_t i = 0; i < stats.spikes.size(); ++i) spikes[i] = stats.spikes[i];
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", stats.loss);
  object.Set("correct", double(stats.correct));
  object.Set("count", double(count));
  object.Set("spikes", spikes);
  object.Set("gradientNorm", stats.gradient_norm);
  object.Set("badLayer", stats.bad_layer);
  object.Set("seconds", seconds);
  return object;
}

namespace {

class ForwardJob final : public BatchJob {
 public:
  ForwardJob(std::shared_ptr<NetworkEntry> entry, BatchInput input, Mode mode)
      : BatchJob(std::move(entry), std::move(input)), mode_(mode) {}

  bool averaged = false;
  Output<float> logits, potentials, margins;
  Output<uint8_t> decision_steps;
  std::vector<Output<uint8_t>> spike_times;

 private:
  Status step(Network& network, const Batch& batch, const std::atomic<bool>& stop) override {
    ForwardOutputs out;
    out.averaged = averaged;
    out.logits = logits.allocate();
    out.potentials = potentials.allocate();
    out.margins = margins.allocate();
    out.decision_steps = decision_steps.allocate();
    for (Output<uint8_t>& layer : spike_times) out.spike_times.push_back(layer.allocate());
    return network.forward(batch, mode_, out, stop, &stats_);
  }

  Napi::Value result(Napi::Env env) override {
    logits.deliver();
    potentials.deliver();
    margins.deliver();
    decision_steps.deliver();
    for (const Output<uint8_t>& layer : spike_times) layer.deliver();
    return BatchJob::result(env);
  }

  Mode mode_;
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
    for (size_t i = 0; i < values_.size(); ++i) list[uint32_t(i)] = values_[i];
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

class FitGenesJob final : public Job {
 public:
  FitGenesJob(std::shared_ptr<NetworkEntry> entry, GeneFitOptions options) : Job(std::move(entry)), options_(options) {}

 private:
  Status run(const std::atomic<bool>& stop) override {
    return network().fit_genes(options_, stop, &entry()->progress, &residual_);
  }

  Napi::Value result(Napi::Env env) override { return Napi::Number::New(env, residual_); }
  bool read_only() const override { return false; }

  GeneFitOptions options_;
  double residual_ = 0;
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
                    margins = out.Get("margins"), decision_steps = out.Get("decisionSteps");
  const Napi::Value averaged = out.Get("averaged");
  if (!is_absent(averaged)) job->averaged = read_boolean(averaged, "out.averaged");
  if (!is_absent(logits)) job->logits = {logits, "out.logits", checked_product(count, shape.classes, "out.logits")};
  if (!is_absent(potentials)) {
    const int64_t per_image = checked_product(shape.timesteps, shape.classes, "out.potentials");
    job->potentials = {potentials, "out.potentials", checked_product(count, per_image, "out.potentials")};
  }
  if (!is_absent(margins)) job->margins = {margins, "out.margins", count};
  if (!is_absent(decision_steps)) job->decision_steps = {decision_steps, "out.decisionSteps", count};
  if (!is_absent(spike_times)) {
    const auto layers = uint32_t(shape.neurons.size());
    const Napi::Array list = read_array(spike_times, "out.spikeTimes", layers, layers);
    for (uint32_t i = 0; i < layers; ++i) {
      const std::string name = "out.spikeTimes[" + std::to_string(i) + "]";
      const Napi::Value layer = list.Get(i);
      job->spike_times.push_back(is_absent(layer)
                                     ? Output<uint8_t>()
                                     : Output<uint8_t>(layer, name, checked_product(count, shape.neurons[i], name)));
    }
  }
  return instance.submit(std::move(job));
}

// networkActivations(network: NetworkHandle, batch: NativeBatch, percentile: number): Promise<number[]>
Napi::Value network_activations(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 3, "networkActivations");
  Instance& instance = Instance::of(info.Env());
  const double percentile = read_number(info[2], "percentile", limits::kPercentile);
  BatchInput batch = read_batch(instance, info[1], entry->shape, Labels::kOptional, "batch");
  return instance.submit(std::make_unique<ActivationsJob>(entry, std::move(batch), percentile));
}

// networkCalibrate(network: NetworkHandle, batch: NativeBatch, percentile: number, scale: number): Promise<void>
Napi::Value network_calibrate(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkCalibrate");
  Instance& instance = Instance::of(info.Env());
  const double percentile = read_number(info[2], "percentile", limits::kPercentile);
  const double scale = read_number(info[3], "scale", limits::kCalibrationScale);
  BatchInput batch = read_batch(instance, info[1], entry->shape, Labels::kOptional, "batch");
  return instance.submit(std::make_unique<CalibrateJob>(entry, std::move(batch), percentile, scale));
}

// networkFitGenes(network: NetworkHandle, steps: number, learningRate: number): Promise<number>
Napi::Value network_fit_genes(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 3, "networkFitGenes");
  GeneFitOptions options;
  options.steps = read_integer(info[1], "steps", limits::kFitSteps);
  options.learning_rate = float(read_number(info[2], "learningRate", limits::kRate));
  entry->progress = 0;
  return Instance::of(info.Env()).submit(std::make_unique<FitGenesJob>(entry, options));
}

}  // namespace onespike::addon
