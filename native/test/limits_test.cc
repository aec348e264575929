// core/limits.h at every limit: a description is accepted with a number that lies on it and refused with one beyond it.
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "backends.h"
#include "core/backend/backend.h"
#include "core/limits.h"
#include "core/plan.h"
#include "test/code/code_cases.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr ChunkLimits kChunks{1 << 20, 1 << 20, 1 << 20, 1 << 20, 64, 64};

Status plan_of(const NetworkSpec& spec) {
  Plan plan;
  return make_plan(spec, kChunks, &plan);
}

NetworkSpec small() { return network_spec(2, 12, 12, 3, {conv(4, 3, 1, 1, true), pool(2), linear(5), output(3)}); }

// Sets a number of the description; the rest is made to go with it.
struct Place {
  Limit limit;
  bool integer;
  std::function<void(NetworkSpec&, double)> set;
};

const Place kPlaces[] = {
    {limits::kTimesteps, true, [](NetworkSpec& s, double x) { s.timesteps = int(x); }},
    {limits::kRadixTimesteps, true,
     [](NetworkSpec& s, double x) { s.timesteps = int(x), s.encoder = Encoder::kRadix; }},
    {limits::kSide, true, [](NetworkSpec& s, double x) { s = network_spec(int(x), 1, 1, 1, {output(2)}); }},
    {limits::kSide, true, [](NetworkSpec& s, double x) { s = network_spec(1, int(x), 1, 1, {output(2)}); }},
    {limits::kSide, true, [](NetworkSpec& s, double x) { s = network_spec(1, 1, int(x), 1, {output(2)}); }},
    {limits::kLayers, true,
     [](NetworkSpec& s, double x) {
       s.layers.assign(x < 1 ? 0 : size_t(x) - 1, linear(1));
       if (x >= 1) s.layers.push_back(output(2));
     }},
    {limits::kOut, true, [](NetworkSpec& s, double x) { s.layers[2].out = int(x); }},
    {limits::kOut, true, [](NetworkSpec& s, double x) { s.layers[0].out = int(x), s.timesteps = 1; }},
    {limits::kKernel, true,
     [](NetworkSpec& s, double x) { s.layers[0].kernel = int(x), s.layers[0].padding = 255, s.timesteps = 1; }},
    {limits::kStride, true, [](NetworkSpec& s, double x) { s.layers[0].stride = int(x), s.layers[1].kernel = 1; }},
    {limits::kPadding, true, [](NetworkSpec& s, double x) { s.layers[0].padding = int(x); }},
    {limits::kPool, true, [](NetworkSpec& s, double x) { s = network_spec(1, 70, 70, 3, {pool(int(x)), output(2)}); }},
    {limits::kLeak, false, [](NetworkSpec& s, double x) { s.layers[2].leak = float(x); }},
    {limits::kThreshold, false, [](NetworkSpec& s, double x) { s.layers[0].threshold = float(x); }},
    {limits::kDropout, false, [](NetworkSpec& s, double x) { s.layers[0].dropout = float(x); }},
    {limits::kMean, false, [](NetworkSpec& s, double x) { s.mean[1] = float(x); }},
    {limits::kStd, false, [](NetworkSpec& s, double x) { s.std[1] = float(x); }},
    {limits::kAlpha, false, [](NetworkSpec& s, double x) { s.alpha = float(x); }},
    {limits::kBeta, false, [](NetworkSpec& s, double x) { s.beta = float(x); }},
    {limits::kGamma, false, [](NetworkSpec& s, double x) { s.gamma = float(x); }},
    {limits::kSurrogateScale, false, [](NetworkSpec& s, double x) { s.surrogate_scale = float(x); }},
    {limits::kInitialPotential, false, [](NetworkSpec& s, double x) { s.initial_potential = float(x); }},
    {limits::kLo, false, [](NetworkSpec& s, double x) { s.lo = x, s.hi = x < 1e6 ? 1e6 : 2e6; }},
    {limits::kWindow, true,
     [](NetworkSpec& s, double x) {
       s.code = ttfs(int(x));
       for (LayerSpec& layer : s.layers) layer.time_constant = 1000;
     }},
    {limits::kBits, true, [](NetworkSpec& s, double x) { s.code = radix(int(x)); }},
    {limits::kBase, false, [](NetworkSpec& s, double x) { s.code = one_spike_phase(float(x), 4); }},
    {limits::kPeriod, true, [](NetworkSpec& s, double x) { s.code = one_spike_phase(1.3f, int(x)); }},
    {limits::kTimeConstant, false,
     [](NetworkSpec& s, double x) { s.code = ttfs(4), s.layers[0].time_constant = float(x); }},
    {limits::kDelay, false,
     [](NetworkSpec& s, double x) {
       s.code = ttfs(0), s.layers[0].time_constant = 1000, s.layers[0].delay = float(x);
     }},
    {limits::kHi, false, [](NetworkSpec& s, double x) { s.hi = x, s.lo = x > -1e6 ? -1e6 : -2e6; }},
};

