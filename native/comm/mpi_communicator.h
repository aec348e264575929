// Ranks as processes that an MPI has started. This binary knows no MPI: native/comm/mpi-shim.c, compiled on the machine
// with its own mpicc, is loaded at run time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/comm/communicator.h"

namespace onespike {

struct MpiShim;

// One per process, because MPI can be started once. Calls come from any thread, one at a time; close() must come from
// the thread that has opened it, as MPI demands. After a failure every call fails alike.
class MpiCommunicator final : public Communicator {
 public:
  // Loads the shim, starts MPI and waits for all ranks. A rank that gives no sign of life for `deadline` seconds while
  // it is awaited is silent.
  // Errors: kNoBackend for a file that is no shim of this version, kIo when MPI fails.
  static Status open(const std::string& library, double deadline, std::unique_ptr<MpiCommunicator>* communicator);
  ~MpiCommunicator() override;

  int rank() const override;
  int size() const override;
  const char* host(int rank) const;  // of a rank, as its MPI names it
  std::string name(int rank) const override;

  Status broadcast(void* data, size_t bytes, int root) override;
  Status exchange(int peer, const void* send, void* receive, size_t bytes) override;
  Status barrier() override;
  Status await(int peer) override;
  // Collects `bytes` bytes of every rank in `all`, in the order of the ranks.
  Status gather(const void* send, void* all, size_t bytes);

  // Tells all ranks that this one has failed, and collects `bytes` bytes of last words of every rank, each of which
  // says them when it has failed, too, or was told.
  Status last_words(const void* words, void* all, size_t bytes);

  // Ends MPI, once all ranks have called it.
  Status close();
  // Waits of this process fail from now on.
  void interrupt() noexcept;
  // Ends the processes of all ranks, this one too, where MPI can reach them; on a thread of its own, because an MPI
  // that cannot may never return.
  void end_all();

 private:
  explicit MpiCommunicator(std::unique_ptr<MpiShim> shim);

  std::unique_ptr<MpiShim> shim_;
};

}  // namespace onespike
