// The dense kernels in mixed precision, on every instruction set: exactly the 32-bit result where bf16 holds the
// operands and a float every sum, within rounding elsewhere; and the rows of the input gradient that the spiking
// backward pass uses.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "core/backend/backend.h"
#include "cpu/backend/create.h"
#include "cpu/dense/dense.h"
#include "cpu/simd/scratch.h"
#include "cpu/simd/targets.h"
#include "test/support/cases.h"
#include "test/support/held_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

std::vector<StageShape> shapes() {
  std::vector<StageShape> all;
  for (int kernel : {1, 2, 3, 5})
    for (int stride : {1, 2, 3})
      all.push_back(shape_of(6, 5, 16 * (1 + kernel % 3), 16 * (stride + kernel % 2), kernel, stride,
                             (kernel + stride) % 3, 1, false));
  for (int pool : {1, 2}) {
    all.push_back(shape_of(5, 7, 48, 80, 3, 1, 1, pool, false));
    all.push_back(shape_of(4, 5, 16, 112, 3, 1, 1, pool, true));
    all.push_back(shape_of(2, 2, 32, 48, 3, 1, 1, pool, true));
  }
  return all;
}

std::string describe(const StageShape& s, int n) {
  return std::to_string(n) + " images " + std::to_string(s.src_h) + "x" + std::to_string(s.src_w) + "x" +
         std::to_string(s.src_cs) + " pool " + std::to_string(s.pool) +
         (s.linear
              ? " linear"
              : " conv " + std::to_string(s.kernel_h) + "/" + std::to_string(s.stride) + "/" + std::to_string(s.pad)) +
         " -> " + std::to_string(s.out_cs);
}

using Values = std::vector<float>;

Values draw(Random& random, int64_t count, bool integers) {
  Values values(static_cast<size_t>(count));
  for (float& v : values) v = integers ? float(random.between(-3, 3)) : float(random.normal());
  return values;
}

// One layer on one backend; memory is the backend's own.
class Layer {
 public:
  Layer(Backend& backend, const StageShape& s, int n) : backend_(backend), memory_(backend), shape_(s), n_(n) {}
  struct Result {
    Values forward, input_gradient, weight_gradient;
  };
  Result run(const Values& source, const Values& weight, const Values& bias, const Values& d_out) {
    const StageShape& s = shape_;
    float *src = memory_.upload(source), *w = memory_.upload(weight), *b = memory_.upload(bias),
          *g = memory_.upload(d_out);
    float *packed = memory_.hold<float>(n_ * s.padded_size()), *out = memory_.upload(d_out),
          *d_src = memory_.upload(source), *d_weight = memory_.hold<float>(int64_t(weight.size()));
    float* backward = memory_.hold<float>(int64_t(backend_.backward_bytes(true, s) / sizeof(float) + 1));
    backend_.run(PackBackwardTask{.to = backward, .weight = w, .dense = true, .shape = s});
    backend_.run(PackInputTask{.packed = packed, .src = src, .n = n_, .shape = s});
    backend_.run(
        DenseForwardTask{.out = out, .packed = packed, .weight = w, .bias = b, .relu = true, .n = n_, .shape = s});
    backend_.run(DenseWeightGradientTask{.d_weight = d_weight, .packed = packed, .d_out = g, .n = n_, .shape = s});
    backend_.run(DenseInputGradientTask{
        .d_src = d_src, .d_out = g, .weight = w, .weight_backward = backward, .activation = src, .n = n_, .shape = s});
    return {memory_.download(out, int64_t(d_out.size())), memory_.download(d_src, int64_t(source.size())),
            memory_.download(d_weight, int64_t(weight.size()))};
  }

 private:
  Backend& backend_;
  HeldMemory memory_;
  StageShape shape_;
  int n_;
};

double distance(const Values& a, const Values& b) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < a.size(); ++i)
    difference += (double(a[i]) - b[i]) * (double(a[i]) - b[i]), norm += double(b[i]) * b[i];
  return std::sqrt(difference / std::max(norm, 1e-30));
}

