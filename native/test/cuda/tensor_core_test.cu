// The products on tensor cores, and those that follow the events with the same operands, against plain loops in double
// precision. Operands that bf16 holds exactly and sums that a float holds make every product exact, so a wrong index
// cannot hide in a tolerance.
#include <cmath>

#include "cuda/device/devices.h"
#include "cuda/neuron.cuh"
#include "cuda/simt/simt.h"
#include "cuda/tensor/tensor_core.h"
#include "test/support/cases.h"
#include "test/cuda/device_array.h"
#include "test/cuda/plain_products.h"
#include "test/cuda/problems.h"
#include "test/cuda/tests.h"

namespace onespike::test {
namespace {

void spiking_forward(bool events) {
  Random random(51);
  for (const Problem& p : problems()) {
    if (events && p.T > cuda::kEventSteps) continue;
    for (double activity : {0.3, 0.004}) {
      const StageShape& s = p.s;
      const bool rich = activity > 0.1;
      const Values weight = draw_weights(random, s), bias = draw(random, s.out_cs),
                   current = draw(random, p.n * s.out_size()), neuron = {1.5f, 0.5f};
      const Bytes times = draw_times(random, p, activity);
      Device device(p);
      const DeviceArray<float> d_weight(weight), d_bias(bias), d_current(current), d_neuron(neuron),
          potential(size_t(p.n * p.T * s.out_size()));
      const DeviceArray<uint8_t> d_times(times), out(size_t(p.n * s.out_size()));
      device.pack(d_weight, p);
      SpikeSource source;
      source.times = d_times.data, source.scale = 1.0f / float(s.pool * s.pool);
      NeuronParams np;
      np.timesteps = p.T, np.neuron = d_neuron.data, np.fires = !(rich && s.linear);
      const bool always = s.stride == 2;
      const SpikingForwardTask task{.times = out.data,
                                    .potential = rich ? potential.data : nullptr,
                                    .source = source,
                                    .weight_forward = device.forward.data,
                                    .bias = rich ? d_bias.data : nullptr,
                                    .current = rich ? d_current.data : nullptr,
                                    .current_always = always,
                                    .neuron = np,
                                    .n = p.n,
                                    .shape = s};
      if (events) cuda::event_spiking_forward(device.stream, task, {.halves = device.forward.data});
      else tc::spiking_forward(device.stream, device.workspace.data, task);
      device.check(p);
      const Bytes fired = out.read();
      const Values u = rich ? potential.read() : Values();
      const std::vector<double> sums = plain_forward(p.n, p.T, times, weight, s);
      for (int64_t image = 0; image < p.n; ++image)
        for (int64_t i = 0; i < s.out_size(); ++i) {
          cuda::Neuron plain;
          for (int t = 1; t <= p.T; ++t) {
            const int64_t at = (image * p.T + t - 1) * s.out_size() + i;
            const bool live = plain.fire_time == 0;
            const float in = rich && (t == 1 || always) ? current[size_t(image * s.out_size() + i)] : 0;
            const float expected =
                lif_step<cuda::Float>(plain, {np.fires ? neuron[0] : HUGE_VALF, neuron[1]}, float(sums[size_t(at)]),
                                      source.scale, rich ? bias[size_t(i % s.out_cs)] : 0, in, t);
            if (rich && live && u[size_t(at)] != expected)
              expect(false, "potential " + std::to_string(at) + ": expected " + std::to_string(expected) +
                                " but received " + std::to_string(u[size_t(at)]) + ", " + text(p));
          }
          const int time = fired[size_t(image * s.out_size() + i)];
          if (time != plain.fire_time)
            expect(false, "neuron " + std::to_string(i) + ": expected " + std::to_string(plain.fire_time) +
                              " but received " + std::to_string(time) + ", " + text(p));
        }
    }
  }
}

void input_gradient(Surrogate surrogate) {
  Random random(52);
  for (const Problem& p : problems()) {
    const StageShape& s = p.s;
    const int T = p.T;
    const bool masked = s.out_cs % 32 == 0;
    const Values weight = draw_weights(random, s), a = draw(random, p.n * T * s.out_size(), 0.5), neuron = {1, 0.5f},
                 below_neuron = {2, 0.75f};
    const Values u = draw(random, p.n * T * s.src_size());
    const Bytes times = draw_times(random, p, 0.5);
    Bytes mask(times.size());
    for (uint8_t& m : mask) m = random.chance(0.7);
    Device device(p);
    const DeviceArray<float> d_weight(weight), d_a(a), d_neuron(neuron), d_below(below_neuron), potential(u),
        d(Values{10, 20});
    const DeviceArray<uint8_t> d_times(times), d_mask(mask);
    device.pack(d_weight, p);
    NeuronParams own, below;
    own.timesteps = below.timesteps = T, own.neuron = d_neuron.data, below.neuron = d_below.data;
    below.surrogate.kind = surrogate, below.surrogate.gamma = 0.5f, below.surrogate.scale = 0.75f;
    const float scale = 0.5f;
    const DeviceArray<float> record(a.size());
    const SpikingBackwardTask task{.gradient = record.data,
                                   .below = {.a = potential.data,
                                             .d_neuron = d.data,
                                             .potential = potential.data,
                                             .times = d_times.data,
                                             .mask = masked ? d_mask.data : nullptr,
                                             .scale = scale,
                                             .neuron = below},
                                   .a = d_a.data,
                                   .weight_backward = device.backward.data,
                                   .neuron = own,
                                   .n = p.n,
                                   .shape = s};
    tc::accumulate_gradient(device.stream, task);
    tc::input_gradient(device.stream, device.workspace.data, task);
    device.check(p);
    const Values result = potential.read(), sums = d.read();

    const std::vector<double> spikes = plain_backward(p.n, T, a, weight, s);
    Values expected(u.size(), 0.0f);
    double d_threshold = 0, d_leak = 0, magnitude = 1;
    for (int64_t image = 0; image < p.n; ++image)
      for (int64_t i = 0; i < s.src_size(); ++i) {
        const int y = int(i / s.src_cs / s.src_w) / s.pool, x = int(i / s.src_cs % s.src_w) / s.pool,
                  c = int(i % s.src_cs);
        if (y >= s.in_h || x >= s.in_w) continue;
        const int64_t neuron_at = image * s.src_size() + i;
        const int time = times[size_t(neuron_at)], fire_time = time ? time : T + 1;
        double sum = 0, g = 0;
        for (int t = T; t >= 1; --t) {
          const auto at = [&](int step) { return (image * T + step - 1) * s.src_size() + i; };
          sum = spikes[size_t(((image * T + t - 1) * s.in_h + y) * s.in_w + x) * s.src_cs + c] + 0.5 * sum;
          if (t > fire_time) continue;
          const double ratio = u[size_t(at(t))] / 2.0, before = t > 1 ? u[size_t(at(t - 1))] : 0;
          const double share = masked ? scale * float(mask[size_t(neuron_at)]) : scale;
          const double now = sum * share * slope_at(float(ratio - 1), fire_time, t, below.surrogate) / 2;
          g = now + 0.75 * g;
          d_threshold -= now * ratio, d_leak += g * before, magnitude += std::fabs(now * ratio) + std::fabs(g * before);
          expected[size_t(at(t))] = float(now);
        }
      }
    same(result, expected, 2e-6, "a", p);
    expect_near(sums[0], 10 + d_threshold, 0, 1e-6 * magnitude + 2e-5, "d_threshold, " + text(p));
    expect_near(sums[1], 20 + d_leak, 0, 1e-6 * magnitude + 2e-5, "d_leak, " + text(p));
  }
}

void weight_gradient(bool events) {
  Random random(53);
  for (const Problem& p : weight_problems()) {
    const StageShape& s = p.s;
    const Values a = draw(random, p.n * p.T * s.out_size(), 0.2), before = draw(random, s.weights()), neuron = {1, 1};
    Values g = a;  // with leak 1: sums from the end, which bf16 holds up to 64 in quarters
    for (int64_t image = 0; image < p.n; ++image)
      for (int64_t i = 0; i < s.out_size(); ++i)
        for (int t = p.T - 2; t >= 0; --t) {
          const size_t at = size_t((image * p.T + t) * s.out_size() + i);
          g[at] = a[at] + g[at + size_t(s.out_size())];
        }
    const Bytes times = draw_times(random, p, 0.2);
    Device device(p);
    const DeviceArray<float> d_a(a), record(a.size()), d_weight(before), d_neuron(neuron);
    const DeviceArray<uint8_t> d_times(times);
    SpikeSource source;
    source.times = d_times.data, source.scale = s.pool % 3 == 0 ? 0.125f : 1.0f / float(s.pool * s.pool);
    NeuronParams own;
    own.timesteps = p.T, own.neuron = d_neuron.data;
    tc::accumulate_gradient(device.stream,
                            {.gradient = record.data, .a = d_a.data, .neuron = own, .n = p.n, .shape = s});
    cuda::Workspace workspace;
    const WeightGradientTask task{
        .d_weight = d_weight.data, .source = source, .gradient = record.data, .n = p.n, .timesteps = p.T, .shape = s};
    if (events) cuda::event_weight_gradient(device.stream, workspace, task, {.halves = record.data});
    else tc::weight_gradient(device.stream, device.workspace.data, task);
    device.check(p);
    Values expected = before;
    plain_weight_gradient(expected, p.n, p.T, plain_counts(p.n, p.T, times, s), g, source.scale, s);
    same(d_weight.read(), expected, 0, "weight gradient", p);
  }
}

void dense() {
  Random random(54);
  for (Problem p : problems()) {
    const StageShape& s = p.s;
    p.T = 1;
    const Values weight = draw_weights(random, s), bias = draw(random, s.out_cs),
                 input = draw(random, int64_t(p.n) * s.in_h * s.in_w * s.src_cs, 0.3);
    const Values d_out = draw(random, p.n * s.out_size(), 0.3), activation = draw(random, p.n * s.src_size(), 0.4);
    Device device(p);
    const DeviceArray<float> d_weight(weight), d_bias(bias), d_input(input), d_d_out(d_out), d_activation(activation),
        out(d_out.size()), d_src(activation.size());
    device.pack(d_weight, p);
    const bool relu = s.src_cs == 64;
    tc::dense_forward(device.stream, device.workspace.data,
                      {.out = out.data,
                       .packed = d_input.data,
                       .weight_forward = device.forward.data,
                       .bias = relu ? d_bias.data : nullptr,
                       .relu = relu,
                       .n = p.n,
                       .shape = s});
    const float scale = float(s.pool * s.pool) * 0.5f;
    tc::dense_input_gradient(device.stream, device.workspace.data,
                             {.d_src = d_src.data,
                              .d_out = d_d_out.data,
                              .weight_backward = device.backward.data,
                              .activation = d_activation.data,
                              .scale = scale,
                              .n = p.n,
                              .shape = s});
    device.check(p);

    Values expected(out.count);
    const std::vector<double> sums = plain_products(p.n, 1, std::vector<double>(input.begin(), input.end()), weight, s);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = float(sums[i] + (relu ? bias[i % s.out_cs] : 0));
      if (relu) expected[i] = std::max(expected[i], 0.0f);
    }
    same(out.read(), expected, 0, "dense forward", p);

    const std::vector<double> spikes = plain_backward(p.n, 1, d_out, weight, s);
    Values source(activation.size(), 0.0f);
    for (int64_t i = 0; i < int64_t(source.size()); ++i) {
      const int64_t image = i / s.src_size(), cell = i % s.src_size() / s.src_cs;
      const int y = int(cell / s.src_w) / s.pool, x = int(cell % s.src_w) / s.pool;
      if (y < s.in_h && x < s.in_w && activation[size_t(i)] != 0)
        source[size_t(i)] = float(spikes[size_t(((image * s.in_h + y) * s.in_w + x) * s.src_cs + i % s.src_cs)] * 0.5);
    }
    same(d_src.read(), source, 1e-6, "dense input gradient", p);
  }
}

void dense_weight_gradient() {
  Random random(55);
  for (Problem p : weight_problems()) {
    const StageShape& s = p.s;
    p.T = 1;
    const Values input = draw(random, int64_t(p.n) * s.in_h * s.in_w * s.src_cs, 0.3),
                 d_out = draw(random, p.n * s.out_size(), 0.3), before = draw(random, s.weights());
    Device device(p);
    const DeviceArray<float> d_input(input), d_d_out(d_out), d_weight(before);
    tc::dense_weight_gradient(
        device.stream, device.workspace.data,
        {.d_weight = d_weight.data, .packed = d_input.data, .d_out = d_d_out.data, .n = p.n, .shape = s});
    device.check(p);
    Values expected = before;
    plain_weight_gradient(expected, p.n, 1, std::vector<double>(input.begin(), input.end()), d_out, 1, s);
    same(d_weight.read(), expected, 0, "dense weight gradient", p);
  }
}

}  // namespace

void add_kernel_tests(Tests& tests) {
  if (const Status status = probe_cuda_device(0); !status.ok()) {
    std::printf("skip tensor cores: %s\n", status.message.c_str());
    return;
  }
  tests.push_back({"tensor cores: spiking forward", [] { spiking_forward(false); }});
  tests.push_back({"events beside tensor cores: spiking forward", [] { spiking_forward(true); }});
  tests.push_back({"tensor cores: input gradient, triangle", [] { input_gradient(Surrogate::kTriangle); }});
  tests.push_back({"tensor cores: input gradient, exponential", [] { input_gradient(Surrogate::kExponential); }});
  tests.push_back({"tensor cores: weight gradient", [] { weight_gradient(false); }});
  tests.push_back({"events beside tensor cores: weight gradient", [] { weight_gradient(true); }});
  tests.push_back({"tensor cores: dense products", dense});
  tests.push_back({"tensor cores: dense weight gradient", dense_weight_gradient});
  add_choice_tests(tests);
  add_division_tests(tests);
  add_first_stage_tests(tests);
  add_link_tests(tests);
}

}  // namespace onespike::test
