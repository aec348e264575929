#include "core/backend/profile.h"

#include <algorithm>
#include <utility>

namespace onespike {

std::vector<ProfileEntry> Profile::take() { return std::exchange(entries_, {}); }

ProfileEntry& Profile::entry(const char* operation) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const ProfileEntry& e) { return e.layer == layer_ && e.operation == operation; });
  if (found != entries_.end()) return *found;
  return entries_.emplace_back(ProfileEntry{layer_, operation, {}, 0, 0});
}

void Profile::start(const char* operation, int layer) {
  layer_ = layer;
  entry(operation);
  start_ = std::chrono::steady_clock::now();
}

double Profile::elapsed() const {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_).count();
}

void Profile::add(const char* operation, double milliseconds, const KernelChoice& choice) {
  ProfileEntry& to = entry(operation);
  to.choice = choice;
  to.milliseconds += milliseconds;
  ++to.calls;
  start_ = std::chrono::steady_clock::now();
}

void Profile::note(Status status) {
  if (failure_.ok()) failure_ = std::move(status);
}

Status Profile::take_failure() { return std::exchange(failure_, Status::success()); }

}  // namespace onespike
