// What the handle of a communicator stands for.
#pragma once

#include <memory>

#include "addon/support/handles.h"
#include "comm/mpi_communicator.h"

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
};

// The communicator of a handle, for a network that takes part. Throws ERR_ARG, ERR_STATE when it was closed.
std::shared_ptr<Communicator> communicator_of(Instance& instance, Napi::Value value);

}  // namespace onespike::addon
