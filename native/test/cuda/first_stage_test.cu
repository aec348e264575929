// The kernels of a stage that reads an image, against plain loops in double precision. Multiples of 1/8 and sums that a
// float holds make every product exact, so a wrong index cannot hide in a tolerance.
#include "cuda/device/devices.h"
#include "cuda/neuron.cuh"
#include "cuda/simt/first_stage.h"
#include "test/cuda/device_array.h"
#include "test/cuda/plain_products.h"
#include "test/cuda/problems.h"
#include "test/cuda/tests.h"
#include "test/support/cases.h"

namespace onespike::test {
namespace {

Problem image_problem(int n, int T, int height, int width, int channels, int out, int kernel, int stride, int pad,
                      bool linear = false) {
  Problem p = problem(n, T, height, width, channels, out, kernel, stride, pad, 1, linear);
  p.s.src_cs = channels;
  return p;
}

// One to three words of rows, the last of them nearly full or nearly empty; one column tile, a part of one and several;
// images of one cell, one image, and images that do not fill a run; every step count up to 8 and the largest.
std::vector<Problem> image_problems() {
  return {image_problem(3, 5, 6, 7, 3, 64, 3, 1, 1),   image_problem(1, 1, 5, 4, 1, 65, 5, 1, 2),
          image_problem(2, 8, 9, 8, 4, 16, 3, 2, 1),   image_problem(2, 3, 7, 9, 3, 48, 5, 2, 1),
          image_problem(1, 18, 4, 4, 9, 20, 3, 1, 0),  image_problem(40, 4, 3, 3, 3, 32, 3, 1, 0, true),
          image_problem(5, 2, 8, 8, 3, 130, 2, 3, 0),  image_problem(2, 20, 4, 4, 2, 10, 4, 1, 2),
          image_problem(3, 6, 17, 16, 3, 16, 3, 1, 1), image_problem(2, 7, 5, 5, 1, 64, 1, 1, 0),
          image_problem(1, 5, 3, 3, 15, 16, 1, 1, 0)};
}

void check(const cuda::Stream& stream, const Problem& p) {
  expect(stream.error == cudaSuccess,
         std::string(stream.call) + ": " + cudaGetErrorName(stream.error) + ", " + text(p));
}

struct ForwardInput {
  Values weight, bias, current, neuron, kappa, theta;
  Bytes times;

