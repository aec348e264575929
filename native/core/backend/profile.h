// Where the time goes: wall time of the operations of a backend, added up by layer and operation.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/backend/values.h"
#include "core/status.h"

namespace onespike {

constexpr int kWholeNetwork = -1;

struct ProfileEntry {
  int layer = kWholeNetwork;  // entry of the layer list
  std::string operation;      // kOperation of its task, or the name of a part of it
  KernelChoice choice;        // of the last call
  double milliseconds = 0;    // sum over the calls
  int64_t calls = 0;
};

class Profile {
 public:
  // What was measured since the last call, in order of first appearance.
  std::vector<ProfileEntry> take();

  // ---- for the backend. The clock of an operation starts, and starts again with every entry. The operation's own
  // entry is there from its start: an update that was made and then found no memory for its entry would be half a step.
  void start(const char* operation, int layer);
  double elapsed() const;  // milliseconds
  void add(const char* operation, double milliseconds, const KernelChoice& choice);

  // Measuring an operation waits for it, and waiting returns the error of what failed: it is kept here until the caller
  // of the step asks. The first failure counts.
  void note(Status status);
  bool failed() const { return !failure_.ok(); }
  Status take_failure();

 private:
  ProfileEntry& entry(const char* operation);

  std::vector<ProfileEntry> entries_;
  int layer_ = kWholeNetwork;
  std::chrono::steady_clock::time_point start_;
  Status failure_;
};

}  // namespace onespike
