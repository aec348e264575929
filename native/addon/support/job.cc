#include "addon/support/job.h"

#include "addon/support/errors.h"

namespace onespike::addon {

Napi::Promise Job::open(Napi::Env env) {
  deferred_.emplace(Napi::Promise::Deferred::New(env));
  return deferred_->Promise();
}

void Job::execute() noexcept {
  try {
    status_ = run(entry_->stop);
  } catch (...) {
    status_ = current_exception_status();
  }
}

void Job::complete(Napi::Env env) noexcept {
  try {
    if (status_.ok() && read_only() && entry_->stop) status_ = Status::error(Code::kAborted, "The job was aborted");
    entry_->settle(env);
    Napi::Value value, reason;
    if (status_.ok()) {
      try {
        value = result(env);
      } catch (const Napi::Error& error) {
        reason = error.Value();
      } catch (...) {
        reason = js_error(env, current_exception_status()).Value();
      }
    } else {
      reason = js_error(env, status_).Value();
    }
    if (reason.IsEmpty()) deferred_->Resolve(value);
    else deferred_->Reject(reason);
  } catch (...) {
    // Only an environment that is being terminated refuses these calls; its promises have no listeners any more.
  }
}

}  // namespace onespike::addon
