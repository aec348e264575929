#include "comm/nccl_link.h"

#include <dlfcn.h>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

namespace onespike {

namespace {

// What is used of nccl.h, as it has been since NCCL 2.14.
constexpr int kSuccess = 0, kInProgress = 7;
constexpr int kBytes = 0;  // ncclInt8
struct UniqueId {
  char bytes[128];
};
struct Config {
  size_t size = sizeof(Config);
  unsigned magic = 0xcafebeef, version = 21400;
  int blocking = 0;
};

}  // namespace

struct Nccl {
  int (*get_version)(int*);
  int (*get_unique_id)(UniqueId*);
  int (*comm_init_rank_config)(void**, int, UniqueId, int, Config*);
  int (*comm_get_async_error)(void*, int*);
  int (*comm_abort)(void*);
  int (*group_start)();
  int (*group_end)();
  int (*send)(const void*, size_t, int, int, void*, void*);
  int (*recv)(void*, size_t, int, int, void*, void*);
  const char* (*get_error_string)(int);
  const char* (*get_last_error)(void*);
};

namespace {

// Looks functions up until one is missing.
class Finder {
 public:
  explicit Finder(void* library) : library_(library) {}

  template <class Function>
  Finder& find(const char* name, Function* function) {
    if (missing_ == nullptr) *function = reinterpret_cast<Function>(dlsym(library_, name));
    if (missing_ == nullptr && *function == nullptr) missing_ = name;
    return *this;
  }
  const char* missing() const { return missing_; }

 private:
  void* library_;
  const char* missing_ = nullptr;
};

// Never closed: NCCL leaves threads.
Status load(const std::string& library, Nccl* nccl) {
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) {
    const char* const reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc has a message for every thread
    return Status::error(Code::kNoBackend, "NCCL does not load: " + std::string(reason == nullptr ? library : reason));
  }
  Finder finder(loaded);
  finder.find("ncclGetVersion", &nccl->get_version)
      .find("ncclGetUniqueId", &nccl->get_unique_id)
      .find("ncclCommInitRankConfig", &nccl->comm_init_rank_config)
      .find("ncclCommGetAsyncError", &nccl->comm_get_async_error)
      .find("ncclCommAbort", &nccl->comm_abort)
      .find("ncclGroupStart", &nccl->group_start)
      .find("ncclGroupEnd", &nccl->group_end)
      .find("ncclSend", &nccl->send)
      .find("ncclRecv", &nccl->recv)
      .find("ncclGetErrorString", &nccl->get_error_string)
      .find("ncclGetLastError", &nccl->get_last_error);
  if (finder.missing() == nullptr) return Status::success();
  return Status::error(Code::kNoBackend, library + " has no " + finder.missing() + ": NCCL 2.14 or newer is needed");
}

// 22803 -> 2.28.3
std::string version_text(const Nccl& nccl) {
  int version = 0;
  (void)nccl.get_version(&version);
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

// What a rank tells the others of a part of the start: why it failed, or something that should be the same on all.
struct Word {
  Code code = Code::kOk;
  std::array<char, 508> text{};

  Word() = default;
  Word(const Status& status, const std::string& same) : code(status.code) {
    std::strncpy(text.data(), (status.ok() ? same : status.message).c_str(), text.size() - 1);
  }
};

// The same on every rank: success if all have succeeded and say the same of `what`, else kNoBackend with what the first
// says that has not. One that has waited for others in vain (kIo) does not know why.
Status agree(Communicator& ranks, const Status& own, const char* what = "", const std::string& same = "") {
  Word first;
  Status agreed;
  bool known = false;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    Word word(own, same);
    if (Status status = ranks.broadcast(&word, sizeof word, rank); !status.ok()) return status;
    if (rank == 0) first = word;
    const bool failed = word.code != Code::kOk, waited = word.code == Code::kIo;
    if (!failed && word.text == first.text) continue;
    if (!agreed.ok() && (waited || known)) continue;
    known = !waited;
    const std::string name = ranks.name(rank), text = word.text.data();
    agreed = Status::error(Code::kNoBackend, failed ? name + ": " + text
                                                    : what + (" is " + std::string(first.text.data())) + " on " +
                                                          ranks.name(0) + " and " + text + " on " + name);
  }
  return agreed;
}

std::string who(const Communicator& ranks, int peer) {
  return peer == Communicator::kEverybody ? "all ranks" : ranks.name(peer);
}

}  // namespace

