// Opaque handles: a JavaScript object that holds a shared pointer, and the tag by which it is told from any other
// object.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "addon/support/check.h"
#include "addon/support/napi_setup.h"

namespace onespike::addon {

// `finalize` receives the shared pointer, on the heap, when the object was collected.
template <class Entry>
Napi::Value wrap(Napi::Env env, std::shared_ptr<Entry> entry, const napi_type_tag& tag, napi_finalize finalize) {
  Napi::Object object = Napi::Object::New(env);
  auto holder = std::make_unique<std::shared_ptr<Entry>>(std::move(entry));
  if (napi_type_tag_object(env, object, &tag) != napi_ok ||
      napi_wrap(env, object, holder.get(), finalize, nullptr, nullptr) != napi_ok) {
    throw Napi::Error::New(env);
  }
  (void)holder.release();  // now the finalizer's
  return object;
}

template <class Entry>
std::shared_ptr<Entry> unwrap(Napi::Value value, const napi_type_tag& tag, const char* kind) {
  bool tagged = false;
  void* data = nullptr;
  if (value.Type() != napi_object || napi_check_object_type_tag(value.Env(), value, &tag, &tagged) != napi_ok ||
      !tagged || napi_unwrap(value.Env(), value, &data) != napi_ok) {
    fail_expected(std::string("a ") + kind + " handle of this copy of onespike", kind, value);
  }
  return *static_cast<std::shared_ptr<Entry>*>(data);
}

}  // namespace onespike::addon
