// No exception leaves core.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

#include "core/status.h"

namespace onespike {

// The exception in flight, of a catch block, as a Status.
inline Status exception_status() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
  } catch (const std::length_error&) {  // a container larger than the address space
  } catch (const std::exception& error) {
    try {
      return Status::error(Code::kState, std::string("Unexpected failure: ") + error.what());
    } catch (...) {}
  } catch (...) {
    return {Code::kState, "Native failure"};
  }
  return Status::no_memory();
}

// What `body` answers, or what it threw: public calls end in a status, and so does every step of a group.
template <class Body>
Status guarded(const Body& body) noexcept {
  try {
    return body();
  } catch (...) {
    return exception_status();
  }
}

}  // namespace onespike
