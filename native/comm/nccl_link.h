// The devices of ranks linked by NCCL, which is loaded at run time (libnccl.so.2, 2.14 or newer): one GPU for each
// rank.
#pragma once

#include <memory>
#include <string>

#include "core/comm/communicator.h"
#include "core/comm/device_link.h"

namespace onespike {

struct Nccl;

// The version of a library as text, such as '2.28.3'. Errors: kNoBackend for a file that does not load or lacks a
// function.
Status nccl_version(const std::string& library, std::string* version);

// Calls come from any thread whose current device is that of the rank, one at a time. Its process's end is its own: to
// destroy it would wait for a GPU that hangs.
class NcclLink final : public DeviceLink {
 public:
  // All ranks call it, each with its own device current on this thread; `ranks` outlives the link. A rank whose numbers
  // do not come for `deadline` seconds is silent.
  // Errors, the same on every rank: kNoBackend where one of them has no such library, where versions differ, or where
  // NCCL does not start; kIo where a rank is silent.
  static Status open(const std::string& library, double deadline, Communicator& ranks, std::unique_ptr<NcclLink>* link);
  ~NcclLink() override;

  std::string version() const;  // the same on all ranks

  Status transfer(const std::vector<Transfer>& transfers, void* queue) override;
  Status await(int peer, double seconds) override;
  void arrived() override;
  void give_up() override;

 private:
  NcclLink(std::unique_ptr<Nccl> nccl, double deadline, Communicator& ranks);
  Status start();
  // Until a call that answered `result` has ended, which `peer` has to do with. Errors: `code`, kIo.
  Status settle(int result, int peer, Code code, const char* what);
  int state() const;
  // kIo where a rank is silent that has been awaited for so long, or has failed.
  Status patience(int peer, double seconds);
  Status error_of(Code code, int result, const char* what) const;

  std::unique_ptr<Nccl> nccl_;
  double deadline_;
  Communicator& ranks_;
  void* comm_ = nullptr;
};

}  // namespace onespike
