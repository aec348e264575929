// Whether a backend replays repeated training steps from a recording (a CUDA graph) instead of calling every operation.
#pragma once

#include <string>

namespace onespike {

struct Recorded {
  bool recorded = false;
  std::string reason;  // why they are not replayed, in words for people; empty if they are
};

}  // namespace onespike
