// Exported functions about a network that answer at once. The jobs are in network_jobs.cc and network_state.cc.
#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "backends.h"
#include "addon/support/check.h"
#include "addon/support/handles.h"
#include "addon/inputs.h"
#include "addon/support/instance.h"
#include "core/backend/backend.h"

#ifndef ONESPIKE_VERSION
#define ONESPIKE_VERSION "0.1.0"
#endif

namespace onespike::addon {
// info(): NativeInfo
Napi::Value info(const Napi::CallbackInfo& info) {
  check_arity(info, 0, "info");
  const Napi::Env env = info.Env();
  const LiveCounts& live = *Instance::of(env).live();
  Napi::Object object = Napi::Object::New(env);
  object.Set("version", ONESPIKE_VERSION);
  object.Set("simdTarget", cpu_target_name());
  object.Set("hardwareThreads", double(std::thread::hardware_concurrency()));
  object.Set("binaryCuda", cuda_built());
  object.Set("liveNetworks", live.networks);
  object.Set("liveDatasets", live.datasets);
  object.Set("encoders", encoder_names(env));
  object.Set("surrogates", surrogate_names(env));
  object.Set("simulatedCodes", simulated_code_names(env));
  object.Set("limits", limit_table(env));
  return object;
}

// processor(): NativeProcessor
Napi::Value processor(const Napi::CallbackInfo& info) {
  check_arity(info, 0, "processor");
  Napi::Array targets = Napi::Array::New(info.Env());
  for (const std::string& target : cpu_targets()) targets.Set(targets.Length(), target);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("targets", targets);
  object.Set("bf16", bf16_unit_name(bf16_unit()));
  return object;
}

// limitProcessor(target: string, bf16: NativeProcessor['bf16']): void
Napi::Value limit_processor(const Napi::CallbackInfo& info) {
  check_arity(info, 2, "limitProcessor");
  const std::vector<std::string> targets = cpu_targets();
  const auto place = std::find(targets.begin(), targets.end(), read_string(info[0], "target"));
  if (place == targets.end()) fail_expected("an instruction set of this processor", "target", info[0]);
  const Bf16Unit bf16 = read_named(info[1], "bf16", kBf16Units, bf16_unit_name);
  limit_cpu_target(size_t(place - targets.begin()));
  limit_bf16_unit(bf16);
  return info.Env().Undefined();
}

// devices(wanted: number | null): NativeDevices
Napi::Value devices(const Napi::CallbackInfo& info) {
  check_arity(info, 1, "devices");
  const int wanted = is_absent(info[0]) ? -1 : int(read_integer(info[0], "wanted", limits::kDevice));
  const Napi::Env env = info.Env();
  std::string reason;
  Napi::Array list = Napi::Array::New(env);
  for (const DeviceInfo& device : cuda_devices(wanted, &reason)) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", device.name);
    row.Set("major", device.major);
    row.Set("minor", device.minor);
    row.Set("memoryBytes", double(device.memory_bytes));
    row.Set("freeBytes", double(device.free_bytes));
    row.Set("driver", device.driver);
    row.Set("runtime", device.runtime);
    row.Set("usable", device.usable);
    row.Set("reason", device.reason);
    row.Set("graphs", device.graphs);
    row.Set("graphsReason", device.graphs_reason);
    list.Set(list.Length(), row);
  }
  Napi::Object object = Napi::Object::New(env);
  object.Set("reason", reason);
  object.Set("list", list);
  return object;
}

// networkTensors(network: NetworkHandle): { name: string; shape: number[] }[]
Napi::Value network_tensors(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkTensors");
  entry->require_open();
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (const TensorInfo& tensor : entry->shape.tensors) {
    Napi::Array shape = Napi::Array::New(env);
    for (uint32_t i = 0; i < tensor.shape.size(); ++i) shape.Set(i, double(tensor.shape[i]));
    Napi::Object row = Napi::Object::New(env);
    row.Set("name", tensor.name);
    row.Set("shape", shape);
    list.Set(list.Length(), row);
  }
  return list;
}

