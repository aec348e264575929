// Shapes and numbers for the tests of products on tensor cores, and the memory that these need.
#pragma once

#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "cuda/tensor/tensor_core.h"
#include "test/cuda/device_array.h"
#include "test/cuda/plain_products.h"
#include "test/support/cases.h"

namespace onespike::test {

namespace tc = cuda::tensor_core;
using Values = std::vector<float>;
using Bytes = std::vector<uint8_t>;

struct Problem {
  StageShape s;
  int n, T;
};

inline Problem problem(int n, int T, int height, int width, int channels, int out, int kernel, int stride, int pad,
                       int pool, bool linear) {
  StageShape s;
  s.linear = linear, s.pool = pool, s.stride = stride, s.pad = pad;
  s.src_h = height, s.src_w = width, s.src_c = channels, s.src_cs = round_up(channels, kLane);
  s.in_h = height / pool, s.in_w = width / pool;
  s.kernel_h = linear ? s.in_h : kernel, s.kernel_w = linear ? s.in_w : kernel;
  s.out_h = (s.in_h + 2 * pad - s.kernel_h) / stride + 1, s.out_w = (s.in_w + 2 * pad - s.kernel_w) / stride + 1;
  s.out_c = out, s.out_cs = round_up(out, kLane);
  return {s, n, T};
}

// Every step count that a launch handles by itself, and blocks of them; channels below, at and beyond a tile; odd maps,
// strides, no padding, wide kernels, pools with leftover rows, linear layers with and without a pool.
inline std::vector<Problem> problems() {
  return {problem(2, 5, 3, 5, 64, 64, 3, 1, 1, 1, false),   problem(3, 1, 5, 3, 16, 48, 3, 1, 1, 1, false),
          problem(2, 2, 7, 5, 80, 112, 3, 2, 1, 1, false),  problem(1, 3, 6, 7, 48, 16, 5, 1, 2, 1, false),
          problem(1, 4, 4, 4, 160, 32, 1, 1, 0, 1, false),  problem(1, 9, 5, 4, 32, 80, 3, 1, 1, 1, false),
          problem(2, 7, 5, 7, 32, 32, 2, 2, 0, 2, false),   problem(1, 6, 9, 6, 64, 16, 3, 1, 1, 3, false),
          problem(3, 5, 7, 9, 96, 64, 3, 1, 0, 2, false),   problem(5, 5, 1, 1, 128, 80, 1, 1, 0, 1, true),
          problem(70, 2, 2, 3, 32, 10, 1, 1, 0, 1, true),   problem(3, 8, 5, 4, 16, 144, 1, 1, 0, 2, true),
          problem(1, 5, 17, 16, 16, 16, 3, 1, 1, 1, false), problem(2, 1, 8, 8, 32, 70, 4, 3, 2, 1, false),
          problem(1, 63, 2, 2, 16, 16, 3, 1, 1, 1, false)};
}

// For weight gradients also maps large enough that several blocks share a tile of weights, of every format of sources
// and with ranges that end inside of tiles (weight_task.h); and a pool whose counts no byte below 128 holds.
inline std::vector<Problem> weight_problems() {
  std::vector<Problem> all = problems();
  all.push_back(problem(1, 5, 17, 17, 16, 144, 5, 1, 2, 1, false));
  all.push_back(problem(2, 5, 24, 20, 32, 16, 3, 1, 1, 2, false));
  all.push_back(problem(1, 1, 37, 36, 16, 16, 1, 1, 0, 1, false));
  all.push_back(problem(1, 5, 17, 17, 80, 16, 1, 1, 0, 1, false));
  all.push_back(problem(1, 5, 34, 34, 80, 16, 1, 1, 0, 2, false));
  all.push_back(problem(1, 2, 12, 13, 16, 16, 1, 1, 0, 12, false));
  return all;
}

inline std::string text(const Problem& p) {
  const StageShape& s = p.s;
  char line[160];
  std::snprintf(line, sizeof line, "n %d, T %d, %dx%dx%d -> %dx%dx%d, kernel %dx%d, stride %d, pad %d, pool %d%s", p.n,
                p.T, s.src_h, s.src_w, s.src_c, s.out_h, s.out_w, s.out_c, s.kernel_h, s.kernel_w, s.stride, s.pad,
                s.pool, s.linear ? ", linear" : "");
  return line;
}

// Multiples of 1/4 between -2 and 2; zero in a share of the places.
inline Values draw(Random& random, int64_t count, double zeros = 0) {
  Values values(static_cast<size_t>(count));
  for (float& v : values) v = random.chance(zeros) ? 0.0f : float(random.between(-8, 8)) / 4;
  return values;
}

inline Bytes draw_times(Random& random, const Problem& p, double activity) {
  Bytes times(size_t(p.n * p.s.src_size()));
  for (size_t i = 0; i < times.size(); ++i)
    times[i] =
        int(i) % p.s.src_cs < p.s.src_c && random.chance(activity) ? uint8_t(random.between(1, p.T)) : uint8_t(0);
  return times;
}

inline Values draw_weights(Random& random, const StageShape& s) {
  Values weight(size_t(s.weights()), 0.0f);
  for (int o = 0; o < s.out_c; ++o)
    for (int tap = 0; tap < s.taps(); ++tap)
      for (int c = 0; c < s.src_c; ++c)
        weight[size_t(plain_packed_index(s, o, tap, c))] = float(random.between(-8, 8)) / 8;
  return weight;
}

inline void same(const Values& value, const Values& expected, double tolerance, const std::string& what,
                 const Problem& p) {
  expect(value.size() == expected.size(), what + ": sizes");
  for (size_t i = 0; i < value.size(); ++i)
    if (!(std::fabs(value[i] - expected[i]) <= tolerance * std::max(1.0, std::fabs(double(expected[i])))))
      expect(false, what + " " + std::to_string(i) + ": expected " + std::to_string(expected[i]) + " but received " +
                        std::to_string(value[i]) + ", " + text(p));
}

struct Device {
  explicit Device(const Problem& p)
      : workspace(std::max<size_t>(tc::workspace_bytes(p.n, p.T, p.s), 1)),
        forward(tc::forward_bytes(p.s)),
        backward(tc::backward_bytes(p.s)) {
    expect(tc::takes(p.s, p.T), "takes " + text(p));
  }
  void pack(const DeviceArray<float>& weight, const Problem& p) {
    tc::pack_forward(stream, {.to = forward.data, .weight = weight.data, .shape = p.s});
    tc::pack_backward(stream, {.to = backward.data, .weight = weight.data, .shape = p.s});
  }
  void check(const Problem& p) const {
    expect(stream.error == cudaSuccess,
           std::string(stream.call) + ": " + cudaGetErrorName(stream.error) + ", " + text(p));
  }
  cuda::Stream stream;
  DeviceArray<unsigned char> workspace, forward, backward;
};

}  // namespace onespike::test
