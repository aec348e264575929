#include "core/backend/profile.h"

#include <algorithm>
#include <utility>

namespace onespike {

std::vector<ProfileEntry> Profile::take() { return std::exchange(entries_, {}); }

void Profile::start(int layer) {
  layer_ = layer;
  start_ = std::chrono::steady_clock::now();
}

double Profile::elapsed() const {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
}

void Profile::add(const char* operation, double milliseconds, const KernelChoice& choice) {
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const ProfileEntry& e) { return e.layer == layer_ && e.operation == operation; });
  if (entry == entries_.end()) entry = entries_.insert(entries_.end(), ProfileEntry{layer_, operation, {}, 0, 0});
  entry->choice = choice;
  entry->milliseconds += milliseconds;
  ++entry->calls;
  start_ = std::chrono::steady_clock::now();
}

void Profile::note(Status status) {
  if (failure_.ok()) failure_ = std::move(status);
}

Status Profile::take_failure() { return std::exchange(failure_, Status::success()); }

}  // namespace onespike