Status nccl_version(const std::string& library, std::string* version) {
  Nccl nccl{};
  Status status = load(library, &nccl);
  if (status.ok()) *version = version_text(nccl);
  return status;
}

NcclLink::NcclLink(std::unique_ptr<Nccl> nccl, double deadline, Communicator& ranks)
    : nccl_(std::move(nccl)), deadline_(deadline), ranks_(ranks) {}
NcclLink::~NcclLink() = default;

Status NcclLink::open(const std::string& library, double deadline, Communicator& ranks,
                      std::unique_ptr<NcclLink>* link) {
  auto nccl = std::make_unique<Nccl>();
  Status status = load(library, nccl.get());
  status = agree(ranks, status, "NCCL", status.ok() ? version_text(*nccl) : "");
  if (!status.ok()) return status;
  std::unique_ptr<NcclLink> opened(new NcclLink(std::move(nccl), deadline, ranks));
  status = agree(ranks, opened->start());
  if (!status.ok()) return opened->give_up(), status;
  *link = std::move(opened);
  return status;
}

std::string NcclLink::version() const { return version_text(*nccl_); }

Status NcclLink::start() {
  struct {
    int result = kSuccess;
    UniqueId id{};
  } first;
  if (ranks_.rank() == 0) first.result = nccl_->get_unique_id(&first.id);
  if (Status status = ranks_.broadcast(&first, sizeof first, 0); !status.ok()) return status;
  if (first.result != kSuccess) return error_of(Code::kNoBackend, first.result, "make an id");
  Config config;
  const int result = nccl_->comm_init_rank_config(&comm_, ranks_.size(), first.id, ranks_.rank(), &config);
  return settle(result, Communicator::kEverybody, Code::kNoBackend, "start");
}

Status NcclLink::error_of(Code code, int result, const char* what) const {
  const char* const detail = nccl_->get_last_error(comm_);
  std::string message = std::string("NCCL failed to ") + what + ": " + nccl_->get_error_string(result);
  if (detail != nullptr && *detail != 0) message += std::string(" (") + detail + ")";
  return Status::error(code, message);
}

Status NcclLink::settle(int result, int peer, Code code, const char* what) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  while (result == kInProgress) {
    std::this_thread::yield();
    if (Status status = patience(peer, std::chrono::duration<double>(Clock::now() - start).count()); !status.ok())
      return status;
    result = state();
  }
  return result == kSuccess ? Status::success() : error_of(code, result, what);
}

int NcclLink::state() const {
  int state = kSuccess;
  const int asked = nccl_->comm_get_async_error(comm_, &state);
  return asked == kSuccess ? state : asked;
}

Status NcclLink::transfer(const std::vector<Transfer>& transfers, void* queue) {
  if (comm_ == nullptr) return Status::error(Code::kIo, "The connection between the GPUs of the ranks was given up");
  int result = nccl_->group_start();
  for (const Transfer& each : transfers) {
    if (result != kSuccess && result != kInProgress) break;
    result = each.sends ? nccl_->send(each.memory, each.bytes, kBytes, each.peer, comm_, queue)
                        : nccl_->recv(each.memory, each.bytes, kBytes, each.peer, comm_, queue);
  }
  const int ended = nccl_->group_end();
  if (result == kSuccess || result == kInProgress) result = ended;
  return settle(result, transfers.front().peer, Code::kIo, "exchange gradients");
}

Status NcclLink::await(int peer, double seconds) {
  const int result = state();
  if (result != kSuccess && result != kInProgress) return error_of(Code::kIo, result, "exchange gradients");
  return patience(peer, seconds);
}

Status NcclLink::patience(int peer, double seconds) {
  if (Status status = ranks_.await(peer); !status.ok() || seconds <= deadline_) return status;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", deadline_);
  return Status::error(Code::kIo, "Expected the GPU of " + who(ranks_, peer) + " to answer within " + text.data() +
                                      " s but received nothing: it hangs, or cannot be reached");
}

void NcclLink::arrived() { (void)ranks_.await(Communicator::kNobody); }

void NcclLink::give_up() {
  arrived();
  if (comm_ != nullptr) (void)nccl_->comm_abort(std::exchange(comm_, nullptr));
}

}  // namespace onespike
