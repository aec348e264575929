// Exported functions that simulate a network in another code: the job, and how far it is.
#include <memory>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/inputs.h"
#include "addon/support/check.h"
#include "addon/support/instance.h"
#include "addon/support/job.h"
#include "addon/support/output.h"
#include "backends.h"
#include "core/simulation/simulation.h"

namespace onespike::addon {
namespace {

// More steps than anybody keeps logits of, few enough to hold.
constexpr uint32_t kMaxLogitSteps = 65535;

template <class Read>
auto read_list(Napi::Value value, const std::string& name, uint32_t least, uint32_t most, const Read& read) {
  const Napi::Array array = read_array(value, name, least, most);
  std::vector<decltype(read(Napi::Value(), name))> list;
  for (uint32_t i = 0; i < array.Length(); ++i)
    list.push_back(read(array.Get(i), name + "[" + std::to_string(i) + "]"));
  return list;
}

class SimulateJob final : public Job {
 public:
  SimulateJob(std::shared_ptr<NetworkEntry> entry, BatchInput input)
      : Job(std::move(entry)), input_(std::move(input)) {}

  int64_t count() const { return input_.count; }

  SimulationOptions options;
  std::vector<double> activations;
  int64_t first = 0;
  Output<int32_t> predictions;
  Output<float> logits;

 private:
  Status run(const std::atomic<bool>& stop) override {
    SimulatedNetwork simulated;
    if (Status status = simulated_network(network(), activations, &simulated); !status.ok()) return status;
    BatchStorage storage;
    const Rows& rows = input_.rows;
    if (input_.has_rows())
      if (Status status = draw_batch(rows, &storage); !status.ok()) return status;
    const uint8_t* const pixels = input_.has_rows() ? storage.pixels.data() : input_.pixels.data();
    outputs_.predictions = predictions.allocate();
    outputs_.logits = logits.allocate();
    return simulate(simulated, options, {pixels, input_.count, first}, stop, &entry()->progress, &outputs_);
  }

  Napi::Value result(Napi::Env env) override {
    predictions.deliver();
    logits.deliver();
    Napi::Array list = Napi::Array::New(env, outputs_.counts.size());
    for (uint32_t i = 0; i < outputs_.counts.size(); ++i) {
      const StageCounts& counts = outputs_.counts[i];
      Napi::Object row = Napi::Object::New(env);
      row.Set("events", double(counts.events));
      row.Set("accumulates", double(counts.accumulates));
      row.Set("valueMacs", double(counts.value_macs));
      row.Set("updates", double(counts.updates));
      row.Set("spikes", double(counts.spikes));
      list.Set(i, row);
    }
    return list;
  }

  BatchInput input_;
  SimulationOutputs outputs_;
};

SimulationOptions read_simulation(const Napi::Object& object, uint32_t stages) {
  const auto get = [&](const char* key) { return object.Get(key); };
  const auto path = [](const char* key) { return std::string("simulation.") + key; };
  const auto real = [](Napi::Value value, const std::string& name) {
    return read_number(value, name, -limits::kLargestFloat, limits::kLargestFloat);
  };
  const auto integer = [](Napi::Value value, const std::string& name) {
    return read_integer(value, name, 1, kMaxSafeInteger);
  };
  SimulationOptions options;
  options.code = read_named(get("code"), path("code"), kSimulatedCodes, simulated_code_name);
  options.timesteps = read_integer(get("timesteps"), path("timesteps"), limits::kSimulatedSteps);
  options.threshold = read_number(get("threshold"), path("threshold"), limits::kThreshold);
  options.stride = read_integer(get("stride"), path("stride"), limits::kSimulatedSteps);
  options.seed = uint64_t(read_integer(get("seed"), path("seed"), limits::kSeed));
  options.threads = int(read_integer(get("threads"), path("threads"), limits::kThreads));
  options.record = integer(get("record"), path("record"));
  options.logit_steps = read_list(get("logitSteps"), path("logitSteps"), 0, kMaxLogitSteps, integer);
  const uint32_t clocks = fires_once(options.code) ? stages : 0;
  const auto time_constants = read_list(get("timeConstants"), path("timeConstants"), clocks, clocks, real);
  const auto delays = read_list(get("delays"), path("delays"), clocks, clocks, real);
  for (uint32_t i = 0; i < clocks; ++i)
    options.clocks.push_back({time_constants[i], delays[i], clock_rounding(options.code, i == 0)});
  return options;
}

}  // namespace

// networkSimulate(network: NetworkHandle, batch: NativeBatch, simulation: NativeSimulation,
// out: NativeSimulationOutputs): Promise<NativeSimulationCounts[]>
Napi::Value network_simulate(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 4, "networkSimulate");
  const NetworkShape& shape = entry->shape;
  const auto stages = uint32_t(shape.neurons.size());
  const Napi::Object simulation = read_object(info[2], "simulation"), out = read_object(info[3], "out");
  const SimulationOptions options = read_simulation(simulation, stages);
  std::vector<double> activations =
      read_list(simulation.Get("activations"), "simulation.activations", stages - 1, stages - 1,
                [](Napi::Value value, const std::string& name) {
                  return read_number(value, name, limits::kSmallestFloat, limits::kLargestFloat);
                });
  const int64_t first = read_integer(simulation.Get("first"), "simulation.first", 0, kMaxSafeInteger);
  const Napi::Value predictions = out.Get("predictions"), logits = out.Get("logits");
  auto job = std::make_unique<SimulateJob>(
      entry, read_batch(Instance::of(info.Env()), info[1], shape, Labels::kOptional, "batch"));
  job->predictions = {predictions, "out.predictions",
                      checked_product(job->count(), recorded_steps(options, stages), "out.predictions")};
  const int64_t per_image = int64_t(options.logit_steps.size()) * shape.classes;
  job->logits = {logits, "out.logits", checked_product(job->count(), per_image, "out.logits")};
  job->options = options;
  job->activations = std::move(activations);
  job->first = first;
  entry->progress = 0;
  return Instance::of(info.Env()).submit(std::move(job));
}

// networkProgress(network: NetworkHandle): number
Napi::Value network_progress(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkProgress");
  entry->require_open();
  return Napi::Number::New(info.Env(), double(entry->progress.load()));
}

}  // namespace onespike::addon
