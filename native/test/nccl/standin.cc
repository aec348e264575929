// A stand-in for NCCL: the functions of libnccl.so.2 that native/comm/nccl_link.cc calls, for streams of the emulator
// and between the threads and processes of one machine, by sockets. It is built for the tests alone, and shows that
// these functions are called in an order and with arguments that make sense; it says nothing about NCCL itself.
//
// It is as strict as NCCL's documents: every call leaves the communicator "in progress" until somebody asks, and one
// that comes before is an error.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "test/emulator/foreign.h"

using onespike::emulator::ForeignStream;

namespace {

constexpr int kSuccess = 0, kSystemError = 2, kInvalidArgument = 4, kInvalidUsage = 5, kRemoteError = 6,
              kInProgress = 7;

struct UniqueId {
  char bytes[128];
};
struct Config {
  size_t size;
  unsigned magic, version;
  int blocking;
};

thread_local int version_of_thread = 22803, failure_of_init = kSuccess;

sockaddr_un address_of(const std::string& name, socklen_t* length) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // A name that begins with zero is no file.
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  *length = socklen_t(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

struct Comm {
  std::mutex mutex;
  std::string id;
  int rank = 0;
  int listener = -1;
  std::vector<int> peers;  // sockets, by rank
  std::atomic<int> state{kInProgress};
  bool aborted = false, connected = false;

  std::string name(int of) const { return id + "-" + std::to_string(of); }

  void listen_for_peers() {
    socklen_t length = 0;
    const sockaddr_un address = address_of(name(rank), &length);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
        listen(listener, int(peers.size())) != 0)
      state = kSystemError;
  }

  // Those of higher ranks call this one, which calls the others.
  void connect_peers() {
    for (int other = 0; other < rank; ++other) {
      if (peers[size_t(other)] >= 0) continue;
      socklen_t length = 0;
      const sockaddr_un address = address_of(name(other), &length);
      const int to = socket(AF_UNIX, SOCK_STREAM, 0);
      const bool there = connect(to, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
                         write(to, &rank, sizeof rank) == ssize_t(sizeof rank);
      if (there) peers[size_t(other)] = to;
      else close(to);
    }
    for (int from = 0; (from = accept(listener, nullptr, nullptr)) >= 0;) {
      int other = -1;
      if (read(from, &other, sizeof other) == ssize_t(sizeof other)) peers[size_t(other)] = from;
    }
    connected = true;
    for (int other = 0; other < int(peers.size()); ++other) connected &= other == rank || peers[size_t(other)] >= 0;
  }

  void close_all() {
    aborted = true;
    for (int socket : peers)
      if (socket >= 0) close(socket);
    if (listener >= 0) close(listener);
    peers.clear();
  }
};

struct Piece {
  int peer;
  char* memory;
  size_t left;
  bool sends;
};

// What one group does, on the emulated stream.
struct Operation {
  std::shared_ptr<Comm> comm;
  std::vector<Piece> pieces;

  // Whether it has ended. Of the pieces that go the same way only the first moves.
  bool step() {
    const std::lock_guard lock(comm->mutex);
    if (comm->aborted) return true;
    bool ended = true;
    std::vector<std::pair<int, bool>> busy;
    for (Piece& piece : pieces) {
      const std::pair way(piece.peer, piece.sends);
      bool first = true;
      for (const auto& other : busy) first = first && other != way;
      if (first && piece.left > 0) move(piece);
      if (piece.left > 0) busy.push_back(way), ended = false;
    }
    return ended;
  }

 private:
  void move(Piece& piece) {
    const int socket = comm->peers[size_t(piece.peer)];
    const ssize_t moved = piece.sends ? send(socket, piece.memory, piece.left, MSG_DONTWAIT | MSG_NOSIGNAL)
                                      : recv(socket, piece.memory, piece.left, MSG_DONTWAIT);
    if (moved > 0) piece.memory += moved, piece.left -= size_t(moved);
    else if (moved == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) comm->state = kRemoteError;
  }
};

using Handle = std::shared_ptr<Comm>*;  // of the caller

thread_local bool in_group = false;
thread_local Operation group;
thread_local ForeignStream* stream_of_group = nullptr;

int add_piece(Handle handle, void* memory, size_t count, int type, int peer, void* stream, bool sends) {
  Comm& comm = **handle;
  if (!in_group || comm.state != kSuccess) return kInvalidUsage;
  if (type != 0 || peer < 0 || peer >= int(comm.peers.size()) || peer == comm.rank) return kInvalidArgument;
  group.comm = *handle, stream_of_group = static_cast<ForeignStream*>(stream);
  group.pieces.push_back({peer, static_cast<char*>(memory), count, sends});
  return kSuccess;
}

bool step(void* data) {
  auto* const operation = static_cast<Operation*>(data);
  if (!operation->step()) return false;
  delete operation;
  return true;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// What the next call of this thread answers, for tests: a version, and how ncclCommInitRankConfig ends.
EXPORT void standin_pretend(int version, int init) { version_of_thread = version, failure_of_init = init; }

EXPORT int ncclGetVersion(int* version) { return *version = version_of_thread, kSuccess; }

EXPORT int ncclGetUniqueId(UniqueId* id) {
  std::random_device random;
  std::snprintf(id->bytes, sizeof id->bytes, "onespike-standin-%d-%08x%08x", int(getpid()), random(), random());
  return kSuccess;
}

EXPORT int ncclCommInitRankConfig(Handle* handle, int size, UniqueId id, int rank, Config* config) {
  if (config->magic != 0xcafebeef || config->size < sizeof(Config) || config->blocking != 0) return kInvalidArgument;
  if (failure_of_init != kSuccess) return failure_of_init;
  auto comm = std::make_shared<Comm>();
  comm->id = id.bytes, comm->rank = rank, comm->peers.assign(size_t(size), -1);
  comm->listen_for_peers();
  *handle = new std::shared_ptr<Comm>(std::move(comm));
  return kInProgress;
}

EXPORT int ncclCommGetAsyncError(Handle handle, int* result) {
  Comm& comm = **handle;
  const std::lock_guard lock(comm.mutex);
  if (!comm.connected && comm.state == kInProgress) comm.connect_peers();
  if (comm.connected && comm.state == kInProgress) comm.state = kSuccess;
  return *result = comm.state, kSuccess;
}

EXPORT int ncclCommAbort(Handle handle) {
  const std::lock_guard lock((*handle)->mutex);
  (*handle)->close_all();
  return kSuccess;  // the handle stays, as a stream may hold operations of it
}

EXPORT int ncclGroupStart() { return in_group ? kInvalidUsage : (in_group = true, kSuccess); }

EXPORT int ncclGroupEnd() {
  if (!in_group) return kInvalidUsage;
  in_group = false;
  Operation ended = std::exchange(group, {});
  if (ended.pieces.empty()) return kSuccess;
  ended.comm->state = kInProgress;
  stream_of_group->add(stream_of_group, step, new Operation(std::move(ended)));
  return kInProgress;
}

EXPORT int ncclSend(const void* memory, size_t count, int type, int peer, Handle handle, void* stream) {
  return add_piece(handle, const_cast<void*>(memory), count, type, peer, stream, true);
}

EXPORT int ncclRecv(void* memory, size_t count, int type, int peer, Handle handle, void* stream) {
  return add_piece(handle, memory, count, type, peer, stream, false);
}

EXPORT const char* ncclGetErrorString(int result) {
  return result == kRemoteError ? "remote process exited or there was a network error" : "unhandled system error";
}

EXPORT const char* ncclGetLastError(Handle) { return "of the stand-in"; }
