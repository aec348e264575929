#include "comm/mpi_communicator.h"

#include <dlfcn.h>

#include <array>
#include <thread>
#include <utility>

namespace onespike {

// The functions of mpi-shim.c, by the names that they have there.
struct MpiShim {
  int (*interface)();
  int (*init)(double, char*, size_t);
  int (*rank)();
  int (*size)();
  const char* (*host)(int);
  int (*broadcast)(void*, size_t, int, char*, size_t);
  int (*exchange)(int, const void*, void*, size_t, char*, size_t);
  int (*barrier)(char*, size_t);
  int (*await)(int, char*, size_t);
  int (*gather)(const void*, void*, size_t, char*, size_t);
  int (*last_words)(const void*, void*, size_t, char*, size_t);
  int (*finalize)(char*, size_t);
  void (*interrupt)();
  void (*abort)(int);
};

namespace {

constexpr int kInterface = 2;  // INTERFACE of mpi-shim.c

// Calls a function of the shim, which leaves a message when it fails.
template <class... Parameters, class... Arguments>
Status perform(int (*function)(Parameters...), Arguments... arguments) {
  std::array<char, 2048> message{};
  if (function(arguments..., message.data(), message.size()) == 0) return Status::success();
  return Status::error(Code::kIo, message.data());
}

template <class Function>
bool find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, (std::string("onespike_mpi_") + name).c_str()));
  return *function != nullptr;
}

bool find_all(void* library, MpiShim* shim) {
  return find(library, "interface", &shim->interface) && find(library, "init", &shim->init) &&
         find(library, "rank", &shim->rank) && find(library, "size", &shim->size) &&
         find(library, "host", &shim->host) && find(library, "broadcast", &shim->broadcast) &&
         find(library, "exchange", &shim->exchange) && find(library, "barrier", &shim->barrier) &&
         find(library, "await", &shim->await) && find(library, "gather", &shim->gather) &&
         find(library, "last_words", &shim->last_words) && find(library, "finalize", &shim->finalize) &&
         find(library, "interrupt", &shim->interrupt) && find(library, "abort", &shim->abort);
}

}  // namespace

Status MpiCommunicator::open(const std::string& library, double deadline,
                             std::unique_ptr<MpiCommunicator>* communicator) {
  // Global, because an MPI may load modules that look for its symbols. Never closed: MPI leaves threads and handlers.
  void* const loaded = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (loaded == nullptr) {
    const char* const reason = dlerror();  // NOLINT(concurrency-mt-unsafe): glibc has a message for every thread
    return Status::error(Code::kNoBackend,
                         "Expected a library of `onespike mpi build` but received one that does not load: " +
                             std::string(reason == nullptr ? library : reason));
  }
  auto shim = std::make_unique<MpiShim>();
  if (!find_all(loaded, shim.get()) || shim->interface() != kInterface) {
    return Status::error(Code::kNoBackend,
                         "Expected a library that `onespike mpi build` of this version has made but received " +
                             library + "; build it again");
  }
  if (Status status = perform(shim->init, deadline); !status.ok()) return status;
  communicator->reset(new MpiCommunicator(std::move(shim)));
  return Status::success();
}

MpiCommunicator::MpiCommunicator(std::unique_ptr<MpiShim> shim) : shim_(std::move(shim)) {}
MpiCommunicator::~MpiCommunicator() = default;

int MpiCommunicator::rank() const { return shim_->rank(); }
int MpiCommunicator::size() const { return shim_->size(); }
const char* MpiCommunicator::host(int rank) const { return shim_->host(rank); }
std::string MpiCommunicator::name(int rank) const { return Communicator::name(rank) + " (" + host(rank) + ")"; }

Status MpiCommunicator::broadcast(void* data, size_t bytes, int root) {
  return perform(shim_->broadcast, data, bytes, root);
}

Status MpiCommunicator::exchange(int peer, const void* send, void* receive, size_t bytes) {
  return perform(shim_->exchange, peer, send, receive, bytes);
}

Status MpiCommunicator::barrier() { return perform(shim_->barrier); }

Status MpiCommunicator::await(int peer) { return perform(shim_->await, peer); }

Status MpiCommunicator::gather(const void* send, void* all, size_t bytes) {
  return perform(shim_->gather, send, all, bytes);
}

Status MpiCommunicator::last_words(const void* words, void* all, size_t bytes) {
  return perform(shim_->last_words, words, all, bytes);
}

Status MpiCommunicator::close() { return perform(shim_->finalize); }

void MpiCommunicator::interrupt() noexcept { shim_->interrupt(); }

void MpiCommunicator::end_all() {
  std::thread([function = shim_->abort] { function(1); }).detach();
}

}  // namespace onespike
