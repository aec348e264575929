#include "addon/support/handles.h"

#include <utility>

#include "addon/support/instance.h"
#include "addon/support/wrap.h"

namespace onespike::addon {
namespace {

void finalize_network(napi_env env, void* data, void*) {
  const std::unique_ptr<std::shared_ptr<NetworkEntry>> holder(static_cast<std::shared_ptr<NetworkEntry>*>(data));
  (*holder)->collected(env);
}

void finalize_dataset(napi_env env, void* data, void*) {
  const std::unique_ptr<std::shared_ptr<DatasetEntry>> holder(static_cast<std::shared_ptr<DatasetEntry>*>(data));
  (*holder)->dispose(env);
}

}  // namespace

void ExternalMemory::report(Napi::Env env, int64_t bytes) {
  int64_t total = 0;
  if (bytes != reported_) napi_adjust_external_memory(env, bytes - reported_, &total);
  reported_ = bytes;
}

// ---- networks

NetworkEntry::NetworkEntry(std::shared_ptr<LiveCounts> live)
    : prefetcher(std::make_unique<Prefetcher>()), live_(std::move(live)) {
  ++live_->networks;
}

void NetworkEntry::adopt(std::unique_ptr<Network> created) {
  network = std::move(created);
  const NetworkSpec& spec = network->spec();
  shape.channels = spec.channels;
  shape.height = spec.height;
  shape.width = spec.width;
  shape.image_size = int64_t{spec.channels} * spec.height * spec.width;
  shape.timesteps = spec.timesteps;
  for (int i = 0; i < network->spiking_layers(); ++i) {
    shape.layers.push_back(network->layer_index(i));
    shape.neurons.push_back(network->neurons(i));
  }
  shape.classes = shape.neurons.empty() ? 0 : shape.neurons.back();
  shape.tensors = network->tensors();
  shape.steps_at_once = network->steps_at_once();
}

NetworkEntry::~NetworkEntry() {
  runner.join();
  if (counted_) live_->networks--;
}

void NetworkEntry::require_open() const {
  if (disposed) fail(Code::kState, "Expected an open network but received one that was disposed");
}

void NetworkEntry::require_idle() const {
  require_open();
  if (busy) fail(Code::kBusy, "Expected an idle network but received one that runs a job; await it or abort it first");
}

void NetworkEntry::dispose(Napi::Env env) {
  if (disposed) return;
  disposed = true;
  if (std::exchange(counted_, false)) live_->networks--;
  stop = true;
  if (!busy) settle(env);
}

void NetworkEntry::settle(Napi::Env env) {
  busy = false;
  if (disposed) close();
  else if (network) memory_bytes = network->memory_bytes() + prefetcher->memory_bytes();
  if (!collected_) external_.report(env, memory_bytes);
}

void NetworkEntry::collected(Napi::Env env) {
  collected_ = true;
  if (std::exchange(counted_, false)) live_->networks--;
  external_.report(env, 0);
}

void NetworkEntry::close() {
  runner.join();
  prefetcher.reset();
  network.reset();
  memory_bytes = 0;
}

Napi::Value make_handle(Instance& instance, std::shared_ptr<NetworkEntry> entry) {
  NetworkEntry& made = *entry;
  const Napi::Value handle = wrap(instance.env(), std::move(entry), instance.network_tag(), finalize_network);
  made.settle(instance.env());
  return handle;
}

std::shared_ptr<NetworkEntry> network_entry(Instance& instance, Napi::Value value) {
  return unwrap<NetworkEntry>(value, instance.network_tag(), "network");
}

std::shared_ptr<NetworkEntry> first_argument(const Napi::CallbackInfo& info, size_t arity, const char* function) {
  check_arity(info, arity, function);
  return network_entry(Instance::of(info.Env()), info[0]);
}

std::shared_ptr<NetworkEntry> idle_network(const Napi::CallbackInfo& info, size_t arity, const char* function) {
  auto entry = first_argument(info, arity, function);
  entry->require_idle();
  return entry;
}

// ---- data sets

DatasetEntry::DatasetEntry(std::shared_ptr<const Dataset> data, std::shared_ptr<LiveCounts> live)
    : data_(std::move(data)), live_(std::move(live)) {
  ++live_->datasets;
}

DatasetEntry::~DatasetEntry() {
  if (data_) live_->datasets--;
}

const std::shared_ptr<const Dataset>& DatasetEntry::open() const {
  if (!data_) fail(Code::kState, "Expected an open data set but received one that was disposed");
  return data_;
}

void DatasetEntry::dispose(Napi::Env env) {
  if (!data_) return;
  data_.reset();
  live_->datasets--;
  external_.report(env, 0);
}

void DatasetEntry::report(Napi::Env env) {
  external_.report(env, int64_t(data_->pixels.size() + data_->labels.size() * sizeof(int32_t)));
}

Napi::Value make_handle(Instance& instance, std::shared_ptr<DatasetEntry> entry) {
  DatasetEntry& made = *entry;
  const Napi::Value handle = wrap(instance.env(), std::move(entry), instance.dataset_tag(), finalize_dataset);
  made.report(instance.env());
  return handle;
}

std::shared_ptr<DatasetEntry> dataset_entry(Instance& instance, Napi::Value value) {
  return unwrap<DatasetEntry>(value, instance.dataset_tag(), "dataset");
}

}  // namespace onespike::addon