  ForwardInput(Random& random, const Problem& p)
      : weight(draw_weights(random, p.s)),
        bias(draw(random, p.s.out_cs)),
        current(draw(random, p.n * p.s.out_size())),
        neuron{1.5f, 0.5f},
        kappa(draw(random, p.T)),
        times(draw_times(random, p, 0.6)) {
    for (int t = 0; t < p.T; ++t) theta.push_back(t % 2 == 0 ? 1.0f : 0.75f);
  }
};

// What varies: `rich` stages have a bias, an analog current, U(0) and recorded potentials.
struct ForwardKind {
  bool rich, scheduled, always;
};

struct ForwardResult {
  Bytes times;
  Values potential;
};

ForwardResult run_forward(const ForwardInput& in, const Problem& p, const ForwardKind& kind) {
  const DeviceArray<float> weight(in.weight), bias(in.bias), current(in.current), neuron(in.neuron), kappa(in.kappa),
      theta(in.theta), potential(size_t(p.n * p.T * p.s.out_size()));
  const DeviceArray<uint8_t> times(in.times), out(size_t(p.n * p.s.out_size()));
  SpikeSource source;
  source.times = times.data, source.scale = 0.5f;
  NeuronParams np;
  np.timesteps = p.T, np.neuron = neuron.data;
  if (kind.rich) np.initial = 0.5f;
  if (kind.scheduled) np.kappa = kappa.data, np.theta = theta.data;
  cuda::Stream stream;
  cuda::first_stage_spiking_forward(stream, {.times = out.data,
                                             .potential = kind.rich ? potential.data : nullptr,
                                             .source = source,
                                             .weight = weight.data,
                                             .bias = kind.rich ? bias.data : nullptr,
                                             .current = kind.rich ? current.data : nullptr,
                                             .current_always = kind.always,
                                             .neuron = np,
                                             .n = p.n,
                                             .shape = p.s});
  check(stream, p);
  return {out.read(), kind.rich ? potential.read() : Values()};
}

void spiking_forward() {
  Random random(61);
  for (const Problem& p : image_problems())
    for (const ForwardKind kind : {ForwardKind{false, false, false}, {true, false, true}, {true, true, false}}) {
      const StageShape& s = p.s;
      expect(cuda::first_stage_takes(s, p.T), "takes " + text(p));
      const ForwardInput in(random, p);
      const ForwardResult result = run_forward(in, p, kind);
      const std::vector<double> sums = plain_forward(p.n, p.T, in.times, in.weight, s);
      NeuronParams np;
      np.timesteps = p.T, np.neuron = in.neuron.data();
      if (kind.rich) np.initial = 0.5f;
      if (kind.scheduled) np.kappa = in.kappa.data(), np.theta = in.theta.data();
      for (int64_t i = 0; i < p.n * s.out_size(); ++i) {
        const int64_t image = i / s.out_size(), at = i % s.out_size(), channel = at % s.out_cs;
        cuda::Neuron plain = cuda::fresh_neuron(np, channel < s.out_c);
        for (int t = 1; t <= p.T; ++t) {
          const int64_t step = (image * p.T + t - 1) * s.out_size() + at;
          const bool live = plain.fire_time == 0;
          const float current = kind.rich && (t == 1 || kind.always) ? in.current[size_t(i)] : 0;
          const float u = cuda::neuron_step(plain, np, {1.5f, 0.5f}, float(sums[size_t(step)]), 0.5f,
                                            kind.rich ? in.bias[size_t(channel)] : 0, current, t);
          if (kind.rich && live && result.potential[size_t(step)] != u)
            expect(false, "potential " + std::to_string(step) + ": expected " + std::to_string(u) + " but received " +
                              std::to_string(result.potential[size_t(step)]) + ", " + text(p));
        }
        if (result.times[size_t(i)] != plain.fire_time)
          expect(false, "neuron " + std::to_string(i) + ": expected " + std::to_string(plain.fire_time) +
                            " but received " + std::to_string(result.times[size_t(i)]) + ", " + text(p));
      }
    }
}

// Sums that are not exact: the last image of a batch is bit-identical to the same image alone.
void images_alone() {
  Random random(62);
  for (const Problem& p : image_problems()) {
    ForwardInput in(random, p);
    for (Values* values : {&in.weight, &in.current})
      for (float& v : *values) v = float(v * random.between(1, 1000) / 777);
    const ForwardKind kind{true, false, false};
    const ForwardResult batch = run_forward(in, p, kind);
    Problem one = p;
    one.n = 1;
    in.times.erase(in.times.begin(), in.times.end() - p.s.src_size());
    in.current.erase(in.current.begin(), in.current.end() - p.s.out_size());
    const ForwardResult alone = run_forward(in, one, kind);
    expect(std::equal(alone.times.rbegin(), alone.times.rend(), batch.times.rbegin()), "times alone, " + text(p));
    for (size_t i = 1; i <= alone.potential.size(); ++i) {
      const float a = alone.potential[alone.potential.size() - i], b = batch.potential[batch.potential.size() - i];
      expect(a == b || (a != a && b != b), "potential alone, " + text(p));
    }
  }
}

void weight_gradient() {
  Random random(63);
  for (const Problem& p : image_problems()) {
    const StageShape& s = p.s;
    const Values g = draw(random, p.n * p.T * s.out_size(), 0.2), before = draw(random, s.weights());
    const Bytes times = draw_times(random, p, 0.6);
    const DeviceArray<float> d_g(g), d_weight(before);
    const DeviceArray<uint8_t> d_times(times);
    SpikeSource source;
    source.times = d_times.data, source.scale = 0.5f;
    cuda::Stream stream;
    cuda::Workspace workspace;
    cuda::first_stage_weight_gradient(
        stream, workspace,
        {.d_weight = d_weight.data, .source = source, .gradient = d_g.data, .n = p.n, .timesteps = p.T, .shape = s});
    check(stream, p);
    Values expected = before;
    plain_weight_gradient(expected, p.n, p.T, plain_counts(p.n, p.T, times, s), g, source.scale, s);
    same(d_weight.read(), expected, 0, "weight gradient", p);
  }
}

void dense() {
  Random random(64);
  for (Problem p : image_problems()) {
    const StageShape& s = p.s;
    p.T = 1;
    const Values weight = draw_weights(random, s), bias = draw(random, s.out_cs),
                 input = draw(random, p.n * s.src_size(), 0.3), d_out = draw(random, p.n * s.out_size(), 0.3),
                 before = draw(random, s.weights());
    const DeviceArray<float> d_weight(weight), d_bias(bias), d_input(input), d_d_out(d_out), d_before(before),
        out(d_out.size());
    const bool relu = p.n > 1;
    cuda::Stream stream;
    cuda::Workspace workspace;
    cuda::first_stage_dense_forward(stream, {.out = out.data,
                                             .packed = d_input.data,
                                             .weight = d_weight.data,
                                             .bias = relu ? d_bias.data : nullptr,
                                             .relu = relu,
                                             .n = p.n,
                                             .shape = s});
    cuda::first_stage_dense_weight_gradient(
        stream, workspace,
        {.d_weight = d_before.data, .packed = d_input.data, .d_out = d_d_out.data, .n = p.n, .shape = s});
    check(stream, p);
    const std::vector<double> values(input.begin(), input.end()), sums = plain_products(p.n, 1, values, weight, s);
    Values expected(out.count), gradient = before;
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = float(sums[i] + (relu ? bias[i % s.out_cs] : 0));
      if (relu) expected[i] = std::max(expected[i], 0.0f);
    }
    same(out.read(), expected, 0, "dense forward", p);
    plain_weight_gradient(gradient, p.n, 1, values, d_out, 1, s);
    same(d_before.read(), gradient, 0, "dense weight gradient", p);
  }
}

void limits() {
  const auto takes = [](const Problem& p) { return cuda::first_stage_takes(p.s, p.T); };
  expect(takes(image_problem(1, 20, 8, 8, 3, 64, 3, 1, 1)), "3 x 3 x 3, 20 steps");
  expect(!takes(image_problem(1, 21, 8, 8, 3, 64, 3, 1, 1)), "21 steps");
  expect(takes(image_problem(1, 18, 8, 8, 3, 64, 5, 1, 2)), "5 x 5 x 3, 18 steps");
  expect(!takes(image_problem(1, 19, 8, 8, 3, 64, 5, 1, 2)), "5 x 5 x 3, 19 steps");
  expect(!takes(image_problem(1, 5, 8, 8, 10, 64, 3, 1, 1)), "90 weights");
  expect(!takes(image_problem(1, 5, 8, 8, 16, 64, 1, 1, 0)), "16 channels");
  expect(!takes(problem(1, 5, 8, 8, 3, 64, 1, 1, 0, 1, false)), "channels padded to 16");
  Problem pooled = image_problem(1, 5, 8, 8, 3, 64, 3, 1, 1);
  pooled.s.pool = 2;
  expect(!takes(pooled), "an average pool before it");
}

}  // namespace

void add_first_stage_tests(Tests& tests) {
  tests.push_back({"first stage: spiking forward", spiking_forward});
  tests.push_back({"first stage: images of a batch do not see each other", images_alone});
  tests.push_back({"first stage: weight gradient", weight_gradient});
  tests.push_back({"first stage: dense products", dense});
  tests.push_back({"first stage: what it takes", limits});
}

}  // namespace onespike::test
