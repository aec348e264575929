// A JavaScript array that a job fills: native code writes into a buffer of its own, which is copied on the JS thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "addon/support/check.h"
#include "addon/support/napi_setup.h"

namespace onespike::addon {

// A JavaScript array and the native buffer that is copied into it when the job completes.
template <class T>
class Output {  // NOLINT(bugprone-exception-escape): a reference of Node-API throws where JavaScript has ended, no more
 public:
  Output() = default;
  Output(Napi::Value value, std::string name, int64_t length) : name_(std::move(name)), length_(length) {
    view_of<T>(value, name_, length_);
    reference_ = Napi::Persistent(value.As<Napi::Object>());
  }

  T* allocate() {  // on the runner's thread
    if (!reference_.IsEmpty()) buffer_.resize(size_t(length_));
    return buffer_.empty() ? nullptr : buffer_.data();
  }

  void deliver() const {
    if (reference_.IsEmpty()) return;
    ArrayView<T> view{};
    try {
      view = view_of<T>(reference_.Value(), name_, length_);
    } catch (const CodedError& error) {
      fail(Code::kState, "Expected " + name_ + " to stay as it was until the job ended: " + error.message);
    }
    std::memcpy(view.data, buffer_.data(), buffer_.size() * sizeof(T));
  }

 private:
  Napi::ObjectReference reference_;
  std::string name_;
  int64_t length_ = 0;
  std::vector<T> buffer_;
};

}  // namespace onespike::addon