// A few, an odd number among them; where AMX takes blocks of images so many that the last of them is whole, of its own
// or half empty.
std::vector<int> image_counts(const StageShape& s) {
  if (s.src_cs % cpu::kBlockChannels == 0 && s.out_cs % cpu::kBlockChannels == 0)
    return cpu::native_amx() ? std::vector<int>{1, 5, 16, 45} : std::vector<int>{3};
  return s.src_size() < 256 ? std::vector<int>{1, 39} : std::vector<int>{1, 5};
}

// Sums of products of small whole numbers are exact, so bf16 must give the bits of 32 bits. With other numbers every
// operand is off by at most 2^-9, and the sums by less than 1e-2 of their norm.
void mixed_against_fp32(bool integers) {
  Random random(integers ? 31 : 32);
  std::vector<StageShape> all = shapes();
  all.push_back(shape_of(21, 19, 16, 32, 3, 1, 1, 1, false));  // more cells than one chunk of the weight gradient
  all.push_back(shape_of(1, 1, 896, 16, 1, 1, 0, 1, true));    // more channels than one of its tasks
  // What fills the tiles of AMX: strides, taps on the padding alone, maps of a chunk's fraction and of several, an odd
  // number of images.
  all.push_back(shape_of(16, 18, 64, 96, 3, 1, 1, 2, false));
  all.push_back(shape_of(12, 11, 96, 32, 4, 2, 1, 1, false));
  all.push_back(shape_of(9, 10, 32, 64, 5, 2, 2, 1, false));
  all.push_back(shape_of(2, 1, 64, 32, 3, 1, 1, 1, false));
  all.push_back(shape_of(3, 310, 32, 32, 3, 1, 0, 1, false));
  all.push_back(shape_of(7, 7, 160, 128, 1, 1, 0, 1, false));
  for (const StageShape& s : all)
    for (int n : image_counts(s)) {
      const Values source = draw(random, n * s.src_size(), integers), weight = draw(random, s.weights(), integers),
                   bias = draw(random, s.out_cs, integers), d_out = draw(random, n * s.out_size(), integers);
      const auto run = [&](Precision precision, int threads) {
        const auto backend = make_cpu_backend({.threads = threads, .precision = precision});
        return Layer(*backend, s, n).run(source, weight, bias, d_out);
      };
      const Layer::Result fp32 = run(Precision::kFp32, 1), mixed = run(Precision::kMixed, 1),
                          threads = run(Precision::kMixed, 3);
      const auto compare = [&](const Values& value, const Values& again, const Values& reference,
                               const std::string& what) {
        expect(!std::memcmp(value.data(), again.data(), value.size() * sizeof(float)),
               what + " depends on threads, " + describe(s, n));
        const double d = distance(value, reference);
        if (integers)
          expect(value == reference, what + " differs from 32 bits by " + std::to_string(d) + ", " + describe(s, n));
        else expect(d > 1e-5 && d < 1e-2, what + " is " + std::to_string(d) + " from 32 bits, " + describe(s, n));
      };
      compare(mixed.forward, threads.forward, fp32.forward, "forward");
      compare(mixed.input_gradient, threads.input_gradient, fp32.input_gradient, "input gradient");
      compare(mixed.weight_gradient, threads.weight_gradient, fp32.weight_gradient, "weight gradient");
    }
}

// What an image sends, and the gradient that it receives, do not depend on the other images, whatever the kernel.
void images_alone() {
  Random random(35);
  for (const StageShape& s : {shape_of(8, 8, 64, 96, 3, 1, 1, 1, false), shape_of(9, 10, 32, 64, 5, 2, 2, 1, false),
                              shape_of(8, 6, 96, 32, 3, 1, 1, 2, false)}) {
    const bool blocks = cpu::native_amx();
    const int all = blocks ? 37 : 5;
    const Values source = draw(random, all * s.src_size(), false), weight = draw(random, s.weights(), false),
                 bias = draw(random, s.out_cs, false), d_out = draw(random, all * s.out_size(), false);
    const auto backend = make_cpu_backend({.threads = 2, .precision = Precision::kMixed});
    const Layer::Result whole = Layer(*backend, s, all).run(source, weight, bias, d_out);
    for (int n : blocks ? std::vector<int>{1, 11, 12, 16, 33} : std::vector<int>{1, 4}) {
      const Layer::Result part = Layer(*backend, s, n)
                                     .run(Values(source.begin(), source.begin() + n * s.src_size()), weight, bias,
                                          Values(d_out.begin(), d_out.begin() + n * s.out_size()));
      expect(!std::memcmp(part.forward.data(), whole.forward.data(), part.forward.size() * sizeof(float)),
             "forward of " + describe(s, n));
      expect(!std::memcmp(part.input_gradient.data(), whole.input_gradient.data(),
                          part.input_gradient.size() * sizeof(float)),
             "input gradient of " + describe(s, n));
    }
  }
}

