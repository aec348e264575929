// Exported functions about the ranks that train together. What waits for other ranks is a task of the communicator, on
// its own thread, which MPI takes for its main one.
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "addon/api.h"
#include "addon/support/check.h"
#include "addon/support/communicators.h"
#include "addon/support/instance.h"
#include "addon/support/job.h"
#include "addon/support/wrap.h"
#include "backends.h"

namespace onespike::addon {
namespace {

// More is no message but a data set.
constexpr int64_t kMaxBytes = int64_t{1} << 30;

void finalize_communicator(napi_env, void* data, void*) {
  delete static_cast<std::shared_ptr<CommunicatorEntry>*>(data);
}

std::shared_ptr<CommunicatorEntry> communicator_entry(Instance& instance, Napi::Value value) {
  return unwrap<CommunicatorEntry>(value, instance.communicator_tag(), "communicator");
}

std::shared_ptr<CommunicatorEntry> open_communicator(const Napi::CallbackInfo& info, size_t arity,
                                                     const char* function) {
  check_arity(info, arity, function);
  auto entry = communicator_entry(Instance::of(info.Env()), info[0]);
  entry->require_open();
  return entry;
}

class OpenTask final : public Task {
 public:
  OpenTask(Instance& instance, std::shared_ptr<CommunicatorEntry> entry, std::string library, double deadline)
      : Task(entry), instance_(instance), entry_(std::move(entry)), library_(std::move(library)), deadline_(deadline) {}

 private:
  Status run(const std::atomic<bool>&) override {
    std::unique_ptr<MpiCommunicator> opened;
    if (Status status = MpiCommunicator::open(library_, deadline_, &opened); !status.ok()) return status;
    opened_ = std::move(opened);
    return Status::success();
  }

  Napi::Value result(Napi::Env env) override {
    entry_->communicator = std::move(opened_);
    instance_.watch_communicator(entry_);
    return wrap(env, entry_, instance_.communicator_tag(), finalize_communicator);
  }

  Instance& instance_;
  std::shared_ptr<CommunicatorEntry> entry_;
  std::string library_;
  double deadline_;
  std::shared_ptr<MpiCommunicator> opened_;
};

// A call that all ranks make, on the bytes that it answers.
class CallTask final : public Task {
 public:
  using Call = std::function<Status(MpiCommunicator&, std::vector<uint8_t>*)>;

  CallTask(const std::shared_ptr<CommunicatorEntry>& entry, std::vector<uint8_t> bytes, Call call)
      : Task(entry), communicator_(entry->communicator), bytes_(std::move(bytes)), call_(std::move(call)) {}

 private:
  Status run(const std::atomic<bool>&) override { return call_(*communicator_, &bytes_); }

  Napi::Value result(Napi::Env env) override {
    Napi::Uint8Array answer = Napi::Uint8Array::New(env, bytes_.size());
    if (!bytes_.empty()) std::memcpy(answer.Data(), bytes_.data(), bytes_.size());
    return answer;
  }

  std::shared_ptr<MpiCommunicator> communicator_;
  std::vector<uint8_t> bytes_;
  Call call_;
};

// Links the GPUs of the ranks, and answers the version of NCCL.
class LinkTask final : public Task {
 public:
  LinkTask(const std::shared_ptr<CommunicatorEntry>& entry, int device, std::string library)
      : Task(entry), entry_(entry), device_(device), library_(std::move(library)) {}

 private:
  Status run(const std::atomic<bool>&) override {
    Status status = use_cuda_device(device_);
    std::unique_ptr<NcclLink> opened;
    if (status.ok()) status = NcclLink::open(library_, entry_->deadline, *entry_->communicator, &opened);
    opened_ = std::move(opened);
    return status;
  }

  Napi::Value result(Napi::Env env) override {
    entry_->link = std::move(opened_);
    return Napi::String::New(env, entry_->link->version());
  }

  std::shared_ptr<CommunicatorEntry> entry_;
  int device_;
  std::string library_;
  std::shared_ptr<NcclLink> opened_;
};

// A call without an answer.
class SilentTask final : public Task {
 public:
  SilentTask(const std::shared_ptr<CommunicatorEntry>& entry, Status (*call)(MpiCommunicator&))
      : Task(entry), communicator_(entry->communicator), call_(call) {}

 private:
  Status run(const std::atomic<bool>&) override { return call_(*communicator_); }
  Napi::Value result(Napi::Env env) override { return env.Undefined(); }

