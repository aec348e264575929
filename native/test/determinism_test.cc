// Bit-identical results for one seed, whatever the number of threads, after stop and resume, and after an abort.
#include <atomic>
#include <chrono>
#include <thread>

#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

// A network whose training draws random numbers everywhere it can.
CaseSpec noisy_spec(Encoder encoder, int threads) {
  CaseSpec spec =
      network_spec(3, 11, 9, 4, {conv(20, 3, 1, 1, true), pool(2), conv(33, 3, 2, 1), linear(37, true), output(7)});
  spec.layers[0].dropout = 0.2f;
  spec.layers[3].dropout = 0.5f;
  spec.encoder = encoder;
  spec.seed = 77;
  spec.on.threads = threads;
  return spec;
}

struct Data {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  Batch batch() const { return {pixels.data(), labels.data(), int64_t(labels.size())}; }
};

Data draw(const NetworkSpec& spec, int images, uint64_t seed) {
  Random random(seed);
  Data data;
  data.pixels.resize(int64_t(images) * spec.channels * spec.height * spec.width);
  for (uint8_t& p : data.pixels) p = uint8_t(random.between(0, 255));
  for (int n = 0; n < images; ++n) data.labels.push_back(random.between(0, spec.layers.back().out - 1));
  return data;
}

std::unique_ptr<Network> create(const CaseSpec& spec) {
  std::unique_ptr<Network> network;
  expect_ok(create_network(spec, &network), "create " + describe(spec, 0));
  return network;
}

void train(Network& network, Mode mode, int from, int to, int images = 5) {
  StepStats stats;
  for (int step = from; step < to; ++step) {
    const Data data = draw(network.spec(), images, 1000 + step);
    expect_ok(network.train(data.batch(), mode, clipped_adam(), no_stop(), &stats), "train");
  }
}

void expect_same_bits(const Network& a, const Network& b, const std::string& what) {
  for (TensorKind kind : {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1}) {
    expect(same_bits(read_bits(a, kind), read_bits(b, kind)),
           what + ": different bits in tensors of kind " + std::to_string(int(kind)));
  }
}

void any_number_of_threads(Mode mode, Encoder encoder, Precision precision = Precision::kFp32) {
  const auto spec = [&](int threads) {
    CaseSpec noisy = noisy_spec(encoder, threads);
    noisy.on.precision = precision;
    return noisy;
  };
  // Elsewhere than on the CPU threads do nothing: what is left to show is that repeated steps are bit-identical.
  const bool cpu = subject().on.kind == BackendKind::kCpu;
  for (int images : cpu ? std::vector<int>{1, 5, 18, 70} : std::vector<int>{1, 18}) {
    const auto one = create(spec(1));
    train(*one, mode, 0, 3, images);
    for (int threads : cpu ? std::vector<int>{2, 3, 4} : std::vector<int>{2}) {
      const auto many = create(spec(threads));
      train(*many, mode, 0, 3, images);
      expect_same_bits(*one, *many, std::to_string(threads) + " threads, " + std::to_string(images) + " images");
    }
  }
}

void forward_with_any_number_of_threads() {
  const Data data = draw(noisy_spec(Encoder::kHybrid, 1), 9, 3);
  std::vector<float> first;
  for (int threads : {1, 2, 3, 4}) {
    const auto network = create(noisy_spec(Encoder::kHybrid, threads));
    std::vector<float> logits(9 * 7);
    ForwardOutputs out;
    out.logits = logits.data();
    StepStats stats;
    expect_ok(network->forward(data.batch(), Mode::kSnn, out, no_stop(), &stats), "forward");
    if (first.empty()) first = logits;
    expect(same_bits(first, logits), std::to_string(threads) + " threads");
  }
}

void same_seed() {
  const auto a = create(noisy_spec(Encoder::kHybrid, 2)), b = create(noisy_spec(Encoder::kHybrid, 2));
  expect_same_bits(*a, *b, "initial parameters");
  train(*a, Mode::kSnn, 0, 3);
  train(*b, Mode::kSnn, 0, 3);
  expect_same_bits(*a, *b, "trained parameters");
  CaseSpec other = noisy_spec(Encoder::kHybrid, 2);
  other.seed = 78;
  expect(read_bits(*create(other), TensorKind::kParameter) !=
             read_bits(*create(noisy_spec(Encoder::kHybrid, 2)), TensorKind::kParameter),
         "another seed gives other parameters");
}

void resume(Mode mode) {
  const auto whole = create(noisy_spec(Encoder::kRate, 2)), first = create(noisy_spec(Encoder::kRate, 2));
  train(*whole, mode, 0, 4);
  train(*first, mode, 0, 2);
  CaseSpec spec = noisy_spec(Encoder::kRate, 1);
  const auto second = create(spec);
  using enum TensorKind;
  take_over(*second, *first, {kParameter, kSlot0, kSlot1, kSlot2});
  train(*second, mode, 2, 4);
  expect_same_bits(*whole, *second, "resumed training");
}

void inference_changes_nothing() {
  const auto network = create(noisy_spec(Encoder::kHybrid, 2)), untouched = create(noisy_spec(Encoder::kHybrid, 2));
  const Data data = draw(network->spec(), 4, 5);
  StepStats stats;
  expect_ok(network->forward(data.batch(), Mode::kSnn, {}, no_stop(), &stats), "forward");
  expect_ok(network->gradients(data.batch(), Mode::kSnn, no_stop(), &stats), "gradients");
  expect_ok(network->forward(data.batch(), Mode::kAnn, {}, no_stop(), &stats), "forward");
  expect_same_bits(*network, *untouched, "forward and gradients");
  network->set_random_step(untouched->random_step());
  train(*network, Mode::kSnn, 0, 2);
  train(*untouched, Mode::kSnn, 0, 2);
  expect_same_bits(*network, *untouched, "training after a forward pass");
}