template <class T>
struct Aligned {
  explicit Aligned(size_t count) : data(memory.reserve(count)) {}
  cpu::ScratchSet set;
  cpu::Scratch<T> memory{set};
  T* data;
};

void gradient_rows(Precision precision) {
  Random random(33);
  const int n = 2, T = 2;
  for (const StageShape& s : shapes()) {
    // Whole numbers, so that sums are exact.
    const Values a = draw(random, n * T * s.out_size(), true), weight = draw(random, s.weights(), true);
    Aligned<float> floats(a.size()), w(weight.size());
    std::copy(a.begin(), a.end(), floats.data), std::copy(weight.begin(), weight.end(), w.data);
    Aligned<uint16_t> halves(a.size());
    cpu::to_bf16(halves.data, floats.data, int64_t(a.size()));
    const void* values = precision == Precision::kMixed ? static_cast<const void*>(halves.data) : floats.data;
    const cpu::GradientCells cells(values, false, T, precision, s);
    const int rows = s.linear ? 1 : s.in_h, columns = s.linear ? 1 : s.in_w,
              channels = s.linear ? s.taps() * s.src_cs : s.src_cs;
    for (const Tile& tile : tiles_of(channels)) {
      Aligned<uint32_t> panel(size_t(cpu::gradient_panel_words(tile.width, precision, s)));
      cpu::pack_gradient_panel(panel.data, w.data, tile.begin, tile.width, precision, s);
      for (int image = 0; image < n; ++image)
        for (int y = 0; y < rows; ++y) {
          const int first = columns > 2 ? 1 : 0;
          Aligned<float> out(size_t(columns - first) * T * tile.width);
          cpu::dense_gradient_cells(out.data, cells, panel.data, tile.width,
                                    (int64_t(image) * rows + y) * columns + first, columns - first);
          for (int x = first; x < columns; ++x)
            for (int t = 0; t < T; ++t)
              for (int c = 0; c < tile.width; ++c) {
                double sum = 0;
                for (int oy = 0; oy < s.out_h; ++oy)
                  for (int ox = 0; ox < s.out_w; ++ox) {
                    const int ky = y + s.pad - oy * s.stride, kx = x + s.pad - ox * s.stride;
                    if (!s.linear && (ky < 0 || kx < 0 || ky >= s.kernel_h || kx >= s.kernel_w)) continue;
                    const int64_t row =
                        s.linear ? tile.begin + c : int64_t(ky * s.kernel_w + kx) * s.src_cs + tile.begin + c;
                    for (const Tile& o : tiles_of(s.out_cs))
                      for (int lane = 0; lane < o.width; ++lane)
                        sum += double(a[((int64_t(image) * T + t) * s.out_cells() + oy * s.out_w + ox) * s.out_cs +
                                        o.begin + lane]) *
                               weight[int64_t(o.begin) * s.taps() * s.src_cs + row * o.width + lane];
                  }
                const float value = out.data[(int64_t(x - first) * T + t) * tile.width + c];
                if (value != float(sum))
                  expect(false, "row " + std::to_string(y) + " column " + std::to_string(x) + " step " +
                                    std::to_string(t) + ": expected " + std::to_string(sum) + " but received " +
                                    std::to_string(value) + ", " + describe(s, n));
              }
        }
    }
  }
}

