// What a network says that it holds, against what its backend has allocated; and what a pass leaves behind for the
// next.
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "cpu/backend/create.h"
#include "test/support/cases.h"
#include "test/allocation/failing_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr int kImages = 6, kClasses = 5;

// Every kind of stage. Linear layers of the filter's kind ask for 128 images and more before they are rounded.
CaseSpec spec_of(Encoder encoder, Precision precision, int threads) {
  CaseSpec spec =
      network_spec(3, 9, 8, 4, {conv(20, 3, 1, 1, true), pool(2), conv(33), linear(40, true), output(kClasses)});
  spec.layers[2].dropout = 0.3f;
  spec.encoder = encoder, spec.on.precision = precision, spec.on.threads = threads;
  return spec;
}

struct Pass {
  Mode mode;
  bool train;
};
constexpr Pass kPasses[] = {{Mode::kSnn, true}, {Mode::kSnn, false}, {Mode::kAnn, true}, {Mode::kAnn, false}};

void make(Network& network, const Case& c, const Pass& pass) {
  StepStats stats;
  OptimizerOptions adam;  // which changes nothing, so that every pass meets the same events
  adam.kind = OptimizerKind::kAdam;
  adam.learning_rate = adam.neuron_learning_rate = 0;
  if (pass.train) expect_ok(network.train(c.batch(), pass.mode, adam, no_stop(), &stats), "train");
  else expect_ok(network.forward(c.batch(), pass.mode, {}, no_stop(), &stats), "forward");
}

// After every pass, on whichever threads its tasks ran; and nothing is left when the network is gone.
void all_is_counted(Encoder encoder, Precision precision, int threads) {
  Random random(41);
  const Case c = make_case(spec_of(encoder, precision, threads), kImages, random);
  const int64_t before = backend_bytes();
  {
    const auto network = make_network(c);
    const auto compare = [&](const std::string& what) {
      const int64_t said = network->memory_bytes(), held = backend_bytes() - before;
      expect(said == held,
             what + ": the network says " + std::to_string(said) + " bytes and has allocated " + std::to_string(held));
    };
    compare("created");
    for (int round = 0; round < 2; ++round)
      for (const Pass& pass : kPasses)
        for (int call = 0; call < 3; ++call) {
          make(*network, c, pass);
          compare(std::string(pass.train ? "training" : "inference") + (pass.mode == Mode::kAnn ? ", ANN" : ", SNN"));
        }
    // So many images that linear layers pass the filter as well.
    for (int call = 0; call < 30; ++call) make(*network, c, {Mode::kSnn, false});
    compare("inference of many images");
  }
  expect(backend_bytes() == before, std::to_string(backend_bytes() - before) + " bytes outlive the network");
}

// A network that made other passes before holds as much as one that made the last of them alone.
void nothing_is_kept_for_another_pass(int threads) {
  Random random(42);
  CaseSpec spec = spec_of(Encoder::kHybrid, Precision::kMixed, threads);
  spec.layers[2].dropout = 0;
  const Case c = make_case(spec, kImages, random);
  for (const Pass& last : kPasses) {
    const auto one = make_network(c), other = make_network(c);
    // Both have gradients and slots: these stay.
    make(*one, c, {last.mode == Mode::kSnn ? Mode::kAnn : Mode::kSnn, true});
    for (const Pass& pass : kPasses) make(*other, c, pass);
    make(*other, c, {last.mode == Mode::kSnn ? Mode::kAnn : Mode::kSnn, true});
    make(*one, c, last), make(*other, c, last);
    expect(one->memory_bytes() == other->memory_bytes(), "expected " + std::to_string(one->memory_bytes()) +
                                                             " bytes but received " +
                                                             std::to_string(other->memory_bytes()));
  }
}

void scratch_is_freed() {
  const int64_t before = backend_bytes();
  const std::unique_ptr<Backend> backend = make_cpu_backend({.threads = 2});
  constexpr int64_t kCount = 1 << 17;
  float* const values = static_cast<float*>(backend->allocate(kCount * sizeof(float)));
  for (int round = 0; round < 2; ++round) {
    double norm = 0;
    int64_t fired = 0;
    backend->run(SquaredNormTask{&norm, values, kCount});
    backend->run(CountEventsTask{&fired, reinterpret_cast<const uint8_t*>(values), kCount});
    expect(backend->workspace_held() > 0, "scratch is kept for the next call");
    expect(backend->workspace_held() == backend_bytes() - before - kCount * int64_t(sizeof(float)), "and counted");
    backend->release_scratch();
    expect(backend->workspace_held() == 0, "none is left");
    expect(backend_bytes() - before == kCount * int64_t(sizeof(float)), "and all of it was freed");
  }
  backend->release(values);
}

}  // namespace

void add_memory_tests(Tests& tests) {
  const std::pair<const char*, Encoder> encoders[] = {
      {"hybrid", Encoder::kHybrid}, {"ttfs", Encoder::kTtfs}, {"rate", Encoder::kRate}};
  for (const auto& [name, encoder] : encoders)
    for (Precision precision : {Precision::kFp32, Precision::kMixed})
      for (int threads : {1, 3})
        tests.push_back({std::string("memory is counted: ") + name +
                             (precision == Precision::kMixed ? ", mixed precision" : "") + ", threads " +
                             std::to_string(threads),
                         [=, encoder = encoder] { all_is_counted(encoder, precision, threads); }});
  for (int threads : {1, 3})
    tests.push_back({"memory of a pass is freed before another, threads " + std::to_string(threads),
                     [threads] { nothing_is_kept_for_another_pass(threads); }});
  tests.push_back({"memory of operations is freed", scratch_is_freed});
}

}  // namespace onespike::test
