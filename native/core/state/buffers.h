// Typed blocks of backend memory, and making all of those that a pass needs ready at once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/backend/backend.h"
#include "core/status.h"

namespace onespike {

// A typed block of backend memory, zeroed when allocated.
template <class T>
class Buffer {
 public:
  explicit Buffer(Backend& backend) : backend_(&backend) {}
  Buffer(Buffer&& other) noexcept : backend_(other.backend_), data_(other.data_), count_(other.count_) {
    other.data_ = nullptr;
  }
  ~Buffer() { backend_->release(data_); }

  Status ensure(int64_t count) {
    if (count <= count_) return Status::success();
    clear();
    data_ = static_cast<T*>(backend_->allocate(size_t(count) * sizeof(T)));
    if (Status status = data_ ? Status::success() : backend_->finish(); !status.ok())
      return status;  // it may be worse than no memory
    if (!data_)
      return Status::error(
          Code::kOom, "Not enough memory for a buffer of " + std::to_string(count * int64_t(sizeof(T))) + " bytes");
    count_ = count;
    return Status::success();
  }
  void clear() {
    backend_->release(data_);
    data_ = nullptr, count_ = 0;
  }
  T* data() const { return data_; }
  int64_t bytes() const { return bytes_of(count_); }
  static int64_t bytes_of(int64_t count) { return count * int64_t(sizeof(T)); }

 private:
  Backend* backend_;
  T* data_ = nullptr;
  int64_t count_ = 0;
};

// The backend's own memory beside the buffers, as one of them.
class WorkspaceBuffer {
 public:
  explicit WorkspaceBuffer(Backend& backend) : backend_(&backend) {}
  Status ensure(int64_t bytes) {
    if (backend_->reserve_workspace(size_t(bytes))) return Status::success();
    if (Status status = backend_->finish(); !status.ok()) return status;
    return Status::error(Code::kOom, "Not enough memory for a workspace of " + std::to_string(bytes) + " bytes");
  }
  void clear() { (void)backend_->reserve_workspace(0); }
  static int64_t bytes_of(int64_t bytes) { return bytes; }

 private:
  Backend* backend_;
};

// kOom for a batch of `images` whose buffers take bytes(images), where `free_bytes` are left for them; -1 = unknown.
Status out_of_memory(int64_t images, const std::function<int64_t(int64_t images)>& bytes, int64_t free_bytes);

// Allocates the buffers of a step: each(images, visit) calls visit(buffer, count) for every one of them. If they do
// not all fit, those that were there before are freed as well, so that a smaller batch may fit.
template <class Each>
Status ensure_buffers(const Backend& backend, int64_t images, const Each& each) {
  Status status;
  each(images, [&](auto& buffer, int64_t count) {
    if (status.ok()) status = buffer.ensure(count);
  });
  if (status.code != Code::kOom) return status;
  each(images, [](auto& buffer, int64_t) { buffer.clear(); });
  const auto bytes = [&](int64_t n) {
    int64_t sum = 0;
    each(n, [&](auto& buffer, int64_t count) { sum += buffer.bytes_of(count); });
    return sum;
  };
  return out_of_memory(images, bytes, backend.available_bytes());
}

}  // namespace onespike