// To nearest, ties to even; what is no number stays none.
void rounding() {
  const float infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();
  const auto bits = [](uint32_t b) {
    float f;
    std::memcpy(&f, &b, sizeof f);
    return f;
  };
  const struct {
    float from;
    uint16_t to;
  } cases[] = {{0.0f, 0x0000},
               {-0.0f, 0x8000},
               {1.0f, 0x3f80},
               {bits(0x3f808000), 0x3f80},
               {bits(0x3f808001), 0x3f81},
               {bits(0x3f818000), 0x3f82},
               {bits(0xbf817fff), 0xbf81},
               {infinity, 0x7f80},
               {-infinity, 0xff80},
               {largest, 0x7f80},
               {bits(0x7f7f7fff), 0x7f7f},
               {bits(0x7f800001), 0x7fc0},
               {bits(0x7fffffff), 0x7fff},
               {bits(0xffffffff), 0xffff}};
  Aligned<float> from(kLane);
  Aligned<uint16_t> to(kLane);
  std::fill(from.data, from.data + kLane, 0.0f);
  int count = 0;
  for (const auto& c : cases) from.data[count++] = c.from;
  cpu::to_bf16(to.data, from.data, kLane);
  for (int i = 0; i < count; ++i)
    expect(to.data[i] == cases[i].to, "case " + std::to_string(i) + ": expected " + std::to_string(cases[i].to) +
                                          " but received " + std::to_string(to.data[i]));
}

// The emulation rounds as the instruction does; only the order of the two sums differs.
void emulation_against_instruction() {
  if (!cpu::native_bf16()) return;
  Random random(34);
  const StageShape s = shape_of(9, 11, 48, 80, 3, 1, 1, 2, false);
  const int n = 3;
  const Values source = draw(random, n * s.src_size(), false), weight = draw(random, s.weights(), false),
               bias = draw(random, s.out_cs, false), d_out = draw(random, n * s.out_size(), false);
  const auto backend = make_cpu_backend({.precision = Precision::kMixed});
  const Layer::Result native = Layer(*backend, s, n).run(source, weight, bias, d_out);
  limit_bf16_unit(Bf16Unit::kFloats);
  const std::shared_ptr<void> restore(nullptr, [](void*) { limit_bf16_unit(Bf16Unit::kAmx); });
  const Layer::Result emulated = Layer(*backend, s, n).run(source, weight, bias, d_out);
  expect(distance(emulated.forward, native.forward) < 1e-6, "forward");
  expect(distance(emulated.input_gradient, native.input_gradient) < 1e-6, "input gradient");
  expect(distance(emulated.weight_gradient, native.weight_gradient) < 1e-6, "weight gradient");
}

}  // namespace

void add_dense_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  const auto add = [&](const std::string& what, size_t target, Bf16Unit unit, std::function<void()> run) {
    tests.push_back(
        {"dense " + what + ", " + targets[target] + " and " + bf16_unit_name(unit), on_cpu_target(target, [unit, run] {
           limit_bf16_unit(unit);
           const std::shared_ptr<void> restore(nullptr, [](void*) { limit_bf16_unit(Bf16Unit::kAmx); });
           run();
         })});
  };
  for (size_t target = 0; target < targets.size(); ++target)
    for (Bf16Unit unit : kBf16Units) {
      if (unit > (target == 0 ? bf16_unit() : Bf16Unit::kFloats)) continue;
      add("bf16 products of whole numbers are exact", target, unit, [] { mixed_against_fp32(true); });
      add("bf16 products are near those of floats", target, unit, [] { mixed_against_fp32(false); });
      add("an image in bf16 does not depend on the others", target, unit, images_alone);
      add("gradient rows in bf16", target, unit, [] { gradient_rows(Precision::kMixed); });
      if (unit != Bf16Unit::kFloats) continue;
      add("gradient rows in 32 bits", target, unit, [] { gradient_rows(Precision::kFp32); });
      add("rounding to bf16", target, unit, rounding);
    }
  tests.push_back({"dense emulation of bf16 agrees with the instruction", emulation_against_instruction});
}

}  // namespace onespike::test
