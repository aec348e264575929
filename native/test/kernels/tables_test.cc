// The forward pass by tables against sums of one weight at a time, on every instruction set; and when it is chosen.
#include <cmath>
#include <memory>

#include "core/backend/backend.h"
#include "cpu/backend/create.h"
#include "test/support/cases.h"
#include "test/support/held_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

// One convolution on an image, whose channels are not padded.
struct Stage {
  StageShape s;
  int n, T;
  std::vector<uint8_t> source;
  std::vector<float> weight, bias, current;

  Stage(StageShape shape, int images, int timesteps, double density, Random& random)
      : s(shape), n(images), T(timesteps) {
    s.src_cs = s.src_c, s.first = true;
    source.resize(size_t(n * s.src_size()));
    for (uint8_t& t : source) t = uint8_t(random.chance(density) ? random.between(1, T) : 0);
    const auto draw = [&](int64_t count) {
      std::vector<float> values(static_cast<size_t>(count));
      for (float& v : values) v = float(random.normal());
      return values;
    };
    weight = draw(s.weights()), bias = draw(s.out_cs), current = draw(n * s.out_size());
  }

  // Packed: tile, tap, source channel, channel in the tile.
  float weight_at(int tap, int c, int out) const {
    const Tile tile = tile_of(out, s.out_cs);
    return weight[size_t((int64_t(tile.begin) * s.taps() + int64_t(tap) * tile.width) * s.src_cs + c * tile.width +
                         out - tile.begin)];
  }

  double sum_at(int image, int y, int x, int out, int t) const {
    double sum = 0;
    for (int ky = 0; ky < s.kernel_h; ++ky)
      for (int kx = 0; kx < s.kernel_w; ++kx) {
        const int sy = y * s.stride - s.pad + ky, sx = x * s.stride - s.pad + kx;
        if (sy < 0 || sx < 0 || sy >= s.in_h || sx >= s.in_w) continue;
        for (int c = 0; c < s.src_cs; ++c)
          if (source[size_t(((int64_t(image) * s.src_h + sy) * s.src_w + sx) * s.src_cs + c)] == t)
            sum += weight_at(ky * s.kernel_w + kx, c, out);
      }
    return sum;
  }
};

constexpr float kThreshold = 1.5f, kLeak = 0.9f;

void agree(const Stage& stage, const char* expected, const std::string& what) {
  const StageShape& s = stage.s;
  const auto backend = make_cpu_backend({.threads = 2});
  HeldMemory memory(*backend);
  const float neuron[2] = {kThreshold, kLeak};
  const int64_t potentials = stage.n * stage.T * s.out_size();
  SpikeSource source;
  source.times = memory.upload(stage.source);
  float *weight = memory.upload(stage.weight), *bias = memory.upload(stage.bias),
        *current = memory.upload(stage.current);
  float* potential = memory.hold<float>(potentials);
  uint8_t* times = memory.hold<uint8_t>(stage.n * s.out_size());
  NeuronParams p;
  p.timesteps = stage.T, p.neuron = neuron;
  const KernelChoice choice = backend->run(SpikingForwardTask{.times = times,
                                                              .potential = potential,
                                                              .source = source,
                                                              .weight = weight,
                                                              .bias = bias,
                                                              .current = current,
                                                              .neuron = p,
                                                              .n = stage.n,
                                                              .shape = s});
  expect(std::string(choice.kernel) == expected, what + ": " + expected + " are chosen");
  const std::vector<float> u = memory.download(potential, potentials);
  const std::vector<uint8_t> fired = memory.download(times, stage.n * s.out_size());
  for (int image = 0; image < stage.n; ++image)
    for (int y = 0; y < s.out_h; ++y)
      for (int x = 0; x < s.out_w; ++x)
        for (int out = 0; out < s.out_cs; ++out) {
          const int64_t cell = s.out_cell(y, x) + out;
          const std::string at = what + ", neuron " + std::to_string(image * s.out_size() + cell);
          double membrane = 0;
          int fire_time = 0;
          for (int t = 1; t <= stage.T && !fire_time; ++t) {
            membrane = kLeak * membrane + stage.sum_at(image, y, x, out, t) + stage.bias[size_t(out)];
            if (t == 1) membrane += stage.current[size_t(image * s.out_size() + cell)];
            const float value = u[size_t((int64_t(image) * stage.T + t - 1) * s.out_size() + cell)];
            expect_near(value, membrane, 1e-5, 1e-5, at);
            if (value > kThreshold) fire_time = t;
          }
          expect(fired[size_t(image * s.out_size() + cell)] == fire_time, at + " fires when its potential says so");
        }
}

void same_sums() {
  Random random(21);
  const struct {
    int height, width, channels, out, kernel, stride, pad;
  } shapes[] = {{7, 9, 3, 80, 3, 1, 1}, {6, 5, 1, 16, 5, 2, 2}, {8, 8, 4, 32, 4, 3, 0},
                {5, 6, 7, 48, 3, 1, 2}, {3, 4, 1, 64, 1, 1, 0}, {4, 40, 2, 16, 2, 1, 1}};
  for (const auto& at : shapes)
    for (int T : {1, 5}) {
      const StageShape s = shape_of(at.height, at.width, at.channels, at.out, at.kernel, at.stride, at.pad, 1, false);
      const std::string what =
          std::to_string(at.channels) + " channels, kernel " + std::to_string(at.kernel) + ", T " + std::to_string(T);
      agree(Stage(s, 3, T, 0.9, random), "tables", what);
    }
}

void choice() {
  Random random(22);
  const StageShape s = shape_of(8, 8, 3, 16, 3, 1, 1, 1, false);
  agree(Stage(s, 2, 20, 0.95, random), "tables", "1.3 events a step");
  agree(Stage(s, 2, 5, 0.1, random), "events", "0.5 events a step");
  agree(Stage(s, 2, 5, 0, random), "events", "no events");
  agree(Stage(shape_of(6, 6, 8, 16, 3, 1, 1, 1, false), 2, 2, 1, random), "", "72 inputs");
  agree(Stage(shape_of(9, 9, 1, 16, 3, 1, 1, 3, false), 2, 2, 0, random), "", "a pool before it");
}

}  // namespace

void add_tables_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  for (size_t target = 0; target < targets.size(); ++target)
    tests.push_back({"tables: the sums of single weights, " + targets[target], on_cpu_target(target, same_sums)});
  tests.push_back({"tables: chosen where enough inputs fire", choice});
}

}  // namespace onespike::test
