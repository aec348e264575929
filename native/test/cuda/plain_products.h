// The products as plain loops over cells, taps and channels, in double precision.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/shape.h"

namespace onespike::test {

// Where a weight lies (core's order), found by walking the tiles.
inline int64_t plain_packed_index(const StageShape& s, int out, int tap, int source) {
  for (const Tile& tile : tiles_of(s.out_cs))
    if (out < tile.begin + tile.width)
      return int64_t(tile.begin) * s.taps() * s.src_cs + (int64_t(tap) * s.src_cs + source) * tile.width + out -
             tile.begin;
  return -1;
}

// Calls f(output cell, input cell, tap) of one image.
template <class F>
void each_connection(const StageShape& s, const F& f) {
  for (int oy = 0; oy < s.out_h; ++oy)
    for (int ox = 0; ox < s.out_w; ++ox)
      for (int ky = 0; ky < s.kernel_h; ++ky)
        for (int kx = 0; kx < s.kernel_w; ++kx) {
          const int y = oy * s.stride + ky - s.pad, x = ox * s.stride + kx - s.pad;
          if (y >= 0 && x >= 0 && y < s.in_h && x < s.in_w)
            f(int64_t(oy) * s.out_w + ox, int64_t(y) * s.in_w + x, ky * s.kernel_w + kx);
        }
}

// Spikes per pooled cell and step: (n, T, in_h, in_w, src_cs).
inline std::vector<double> plain_counts(int n, int T, const std::vector<uint8_t>& times, const StageShape& s) {
  std::vector<double> counts(size_t(n) * T * s.in_h * s.in_w * s.src_cs, 0.0);
  for (int64_t i = 0; i < int64_t(times.size()); ++i) {
    const int64_t image = i / s.src_size(), cell = i % s.src_size() / s.src_cs;
    const int64_t y = cell / s.src_w / s.pool, x = cell % s.src_w / s.pool;
    if (times[size_t(i)] && y < s.in_h && x < s.in_w)
      counts[size_t((((image * T + times[size_t(i)] - 1) * s.in_h + y) * s.in_w + x) * s.src_cs + i % s.src_cs)] += 1;
  }
  return counts;
}

// (n, T, in_h, in_w, src_cs) -> (n, T, out_h, out_w, out_cs).
inline std::vector<double> plain_products(int n, int T, const std::vector<double>& in, const std::vector<float>& weight,
                                          const StageShape& s) {
  std::vector<double> out(size_t(n * T * s.out_size()), 0.0);
  const int64_t in_size = int64_t(s.in_h) * s.in_w * s.src_cs;
  for (int64_t map = 0; map < int64_t(n) * T; ++map)
    each_connection(s, [&](int64_t to, int64_t from, int tap) {
      for (int c = 0; c < s.src_cs; ++c) {
        const double value = in[size_t(map * in_size + from * s.src_cs + c)];
        if (value != 0)
          for (int o = 0; o < s.out_cs; ++o)
            out[size_t(map * s.out_size() + to * s.out_cs + o)] +=
                value * weight[size_t(plain_packed_index(s, o, tap, c))];
      }
    });
  return out;
}

inline std::vector<double> plain_forward(int n, int T, const std::vector<uint8_t>& times,
                                         const std::vector<float>& weight, const StageShape& s) {
  return plain_products(n, T, plain_counts(n, T, times, s), weight, s);
}

// (n, T, out_h, out_w, out_cs) -> (n, T, in_h, in_w, src_cs).
inline std::vector<double> plain_backward(int n, int T, const std::vector<float>& a, const std::vector<float>& weight,
                                          const StageShape& s) {
  const int64_t in_size = int64_t(s.in_h) * s.in_w * s.src_cs;
  std::vector<double> in(size_t(n * T * in_size), 0.0);
  for (int64_t map = 0; map < int64_t(n) * T; ++map)
    each_connection(s, [&](int64_t from, int64_t to, int tap) {
      for (int o = 0; o < s.out_cs; ++o) {
        const double value = a[size_t(map * s.out_size() + from * s.out_cs + o)];
        if (value != 0)
          for (int c = 0; c < s.src_cs; ++c)
            in[size_t(map * in_size + to * s.src_cs + c)] += value * weight[size_t(plain_packed_index(s, o, tap, c))];
      }
    });
  return in;
}

// d_weight += scale * the products of inputs (n, T, in_h, in_w, src_cs) and gradients (n, T, out_h, out_w, out_cs).
inline void plain_weight_gradient(std::vector<float>& d_weight, int n, int T, const std::vector<double>& in,
                                  const std::vector<float>& g, double scale, const StageShape& s) {
  const int64_t in_size = int64_t(s.in_h) * s.in_w * s.src_cs;
  std::vector<double> sums(d_weight.size(), 0.0);
  for (int64_t map = 0; map < int64_t(n) * T; ++map)
    each_connection(s, [&](int64_t to, int64_t from, int tap) {
      for (int c = 0; c < s.src_cs; ++c) {
        const double value = in[size_t(map * in_size + from * s.src_cs + c)];
        if (value != 0)
          for (int o = 0; o < s.out_cs; ++o)
            sums[size_t(plain_packed_index(s, o, tap, c))] += value * g[size_t(map * s.out_size() + to * s.out_cs + o)];
      }
    });
  for (size_t i = 0; i < sums.size(); ++i) d_weight[i] = float(d_weight[i] + scale * sums[i]);
}

}  // namespace onespike::test