  std::shared_ptr<MpiCommunicator> communicator_;
  Status (*call_)(MpiCommunicator&);
};

std::vector<uint8_t> copied(Napi::Value value, int64_t most) {
  const ArrayView<uint8_t> view = view_of<uint8_t>(value, "bytes");
  if (view.length > most) {
    fail(Code::kShape,
         "Expected at most " + std::to_string(most) + " bytes but received " + std::to_string(view.length));
  }
  return {view.data, view.data + view.length};
}

// A function that collects the bytes of all ranks.
using Collect = Status (MpiCommunicator::*)(const void*, void*, size_t);

Napi::Value gathered(const char* function, Collect collect, const Napi::CallbackInfo& info) {
  const auto entry = open_communicator(info, 2, function);
  const auto call = [collect](MpiCommunicator& communicator, std::vector<uint8_t>* bytes) {
    std::vector<uint8_t> all(bytes->size() * size_t(communicator.size()));
    Status status = (communicator.*collect)(bytes->data(), all.data(), bytes->size());
    *bytes = std::move(all);
    return status;
  };
  const int64_t most = kMaxBytes / entry->communicator->size();
  return Instance::of(info.Env()).submit(std::make_unique<CallTask>(entry, copied(info[1], most), call));
}

Status barrier(MpiCommunicator& communicator) { return communicator.barrier(); }
Status close(MpiCommunicator& communicator) { return communicator.close(); }

}  // namespace

void CommunicatorEntry::require_open() const {
  if (!communicator) fail(Code::kState, "Expected an open communicator but received one that was closed");
}

void CommunicatorEntry::require_idle() const {
  if (busy)
    fail(Code::kBusy, "Expected an idle communicator but received one that waits for other ranks; await it first");
}

void CommunicatorEntry::request_stop() {
  stop = true;
  if (communicator) communicator->interrupt();
}

Ranks ranks_of(Instance& instance, Napi::Value value) {
  const auto entry = communicator_entry(instance, value);
  entry->require_open();
  return {entry->communicator, entry->link};
}

// communicatorOpen(library: string, deadline: number): Promise<CommunicatorHandle>
Napi::Value communicator_open(const Napi::CallbackInfo& info) {
  check_arity(info, 2, "communicatorOpen");
  Instance& instance = Instance::of(info.Env());
  std::string library = read_string(info[0], "library");
  const double deadline = read_number(info[1], "deadline", limits::kDeadline);
  auto entry = std::make_shared<CommunicatorEntry>();
  entry->deadline = deadline;
  return instance.submit(std::make_unique<OpenTask>(instance, std::move(entry), std::move(library), deadline));
}

// communicatorBroadcast(communicator: CommunicatorHandle, bytes: Uint8Array): Promise<Uint8Array>
Napi::Value communicator_broadcast(const Napi::CallbackInfo& info) {
  const auto entry = open_communicator(info, 2, "communicatorBroadcast");
  const auto call = [](MpiCommunicator& communicator, std::vector<uint8_t>* bytes) {
    return communicator.broadcast(bytes->data(), bytes->size(), 0);
  };
  return Instance::of(info.Env()).submit(std::make_unique<CallTask>(entry, copied(info[1], kMaxBytes), call));
}

// communicatorGather(communicator: CommunicatorHandle, bytes: Uint8Array): Promise<Uint8Array>
Napi::Value communicator_gather(const Napi::CallbackInfo& info) {
  return gathered("communicatorGather", &MpiCommunicator::gather, info);
}

// communicatorLastWords(communicator: CommunicatorHandle, bytes: Uint8Array): Promise<Uint8Array>
Napi::Value communicator_last_words(const Napi::CallbackInfo& info) {
  return gathered("communicatorLastWords", &MpiCommunicator::last_words, info);
}

// communicatorLink(communicator: CommunicatorHandle, device: number, library: string): Promise<string>
Napi::Value communicator_link(const Napi::CallbackInfo& info) {
  const auto entry = open_communicator(info, 3, "communicatorLink");
  const auto device = int(read_integer(info[1], "device", limits::kDevice));
  return Instance::of(info.Env()).submit(std::make_unique<LinkTask>(entry, device, read_string(info[2], "library")));
}

// communicatorBarrier(communicator: CommunicatorHandle): Promise<void>
Napi::Value communicator_barrier(const Napi::CallbackInfo& info) {
  return Instance::of(info.Env())
      .submit(std::make_unique<SilentTask>(open_communicator(info, 1, "communicatorBarrier"), barrier));
}

// communicatorClose(communicator: CommunicatorHandle): Promise<void>
Napi::Value communicator_close(const Napi::CallbackInfo& info) {
  const auto entry = open_communicator(info, 1, "communicatorClose");
  const Napi::Value promise = Instance::of(info.Env()).submit(std::make_unique<SilentTask>(entry, close));
  entry->link.reset();
  entry->communicator.reset();  // the task has its own
  return promise;
}

// communicatorPlace(communicator: CommunicatorHandle): { rank: number; size: number; hosts: string[] }
Napi::Value communicator_place(const Napi::CallbackInfo& info) {
  const auto entry = open_communicator(info, 1, "communicatorPlace");
  const MpiCommunicator& communicator = *entry->communicator;
  Napi::Object place = Napi::Object::New(info.Env());
  Napi::Array hosts = Napi::Array::New(info.Env());
  for (int rank = 0; rank < communicator.size(); ++rank) hosts.Set(hosts.Length(), communicator.host(rank));
  place.Set("rank", communicator.rank());
  place.Set("size", communicator.size());
  place.Set("hosts", hosts);
  return place;
}

// communicatorAbort(communicator: CommunicatorHandle): void
Napi::Value communicator_abort(const Napi::CallbackInfo& info) {
  open_communicator(info, 1, "communicatorAbort")->communicator->end_all();
  return info.Env().Undefined();
}

// ncclVersion(library: string): string
Napi::Value nccl_version(const Napi::CallbackInfo& info) {
  check_arity(info, 1, "ncclVersion");
  std::string version;
  check(onespike::nccl_version(read_string(info[0], "library"), &version));
  return Napi::String::New(info.Env(), version);
}

}  // namespace onespike::addon
