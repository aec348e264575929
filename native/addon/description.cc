// What JavaScript may ask about descriptions without a network: names, limits, and what an encoder makes of a pixel.
#include <string>
#include <vector>

#include "addon/api.h"
#include "addon/inputs.h"
#include "addon/support/check.h"
#include "core/limits.h"
#include "ops/encoders.h"
#include "ops/simulation/codes.h"
#include "ops/surrogate.h"

namespace onespike::addon {

Napi::Array encoder_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (const Encoder encoder : kEncoders) names.Set(names.Length(), encoder_entry(encoder).name);
  return names;
}

Napi::Array surrogate_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (const Surrogate kind : kSurrogates) names.Set(names.Length(), surrogate_name(kind));
  return names;
}

Napi::Array simulated_code_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (const SimulatedCode code : kSimulatedCodes) names.Set(names.Length(), simulated_code_name(code));
  return names;
}

Napi::Object limit_table(Napi::Env env) {
  Napi::Object table = Napi::Object::New(env);
  for (const Limit& limit : kLimits) {
    Napi::Object range = Napi::Object::New(env);
    range.Set("min", limit.min);
    range.Set("max", limit.max);
    table.Set(limit.name, range);
  }
  return table;
}

// inputEncoding(spec: NativeEncoderSpec): NativeInputEncoding
Napi::Value input_encoding(const Napi::CallbackInfo& info) {
  check_arity(info, 1, "inputEncoding");
  const Napi::Env env = info.Env();
  const Napi::Object spec = read_object(info[0], "spec");
  const Encoder encoder = read_encoder(spec.Get("encoder"), "spec.encoder");
  const EncoderEntry entry = encoder_entry(encoder);
  const int timesteps = int(read_integer(spec.Get("timesteps"), "spec.timesteps", limits::kTimesteps));
  const double lo = read_number(spec.Get("lo"), "spec.lo", limits::kLo);
  const double hi = read_number(spec.Get("hi"), "spec.hi", limits::kHi);
  if (!(lo < hi)) fail_expected("a number above lo", "spec.hi", spec.Get("hi"));
  const Napi::Array means = read_array(spec.Get("mean"), "spec.mean", 1, uint32_t(limits::kSide.max));
  const int channels = int(means.Length());
  const std::vector<float> mean = read_channels(means, "spec.mean", channels, limits::kMean);
  const std::vector<float> std = read_channels(spec.Get("std"), "spec.std", channels, limits::kStd);

  Napi::Float64Array events = Napi::Float64Array::New(env, size_t(channels) * 256);
  for (int c = 0; c < channels; ++c) {
    for (int byte = 0; byte < 256; ++byte)
      events[size_t(c) * 256 + size_t(byte)] = event_count(encoder, uint8_t(byte), mean[c], std[c], timesteps, lo, hi);
  }
  Napi::Uint8Array sends = Napi::Uint8Array::New(env, size_t{256} * size_t(timesteps));
  for (int byte = 0; byte < 256; ++byte) {
    EventSteps steps(encoder, uint8_t(byte), timesteps, lo, hi);
    for (size_t t = 0; t < size_t(timesteps); ++t) sends[size_t(byte) * size_t(timesteps) + t] = steps.next();
  }
  Napi::Object encoding = Napi::Object::New(env);
  encoding.Set("analogSteps", entry.analog_steps(timesteps));
  encoding.Set("random", entry.random());
  encoding.Set("events", events);
  encoding.Set("sends", sends);
  return encoding;
}

}  // namespace onespike::addon
