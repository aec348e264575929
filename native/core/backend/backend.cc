#include "core/backend/backend.h"

#include <utility>

namespace onespike {

Status Backend::finish() {
  Status status = wait();
  if (!profile_) return status;
  profile_->note(std::move(status));
  return profile_->take_failure();
}

void Backend::add_entry(const char* operation, const KernelChoice& choice) {
  profile_->note(wait());
  const double milliseconds = profile_->elapsed();
  profile_->add(operation, milliseconds, resolve(choice));
}

}  // namespace onespike