void abort_before_start() {
  for (Mode mode : {Mode::kSnn, Mode::kAnn}) {
    const auto network = create(noisy_spec(Encoder::kHybrid, 2)), other = create(noisy_spec(Encoder::kHybrid, 2));
    const Data data = draw(network->spec(), 4, 6);
    const std::atomic<bool> stop{true};
    StepStats stats;
    expect(network->forward(data.batch(), mode, {}, stop, &stats).code == Code::kAborted, "forward answers kAborted");
    expect(network->gradients(data.batch(), mode, stop, &stats).code == Code::kAborted, "gradients answers kAborted");
    expect(network->train(data.batch(), mode, clipped_adam(), stop, &stats).code == Code::kAborted,
           "train answers kAborted");
    expect(network->calibrate(data.batch(), 99.0, 1.0, stop).code == Code::kAborted, "calibrate answers kAborted");
    expect(network->optimizer_steps() == 0, "no optimiser step was counted");
    expect_same_bits(*network, *other, "aborted calls");
    network->set_random_step(other->random_step());
    train(*network, mode, 0, 2);
    train(*other, mode, 0, 2);
    expect_same_bits(*network, *other, "training after aborted calls");
  }
}

// Aborts at whatever moment: a step is done in full or not at all.
void abort_while_running() {
  const auto network = create(noisy_spec(Encoder::kHybrid, 2)), other = create(noisy_spec(Encoder::kHybrid, 2));
  const bool cpu = subject().on.kind == BackendKind::kCpu;
  const Data data = draw(network->spec(), cpu ? 48 : 8, 7);
  Random random(8);
  int aborted = 0;
  for (int attempt = 0; attempt < 25; ++attempt) {
    // A recorded step tests `stop` when it starts, so elsewhere than on the CPU some waits are none.
    const bool early = !cpu && attempt % 4 == 0;
    const int wait = early ? 0 : random.between(0, 12000);
    std::atomic<bool> stop{early};
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(wait));
      stop = true;
    });
    const uint64_t random_step = network->random_step();
    StepStats stats;
    const Status status = network->train(data.batch(), Mode::kSnn, clipped_adam(), stop, &stats);
    killer.join();
    if (status.code == Code::kAborted) {
      ++aborted;
      expect(network->random_step() == random_step, "an aborted step leaves the random counter alone");
    } else {
      expect_ok(status, "train");
      expect_ok(other->train(data.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), "train");
    }
    expect_same_bits(*network, *other, "attempt " + std::to_string(attempt));
  }
  expect(aborted > 0, "no attempt was aborted");
}

// A calibration that is stopped part way has changed nothing either.
void abort_calibration() {
  const auto network = create(noisy_spec(Encoder::kHybrid, 1)), other = create(noisy_spec(Encoder::kHybrid, 1));
  const Data data = draw(network->spec(), 64, 9);
  Random random(10);
  int aborted = 0;
  for (int attempt = 0; attempt < 100 && aborted < 10; ++attempt) {
    std::atomic<bool> stop{false};
    const int wait = random.between(0, 6000);
    std::thread killer([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(wait));
      stop = true;
    });
    const Status status = network->calibrate(data.batch(), 99.0, 1.0, stop);
    killer.join();
    if (status.code == Code::kAborted) {
      ++aborted;
    } else {
      expect_ok(status, "calibrate");
      expect_ok(other->calibrate(data.batch(), 99.0, 1.0, no_stop()), "calibrate");
    }
    expect_same_bits(*network, *other, "attempt " + std::to_string(attempt));
    // Other weights, so that the next calibration has something to change.
    train(*network, Mode::kSnn, attempt, attempt + 1);
    train(*other, Mode::kSnn, attempt, attempt + 1);
  }
  expect(aborted > 0, "no attempt was aborted");
}

}  // namespace

void add_determinism_tests(Tests& tests) {
  tests.push_back({"threads do not change training: SNN", [] { any_number_of_threads(Mode::kSnn, Encoder::kHybrid); }});
  tests.push_back(
      {"threads do not change training: SNN, rate encoder", [] { any_number_of_threads(Mode::kSnn, Encoder::kRate); }});
  tests.push_back({"threads do not change training: ANN", [] { any_number_of_threads(Mode::kAnn, Encoder::kHybrid); }});
  tests.push_back({"threads do not change training: SNN, mixed precision",
                   [] { any_number_of_threads(Mode::kSnn, Encoder::kHybrid, Precision::kMixed); }});
  tests.push_back({"threads do not change training: ANN, mixed precision",
                   [] { any_number_of_threads(Mode::kAnn, Encoder::kHybrid, Precision::kMixed); }});
  tests.push_back({"threads do not change logits", forward_with_any_number_of_threads});
  tests.push_back({"seed decides every bit", same_seed});
  tests.push_back({"resume is bit-identical: SNN", [] { resume(Mode::kSnn); }});
  tests.push_back({"resume is bit-identical: ANN", [] { resume(Mode::kAnn); }});
  tests.push_back({"inference changes no parameter", inference_changes_nothing});
  tests.push_back({"abort before the start changes nothing", abort_before_start});
  tests.push_back({"abort while running: a step happens in full or not at all", abort_while_running});
  tests.push_back({"abort while calibrating changes nothing", abort_calibration});
}

}  // namespace onespike::test
