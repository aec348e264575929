#include "addon/support/check.h"

#include <cmath>
#include <cstdio>
#include <limits>

namespace onespike::addon {
namespace {

std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, std::abs(value) < 1e15 && value == std::floor(value) ? "%.0f" : "%.9g", value);
  return text;
}

std::string range_text(double min, double max) {
  const double infinite = std::numeric_limits<double>::infinity();
  if (min == -infinite && max == infinite) return "";
  if (max == infinite) return " >= " + number_text(min);
  if (min == -infinite) return " <= " + number_text(max);
  return " from " + number_text(min) + " to " + number_text(max);
}

}  // namespace

std::string describe(Napi::Value value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: return number_text(value.As<Napi::Number>().DoubleValue());
    case napi_string: {
      char text[44];
      size_t length = 0;
      napi_get_value_string_utf8(value.Env(), value, text, sizeof text, &length);
      return "'" + std::string(text, length) + (length >= 41 ? "...'" : "'");
    }
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_bigint: return "a bigint";
    case napi_object:
    case napi_external: break;
  }
  return value.IsArray() ? "an array" : value.IsTypedArray() ? "a typed array" : "an object";
}

void fail_expected(const std::string& what, const std::string& name, Napi::Value value, Code code) {
  fail(code, "Expected " + what + " for " + name + " but received " + describe(value));
}

void check_arity(const Napi::CallbackInfo& info, size_t count, const char* function) {
  if (info.Length() == count) return;
  fail(Code::kArg, std::string("Expected ") + std::to_string(count) + " arguments for " + function + " but received " +
                       std::to_string(info.Length()));
}

double read_number(Napi::Value value, const std::string& name, double min, double max) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  if (!std::isfinite(number) || number < min || number > max)
    fail_expected("a finite number" + range_text(min, max), name, value);
  return number;
}

float read_float(Napi::Value value, const std::string& name, double min, double max) {
  const float number = float(read_number(value, name, min, max));
  if (!std::isfinite(number)) fail_expected("a number within the range of float32", name, value);
  return number;
}

int64_t read_integer(Napi::Value value, const std::string& name, int64_t min, int64_t max) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : std::nan("");
  const double low = double(min), high = double(max);
  if (!std::isfinite(number) || number != std::floor(number) || number < low || number > high) {
    fail_expected("an integer" + range_text(low, high), name, value);
  }
  return int64_t(number);
}

bool read_boolean(Napi::Value value, const std::string& name) {
  if (!value.IsBoolean()) fail_expected("true or false", name, value);
  return value.As<Napi::Boolean>().Value();
}

std::string read_string(Napi::Value value, const std::string& name) {
  if (!value.IsString()) fail_expected("a string", name, value);
  return value.As<Napi::String>().Utf8Value();
}

Napi::Object read_object(Napi::Value value, const std::string& name) {
  if (value.Type() != napi_object || value.IsArray() || value.IsTypedArray() || value.IsDataView())
    fail_expected("an object", name, value);
  return value.As<Napi::Object>();
}

Napi::Array read_array(Napi::Value value, const std::string& name, uint32_t min_length, uint32_t max_length) {
  if (!value.IsArray()) fail_expected("an array", name, value);
  const Napi::Array array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length < min_length || length > max_length) {
    fail(Code::kShape, "Expected an array of length" + range_text(min_length, max_length) + " for " + name +
                           " but received one of " + std::to_string(length));
  }
  return array;
}

int64_t checked_product(int64_t a, int64_t b, const std::string& name) {
  // Half the address space and a factor of 16 for the widest element: any such buffer is a mistake, not a need.
  constexpr int64_t kMaxElements = std::numeric_limits<int64_t>::max() / 16;
  if (a < 0 || b < 0 || (a != 0 && b > kMaxElements / a)) {
    fail(Code::kShape, "Expected a size that fits in memory for " + name + " but received " + std::to_string(a) +
                           " x " + std::to_string(b));
  }
  return a * b;
}

namespace detail {

RawView raw_view(Napi::Value value, const std::string& name, napi_typedarray_type wanted, const char* kind) {
  const Napi::Env env = value.Env();
  const auto refuse = [&](const char* what, const char* received) {
    fail(Code::kArg, std::string("Expected ") + what + kind + " for " + name + " but received " + received);
  };
  if (!value.IsTypedArray()) fail_expected(std::string("a ") + kind, name, value);

  napi_typedarray_type type{};
  size_t length = 0, offset = 0;
  void* data = nullptr;
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok || type != wanted) {
    refuse("a ", "a typed array of another kind");
  }
  bool plain = false, detached = false;
  if (napi_is_arraybuffer(env, buffer, &plain) != napi_ok || !plain)
    refuse("an unshared ", "one on a SharedArrayBuffer");
  if (Napi::Object(env, buffer).Get("resizable").ToBoolean()) refuse("a fixed-size ", "one on a resizable ArrayBuffer");
  if (napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok || detached)
    refuse("an attached ", "a detached one");

  // Once more, because `resizable` may have been shadowed by a getter that moved the memory.
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset) != napi_ok)
    refuse("a ", "an unreadable one");
  return {data, int64_t(length)};
}

}  // namespace detail
}  // namespace onespike::addon