void at_the_limits() {
  for (const Place& place : kPlaces) {
    const auto check = [&](double value, bool accepted) {
      NetworkSpec spec = small();
      place.set(spec, value);
      const Status status = plan_of(spec);
      const std::string what = std::string(place.limit.name) + " = " + std::to_string(value);
      expect(status.ok() == accepted, what + (accepted ? " is refused: " + status.message : " is accepted"));
      expect(accepted || status.code == Code::kArg || status.code == Code::kShape, what + ": " + status.message);
    };
    // The numbers beyond, as the description holds them; `lo` has nothing to be below at its upper end.
    const auto [min, max] = std::pair(place.limit.min, place.limit.max);
    const float infinite = std::numeric_limits<float>::infinity();
    const bool low = place.limit.name != std::string("hi"), high = place.limit.name != std::string("lo");
    if (low) check(min, true);
    if (high) check(max, true);
    check(place.integer ? min - 1 : double(std::nextafter(float(min), -infinite)), false);
    check(place.integer ? max + 1 : double(std::nextafter(float(max), infinite)), false);
    if (!place.integer) check(std::nan(""), false);
  }
}

void threads() {
  const auto made = [](double number) {
    std::unique_ptr<Backend> backend;
    return make_backend({.kind = BackendKind::kCpu, .threads = int(number)}, &backend).code;
  };
  expect(made(limits::kThreads.min) == Code::kOk, "the fewest threads");
  expect(made(limits::kThreads.min - 1) == Code::kArg, "fewer threads");
  expect(made(limits::kThreads.max + 1) == Code::kArg, "more threads");
}

// Pools that follow each other are one window.
void pools_together() {
  expect(plan_of(network_spec(1, 64, 64, 1, {pool(8), pool(8), output(2)})).ok(), "8 x 8");
  const Status status = plan_of(network_spec(1, 90, 90, 1, {pool(8), pool(9), output(2)}));
  expect(status.code == Code::kArg && status.message.find("layers[1]") == 0, "8 x 9: " + status.message);
}

// Tensors whose size is just below and just above the limit, by weights, by a map over all steps and by its border.
void elements() {
  const auto check = [](const NetworkSpec& spec, bool expected, const char* what) {
    const Status status = plan_of(spec);
    expect(status.ok() == expected && (expected || status.code == Code::kShape), what + (": " + status.message));
  };
  check(network_spec(1, 65535, 2048, 1, {output(16)}), true, "65535 * 2048 * 16 weights");
  check(network_spec(1, 65535, 2049, 1, {output(16)}), false, "65535 * 2049 * 16 weights");
  check(network_spec(1, 1, 1, 254, {conv(16, 1, 1, 0), output(2)}), true, "a small map");
  check(network_spec(1, 726, 727, 254, {conv(16, 1, 1, 0), output(2)}), true, "726 * 727 cells over 254 steps");
  check(network_spec(1, 727, 727, 254, {conv(16, 1, 1, 0), output(2)}), false, "727 * 727 cells over 254 steps");
  // Gradients of a 3x3 convolution lie in a border of 2 cells before and 1 behind.
  check(network_spec(1, 723, 723, 254, {conv(16, 3, 1, 1), output(2)}), true, "723 * 723 cells with a border");
  check(network_spec(1, 724, 724, 254, {conv(16, 3, 1, 1), output(2)}), false, "724 * 724 cells with a border");
  NetworkSpec wide = network_spec(1, 1, 65535, 1, {conv(1, 1, 1, 0), output(2)});
  check(wide, true, "65535 columns");
  wide.layers[0].padding = 1;
  check(wide, false, "65537 columns");
}

}  // namespace

void add_limits_tests(Tests& tests) {
  tests.push_back({"limits are accepted, what lies beyond is refused", at_the_limits});
  tests.push_back({"limits of threads", threads});
  tests.push_back({"limits of pools that follow each other", pools_together});
  tests.push_back({"limits of tensors", elements});
}

}  // namespace onespike::test