// networkLayers(network: NetworkHandle): { layer: number; neurons: number }[]
Napi::Value network_layers(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkLayers");
  entry->require_open();
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  for (uint32_t i = 0; i < entry->shape.layers.size(); ++i) {
    Napi::Object row = Napi::Object::New(env);
    row.Set("layer", entry->shape.layers[i]);
    row.Set("neurons", double(entry->shape.neurons[i]));
    list.Set(i, row);
  }
  return list;
}

// networkStepsAtOnce(network: NetworkHandle): number
Napi::Value network_steps_at_once(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkStepsAtOnce");
  entry->require_open();
  return Napi::Number::New(info.Env(), entry->shape.steps_at_once);
}

// networkMemory(network: NetworkHandle): number
Napi::Value network_memory(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkMemory");
  entry->require_open();
  return Napi::Number::New(info.Env(), double(entry->memory_bytes));
}

// networkRecorded(network: NetworkHandle): NativeRecorded
Napi::Value network_recorded(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkRecorded");
  entry->require_idle();
  const Recorded recorded = entry->network->recorded();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("recorded", recorded.recorded);
  object.Set("reason", recorded.reason);
  return object;
}

// networkProfile(network: NetworkHandle): NativeProfileEntry[]
Napi::Value network_profile(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkProfile");
  entry->require_idle();
  const std::vector<ProfileEntry> entries = entry->network->take_profile();
  Napi::Array list = Napi::Array::New(info.Env(), entries.size());
  for (uint32_t i = 0; i < entries.size(); ++i) {
    Napi::Object each = Napi::Object::New(info.Env());
    each.Set("layer", entries[i].layer);
    each.Set("operation", entries[i].operation);
    each.Set("kernel", entries[i].choice.kernel);
    each.Set("density", entries[i].choice.density);
    each.Set("milliseconds", entries[i].milliseconds);
    each.Set("calls", double(entries[i].calls));
    list.Set(i, each);
  }
  return list;
}

// networkSlots(network: NetworkHandle): TensorKind[]
Napi::Value network_slots(const Napi::CallbackInfo& info) {
  const auto entry = idle_network(info, 1, "networkSlots");
  Napi::Array kinds = Napi::Array::New(info.Env());
  for (int i = 0; i < entry->network->optimizer_slots(); ++i) kinds.Set(kinds.Length(), "slot" + std::to_string(i));
  if (entry->network->averaged()) kinds.Set(kinds.Length(), "average");
  return kinds;
}

// networkCounters(network: NetworkHandle): NativeCounters
Napi::Value network_counters(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkCounters");
  entry->require_idle();
  Napi::Object counters = Napi::Object::New(info.Env());
  counters.Set("optimizerSteps", double(entry->network->optimizer_steps()));
  counters.Set("randomStep", double(entry->network->random_step()));
  counters.Set("activity", entry->network->activity());
  return counters;
}

// networkSetCounters(network: NetworkHandle, counters: NativeCounters): void
Napi::Value network_set_counters(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 2, "networkSetCounters");
  const Napi::Object counters = read_object(info[1], "counters");
  const int64_t steps = read_integer(counters.Get("optimizerSteps"), "counters.optimizerSteps", 0, kMaxSafeInteger);
  const int64_t random_step = read_integer(counters.Get("randomStep"), "counters.randomStep", 0, kMaxSafeInteger);
  const double activity = read_number(counters.Get("activity"), "counters.activity", limits::kActivityTarget);
  entry->require_idle();
  entry->network->set_optimizer_steps(steps);
  entry->network->set_activity(activity);
  entry->network->set_random_step(uint64_t(random_step));
  return info.Env().Undefined();
}

// networkAbort(network: NetworkHandle): boolean
Napi::Value network_abort(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkAbort");
  entry->require_open();
  if (entry->busy) entry->stop = true;
  return Napi::Boolean::New(info.Env(), entry->busy);
}

// networkDispose(network: NetworkHandle): void
Napi::Value network_dispose(const Napi::CallbackInfo& info) {
  const auto entry = first_argument(info, 1, "networkDispose");
  entry->dispose(info.Env());
  return info.Env().Undefined();
}

}  // namespace onespike::addon
