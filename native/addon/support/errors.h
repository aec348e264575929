// How failures become JavaScript errors. Inside native/addon, and only there, a failed check throws CodedError; the two
// guards below surround every exported function, so nothing ever leaves through Node-API's C frames.
#pragma once

#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "addon/support/napi_setup.h"
#include "core/status.h"

namespace onespike::addon {

struct CodedError {
  Code code;
  std::string message;
};

[[noreturn]] inline void fail(Code code, std::string message) { throw CodedError{code, std::move(message)}; }

inline void check(Status status) {
  if (!status.ok()) throw CodedError{status.code, std::move(status.message)};
}

// A JavaScript Error with `code` set.
inline Napi::Error js_error(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message);
  error.Set("code", Napi::String::New(env, code_name(status.code)));
  return error;
}

// The exception in flight as a Status; call it from a catch block. A Napi::Error is JavaScript's own and not for this.
inline Status current_exception_status() noexcept {
  try {
    try {
      throw;
    } catch (const CodedError& error) {
      return Status::error(error.code, error.message);
    } catch (const std::bad_alloc&) {
      return Status::error(Code::kOom, "Out of memory: no room for the buffers of this operation");
    } catch (const std::length_error&) {
      return Status::error(Code::kOom,
                           "Out of memory: a buffer of this operation is larger than the address space allows");
    } catch (const std::exception& error) {
      return Status::error(Code::kState, std::string("Unexpected native failure: ") + error.what());
    } catch (...) {
      return Status::error(Code::kState, "Unexpected native failure");
    }
  } catch (...) {
    return Status{Code::kOom, {}};  // not even the message could be allocated
  }
}

using Function = Napi::Value (*)(const Napi::CallbackInfo&);

// For functions that answer at once: a failure is thrown.
template <Function function>
Napi::Value guard_sync(const Napi::CallbackInfo& info) {
  Status status;
  try {
    return function(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    status = current_exception_status();
  }
  throw js_error(info.Env(), status);
}

// For functions that return a promise: a failure before the job starts rejects as well, it never throws.
template <Function function>
Napi::Value guard_async(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Napi::Value reason;
  try {
    return function(info);
  } catch (const Napi::Error& error) {
    reason = error.Value();
  } catch (...) {
    reason = js_error(env, current_exception_status()).Value();
  }
  Napi::Promise::Deferred deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(reason);
  return deferred.Promise();
}

}  // namespace onespike::addon
