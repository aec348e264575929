// How failures become JavaScript errors. Inside native/addon, and only there, a failed check throws CodedError; the two
// guards below surround every exported function, so nothing ever leaves through Node-API's C frames.
#pragma once

#include <string>
#include <utility>

#include "addon/support/napi_setup.h"
#include "core/guard.h"
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
    throw;
  } catch (CodedError& error) {
    return {error.code, std::move(error.message)};
  } catch (...) {
    return exception_status();
  }
}

// What `body` answers; whatever it throws leaves as a JavaScript error, the one kind that Node-API's wrapper catches.
template <class Body>
auto with_js_errors(Napi::Env env, const Body& body) {
  Status status;
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    status = current_exception_status();
  }
  throw js_error(env, status);
}

using Function = Napi::Value (*)(const Napi::CallbackInfo&);

// For functions that answer at once: a failure is thrown.
template <Function function>
Napi::Value guard_sync(const Napi::CallbackInfo& info) {
  return with_js_errors(info.Env(), [&] { return function(info); });
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
