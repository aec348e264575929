#include "addon/support/job.h"

#include <utility>

#include "addon/support/errors.h"

namespace onespike::addon {

Napi::Promise Task::open(Napi::Env env) {
  deferred_.emplace(Napi::Promise::Deferred::New(env));
  return deferred_->Promise();
}

void Task::execute() noexcept {
  try {
    status_ = run(owner_->stop);
  } catch (...) {
    status_ = current_exception_status();
  }
}

void Task::complete(Napi::Env env) noexcept {
  try {
    owner_->settle(env);
    if (helper_) helper_->settle(env);
    if (!deferred_) return;  // nobody holds a promise
    Napi::Value value, reason;
    try {
      check(std::move(status_));
      if (read_only() && owner_->stop) fail(Code::kAborted, "The job was aborted");
      value = result(env);
    } catch (const Napi::Error& error) {
      reason = error.Value();
    } catch (...) {
      reason = js_error(env, current_exception_status()).Value();
    }
    if (reason.IsEmpty()) deferred_->Resolve(value);
    else deferred_->Reject(reason);
  } catch (...) {
    // Only an environment that is being terminated refuses these calls; its promises have no listeners any more.
  }
}

}  // namespace onespike::addon
