// What the handle of a communicator stands for.
#pragma once

#include <memory>

#include "addon/support/handles.h"
#include "comm/mpi_communicator.h"
#include "comm/nccl_link.h"

namespace onespike::addon {

class CommunicatorEntry final : public TaskOwner {
 public:
  ~CommunicatorEntry() override { runner.join(); }

  // Throws ERR_STATE when it was closed.
  void require_open() const;
  void require_idle() const override;
  void settle(Napi::Env) override { busy = false; }
  void request_stop() override;

  std::shared_ptr<MpiCommunicator> communicator;  // null until the task that opens it has ended, and once it was closed
  double deadline = 0;                            // seconds
  std::shared_ptr<NcclLink> link;                 // between the GPUs of the ranks, if there is one
};

// A communicator for a network that takes part, with the link between GPUs if there is one.
struct Ranks {
  std::shared_ptr<Communicator> communicator;
  std::shared_ptr<DeviceLink> link;
};

// Those of a handle. Throws ERR_ARG, ERR_STATE when it was closed.
Ranks ranks_of(Instance& instance, Napi::Value value);

}  // namespace onespike::addon
