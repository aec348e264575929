// Argument checks: arity, types, ranges, typed arrays. Each throws CodedError with the message
// `Expected <what> for <name> but received <value>`; nothing is cast before it was checked.
//
// Reading a property can run a user's getter, and that can detach any array or dispose any handle. Hence the rule of
// this folder: read all values first, view an array (view_of) last, copy at once, and check states again after.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>

#include "addon/support/errors.h"
#include "addon/support/napi_setup.h"
#include "core/limits.h"

namespace onespike::addon {

// Short text of any value for a message. Runs no JavaScript.
std::string describe(Napi::Value value);

[[noreturn]] void fail_expected(const std::string& what, const std::string& name, Napi::Value value,
                                Code code = Code::kArg);

// Exactly `count` arguments: more is a mistake as well.
void check_arity(const Napi::CallbackInfo& info, size_t count, const char* function);

double read_number(Napi::Value value, const std::string& name, double min, double max);
inline double read_number(Napi::Value value, const std::string& name, const Limit& limit) {
  return read_number(value, name, limit.min, limit.max);
}
float read_float(Napi::Value value, const std::string& name, double min, double max);
int64_t read_integer(Napi::Value value, const std::string& name, int64_t min, int64_t max);
inline int64_t read_integer(Napi::Value value, const std::string& name, const Limit& limit) {
  return read_integer(value, name, int64_t(limit.min), int64_t(limit.max));
}
bool read_boolean(Napi::Value value, const std::string& name);
std::string read_string(Napi::Value value, const std::string& name);
Napi::Object read_object(Napi::Value value, const std::string& name);
Napi::Array read_array(Napi::Value value, const std::string& name, uint32_t min_length, uint32_t max_length);

inline bool is_absent(Napi::Value value) { return value.IsUndefined() || value.IsNull(); }

// One of a fixed list of names, as the constant that it stands for.
template <class T>
T read_choice(Napi::Value value, const std::string& name, std::initializer_list<std::pair<const char*, T>> choices) {
  const std::string text = value.IsString() ? read_string(value, name) : std::string();
  std::string known;
  for (const auto& [word, constant] : choices) {
    if (text == word) return constant;
    known += std::string(known.empty() ? "'" : ", '") + word + "'";
  }
  fail_expected("one of " + known, name, value);
}

// The same of the enumerators of an array, which `name_of` names.
template <class T, size_t kCount, class NameOf>
T read_named(Napi::Value value, const std::string& name, const T (&all)[kCount], const NameOf& name_of) {
  const std::string text = value.IsString() ? read_string(value, name) : std::string();
  std::string known;
  for (const T constant : all) {
    const std::string word = name_of(constant);
    if (text == word) return constant;
    known += (known.empty() ? "'" : ", '") + word + "'";
  }
  fail_expected("one of " + known, name, value);
}

// a * b, or ERR_SHAPE when the product exceeds what one allocation can hold.
int64_t checked_product(int64_t a, int64_t b, const std::string& name);

// Largest integer that a JavaScript number holds exactly.
constexpr int64_t kMaxSafeInteger = (int64_t{1} << 53) - 1;

// Memory of a typed array: valid until JavaScript runs again.
template <class T>
struct ArrayView {
  T* data;
  int64_t length;
};

namespace detail {
struct RawView {
  void* data;
  int64_t length;
};
RawView raw_view(Napi::Value value, const std::string& name, napi_typedarray_type type, const char* kind);
}  // namespace detail

// A typed array of exactly T, attached, neither shared nor resizable.
template <class T>
ArrayView<T> view_of(Napi::Value value, const std::string& name) {
  detail::RawView raw{};
  if constexpr (std::is_same_v<T, uint8_t>) raw = detail::raw_view(value, name, napi_uint8_array, "Uint8Array");
  else if constexpr (std::is_same_v<T, int32_t>) raw = detail::raw_view(value, name, napi_int32_array, "Int32Array");
  else if constexpr (std::is_same_v<T, uint32_t>) raw = detail::raw_view(value, name, napi_uint32_array, "Uint32Array");
  else {
    static_assert(std::is_same_v<T, float>);
    raw = detail::raw_view(value, name, napi_float32_array, "Float32Array");
  }
  return {static_cast<T*>(raw.data), raw.length};
}

// The same, of exactly `length` elements (else ERR_SHAPE).
template <class T>
ArrayView<T> view_of(Napi::Value value, const std::string& name, int64_t length) {
  const ArrayView<T> view = view_of<T>(value, name);
  if (view.length != length) {
    fail(Code::kShape, "Expected " + std::to_string(length) + " elements for " + name + " but received " +
                           std::to_string(view.length));
  }
  return view;
}

}  // namespace onespike::addon
