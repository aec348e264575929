// Currents that are averaged before the neuron: the network equals the one whose kernels are the pooled ones, and its
// training is repeatable. Gradients and spikes are compared with the oracle where those of other networks are
// (parity_test.cc, norm_test.cc, binary_test.cc), which averages outputs and knows of no larger kernel.

#include "ops/pooled_weight.h"
#include "test/ann/norm_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

CaseSpec pooled_spec(Precision precision = Precision::kFp32, int threads = 1) {
  CaseSpec spec = network_spec(
      3, 10, 9, 4,
      {current_pool(conv(12, 3, 1, 1, true), 2), current_pool(normalised(conv(20)), 2), conv(6), linear(9), output(5)});
  spec.layers[1].dropout = 0.3f;
  spec.on.precision = precision, spec.on.threads = threads;
  return spec;
}

// Every tap by its definition: the mean over the window of the parameter that it falls on, if it falls on any.
void pooled_by_hand() {
  for (int kernel : {1, 2, 3, 5})
    for (int stride : {1, 2, 3})
      for (int average : {2, 3}) {
        StageShape s;
        s.average = average, s.stride = stride * average;
        s.parameter_h = s.parameter_w = kernel;
        s.kernel_h = s.kernel_w = kernel + (average - 1) * stride;
        std::vector<float> parameters(size_t(s.parameter_taps())), gradient(size_t(s.taps()));
        for (size_t i = 0; i < parameters.size(); ++i) parameters[i] = float(i + 1);
        for (size_t i = 0; i < gradient.size(); ++i) gradient[i] = float(3 * i + 1);
        std::vector<double> pooled(gradient.size(), 0.0), back(parameters.size(), 0.0);
        for (int a = 0; a < average; ++a)
          for (int b = 0; b < average; ++b)
            for (int y = 0; y < kernel; ++y)
              for (int x = 0; x < kernel; ++x) {
                const size_t to = size_t((y + a * stride) * s.kernel_w + x + b * stride), from = size_t(y * kernel + x);
                pooled[to] += double(parameters[from]) / (average * average);
                back[from] += double(gradient[to]) / (average * average);
              }
        for (int tap = 0; tap < s.taps(); ++tap)
          expect_near(pooled_mean(parameters.data(), parameter_square(s, tap), kernel, 1, average), pooled[size_t(tap)],
                      1e-6, 0, "pooled weight " + std::to_string(tap));
        for (int tap = 0; tap < s.parameter_taps(); ++tap)
          expect_near(pooled_mean(gradient.data(), pooled_square(s, tap), s.kernel_w, 1, average), back[size_t(tap)],
                      1e-6, 0, "gradient " + std::to_string(tap));
      }
}

// The same network without pools, its kernels larger.
Case with_pooled_kernels(const Case& c, const Network& network) {
  Case larger = c;
  for (int i = 0; i < network.spiking_layers(); ++i) {
    const StageShape& s = network.shape(i);
    LayerSpec& layer = larger.spec.layers[size_t(s.layer)];
    oracle::Values& weight = larger.parameters[size_t(s.layer)].weight;
    if (layer.pool == 1) continue;
    layer.kernel = s.kernel_h, layer.stride = s.stride, layer.pool = 1;
    const std::vector<float> parameters(weight.begin(), weight.end());
    weight.clear();
    for (size_t from = 0; from < parameters.size(); from += size_t(s.parameter_taps()))
      for (int tap = 0; tap < s.taps(); ++tap)
        weight.push_back(pooled_mean(&parameters[from], parameter_square(s, tap), s.parameter_w, 1, s.average));
  }
  return larger;
}

void larger_kernels() {
  for (Precision precision : {Precision::kFp32, Precision::kMixed})
    for (Mode mode : {Mode::kSnn, Mode::kAnn, Mode::kBinary}) {
      Random random(701);
      const Case c = make_case(pooled_spec(precision), 7, random);
      const auto pooled = make_network(c), larger = make_network(with_pooled_kernels(c, *pooled));
      std::vector<float> logits[2];
      for (int i = 0; i < 2; ++i) {
        logits[i].resize(7 * 5);
        ForwardOutputs out;
        out.logits = logits[i].data();
        StepStats stats;
        expect_ok((i == 0 ? pooled : larger)->forward(c.batch(), mode, out, no_stop(), &stats), "forward " + c.text());
      }
      expect(logits[0] == logits[1], "logits are bit-identical " + c.text());
    }
}

void any_number_of_threads() {
  for (Precision precision : {Precision::kFp32, Precision::kMixed})
    for (Mode mode : {Mode::kAnn, Mode::kSnn})
      expect_same_on_threads([&](int threads) {
        Random random(702);
        const Case c = make_case(pooled_spec(precision, threads), 23, random);
        const auto network = make_network(c);
        train(*network, c, mode, adam(), 3);
        return read_bits(*network, TensorKind::kParameter);
      });
}

void refused() {
  const auto code = [](const CaseSpec& spec) {
    std::unique_ptr<Network> none;
    return create_network(spec, &none).code;
  };
  const auto with = [](LayerSpec layer) { return network_spec(1, 8, 8, 2, {layer, output(3)}); };
  expect(code(with(current_pool(conv(4), 8))) == Code::kOk, "a window of the whole map");
  expect(code(with(current_pool(conv(4), 9))) == Code::kShape, "a window larger than the map");
  expect(code(with(current_pool(conv(4), 0))) == Code::kArg, "no window");
  expect(code(with(current_pool(conv(4), 65))) == Code::kArg, "a window out of range");
  expect(code(with(current_pool(conv(4, 3, 200), 2))) == Code::kArg, "a stride out of range, with its pool");
  CaseSpec coded = with(current_pool(conv(4), 2));
  coded.code.kind = CodeKind::kTtfs, coded.code.window = 7;
  expect(code(coded) == Code::kArg, "no average of what a code sends");
}

}  // namespace

void add_current_pool_cases(Tests& tests) {
  tests.push_back({"current pool: equal to the network of larger kernels", larger_kernels});
  tests.push_back({"current pool: bit-identical with any number of threads", any_number_of_threads});
  tests.push_back({"current pool: descriptions that are refused", refused});
}

void add_current_pool_tests(Tests& tests) {
  add_current_pool_cases(tests);
  tests.push_back({"current pool: weights and gradients by hand", pooled_by_hand});
}

}  // namespace onespike::test
