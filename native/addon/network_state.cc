// Exported functions that create a network, and that read and write its tensors: jobs like a forward pass, because
// drawing or copying millions of numbers takes longer than the event loop may stand still.
#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/inputs.h"
#include "addon/support/check.h"
#include "addon/support/handles.h"
#include "addon/support/instance.h"
#include "addon/support/job.h"
#include "addon/support/output.h"
#include "backends.h"
#include "core/backend/backend.h"

namespace onespike::addon {
namespace {

// Parts in one call: more than the tensors of any network that makes sense.
constexpr uint32_t kMaxParts = 1 << 16;

// Where a part lies: `count` numbers of a tensor from `offset` on, in PyTorch's order.
struct Part {
  TensorKind kind = TensorKind::kParameter;
  int tensor = 0;
  int64_t offset = 0, count = 0;
  std::string name;  // of its array in messages
};

class CreateJob final : public Job {
 public:
  CreateJob(Instance& instance, NetworkSpec spec, const BackendSpec& on)
      : Job(std::make_shared<NetworkEntry>(instance.live())), instance_(instance), spec_(std::move(spec)), on_(on) {}

 private:
  Status run(const std::atomic<bool>&) override {
    std::unique_ptr<Backend> backend;
    if (Status status = make_backend(on_, &backend); !status.ok()) return status;
    return Network::create(spec_, std::move(backend), &created_);
  }

  Napi::Value result(Napi::Env) override {
    entry()->adopt(std::move(created_));
    return make_handle(instance_, entry());
  }

  Instance& instance_;
  NetworkSpec spec_;
  BackendSpec on_;
  std::unique_ptr<Network> created_;
};

class ReadJob final : public Job {
 public:
  explicit ReadJob(std::shared_ptr<NetworkEntry> entry) : Job(std::move(entry)) {}

  void add(Part part, Napi::Value array) {
    outputs_.emplace_back(array, part.name, part.count);
    parts_.push_back(std::move(part));
  }

 private:
  Status run(const std::atomic<bool>&) override {
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[i];
      float* const into = outputs_[i].allocate();
      if (Status status = network().read(part.kind, part.tensor, part.offset, part.count, into); !status.ok())
        return status;
    }
    return Status::success();
  }

  Napi::Value result(Napi::Env env) override {
    for (const Output<float>& output : outputs_) output.deliver();
    return env.Undefined();
  }

  std::vector<Part> parts_;
  std::vector<Output<float>> outputs_;
};

class WriteJob final : public Job {
 public:
  explicit WriteJob(std::shared_ptr<NetworkEntry> entry) : Job(std::move(entry)) {}

  void add(Part part, Napi::Value array) {
    const ArrayView<float> from = view_of<float>(array, part.name, part.count);
    values_.emplace_back(from.data, from.data + from.length);
    parts_.push_back(std::move(part));
  }

 private:
  Status run(const std::atomic<bool>&) override {
    for (size_t i = 0; i < parts_.size(); ++i)
      for (const float& value : values_[i])
        if (!std::isfinite(value))
          return Status::error(Code::kArg, "Expected finite numbers for " + parts_[i].name + " but received " +
                                               std::to_string(value) + " at " +
                                               std::to_string(&value - values_[i].data()));
    for (size_t i = 0; i < parts_.size(); ++i) {
      const Part& part = parts_[i];
      if (Status status = network().write(part.kind, part.tensor, part.offset, part.count, values_[i].data());
          !status.ok())
        return status;
    }
    return Status::success();
  }

  Napi::Value result(Napi::Env env) override { return env.Undefined(); }
  bool read_only() const override { return false; }

  std::vector<Part> parts_;
  std::vector<std::vector<float>> values_;
};

class ResetJob final : public Job {
 public:
  explicit ResetJob(std::shared_ptr<NetworkEntry> entry) : Job(std::move(entry)) {}

 private:
  Status run(const std::atomic<bool>&) override {
    network().reset_optimizer();
    return Status::success();
  }

  Napi::Value result(Napi::Env env) override { return env.Undefined(); }
  bool read_only() const override { return false; }
};

// Position of the tensor called `value`; ERR_ARG if the network has none.
int find_tensor(const NetworkShape& shape, Napi::Value value, const std::string& name) {
  const std::string text = read_string(value, name);
  const std::vector<TensorInfo>& tensors = shape.tensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].name == text) return int(i);
  }
  fail_expected("the name of a tensor such as '" + (tensors.empty() ? std::string() : tensors.front().name) + "'", name,
                value);
}

// Hands each part and its array to `job`, which views the array last and at once.
template <class AnyJob>
void add_parts(AnyJob& job, Napi::Value value) {
  const Napi::Array list = read_array(value, "parts", 1, kMaxParts);
  const uint32_t count = list.Length();
  const NetworkShape& shape = job.entry()->shape;
  for (uint32_t i = 0; i < count; ++i) {
    const std::string path = "parts[" + std::to_string(i) + "]";
    const Napi::Object object = read_object(list.Get(i), path);
    Part part;
    part.kind = read_tensor_kind(object.Get("kind"), path + ".kind");
    part.tensor = find_tensor(shape, object.Get("name"), path + ".name");
    const int64_t size = shape.tensors[part.tensor].size;
    part.offset = read_integer(object.Get("offset"), path + ".offset", 0, size - 1);
    part.name = path + ".data";
    const Napi::Value array = object.Get("data");
    part.count = view_of<float>(array, part.name).length;
    if (part.count < 1 || part.count > size - part.offset)
      fail(Code::kShape, "Expected 1 to " + std::to_string(size - part.offset) + " elements for " + part.name +
                             " but received " + std::to_string(part.count));
    job.add(std::move(part), array);
  }
}

}  // namespace

// networkCreate(spec: NativeSpec): Promise<NetworkHandle>
Napi::Value network_create(const Napi::CallbackInfo& info) {
  check_arity(info, 1, "networkCreate");
  Instance& instance = Instance::of(info.Env());
  return instance.submit(std::make_unique<CreateJob>(instance, read_spec(info[0]), read_backend(info[0])));
}

// networkRead(network: NetworkHandle, parts: NativeTensorPart[]): Promise<void>
Napi::Value network_read(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<ReadJob>(idle_network(info, 2, "networkRead"));
  add_parts(*job, info[1]);
  return Instance::of(info.Env()).submit(std::move(job));
}

// networkWrite(network: NetworkHandle, parts: NativeTensorPart[]): Promise<void>
Napi::Value network_write(const Napi::CallbackInfo& info) {
  auto job = std::make_unique<WriteJob>(idle_network(info, 2, "networkWrite"));
  add_parts(*job, info[1]);
  return Instance::of(info.Env()).submit(std::move(job));
}

// networkResetOptimizer(network: NetworkHandle): Promise<void>
Napi::Value network_reset_optimizer(const Napi::CallbackInfo& info) {
  return Instance::of(info.Env()).submit(std::make_unique<ResetJob>(idle_network(info, 1, "networkResetOptimizer")));
}

}  // namespace onespike::addon
