// Result of a native operation: a code of the closed set that JavaScript sees, and a message that says what was
// expected, where, and what came. Nothing in native code throws across a module boundary or aborts the process.
#pragma once

#include <string>
#include <utility>

namespace onespike {

enum class Code { kOk, kArg, kShape, kState, kBusy, kAborted, kOom, kCuda, kNoBackend, kFormat, kIo };

struct [[nodiscard]] Status {
  Code code = Code::kOk;
  std::string message;

  bool ok() const { return code == Code::kOk; }
  static Status success() { return {}; }
  static Status error(Code code, std::string message) { return {code, std::move(message)}; }
  // Running out of memory. There may be none for the message either: the short one fits into the string itself.
  static Status no_memory() noexcept {
    try {
      return {Code::kOom, "Expected memory for the buffers of this operation but there is not enough"};
    } catch (...) {
      return {Code::kOom, "Out of memory"};
    }
  }
};

// The string that JavaScript sees as `error.code`.
inline const char* code_name(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kArg: return "ERR_ARG";
    case Code::kShape: return "ERR_SHAPE";
    case Code::kState: return "ERR_STATE";
    case Code::kBusy: return "ERR_BUSY";
    case Code::kAborted: return "ERR_ABORTED";
    case Code::kOom: return "ERR_OOM";
    case Code::kCuda: return "ERR_CUDA";
    case Code::kNoBackend: return "ERR_NO_BACKEND";
    case Code::kFormat: return "ERR_FORMAT";
    case Code::kIo: return "ERR_IO";
  }
  return "ERR_STATE";
}

}  // namespace onespike
