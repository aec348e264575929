// No exception leaves core.
#pragma once

#include <exception>
#include <new>
#include <string>

#include "core/status.h"

namespace onespike {

// Every public call ends in a status, and so does every step of a group: running out of memory is one.
template <class F>
Status guarded(const F& body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Status::error(Code::kOom, "Not enough memory");
  } catch (const std::exception& e) {
    return Status::error(Code::kState, std::string("Unexpected failure: ") + e.what());
  }
}

}  // namespace onespike
