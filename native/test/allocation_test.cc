// Running out of memory at every allocation there is: a call answers kOom, or goes on without what it could not have;
// nothing leaks, and the network is what it was before, so that it goes on bit-identical to one that never failed.
#include <algorithm>
#include <memory>
#include <stdexcept>

#include "test/support/cases.h"
#include "test/support/failing_memory.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

constexpr int kImages = 2, kClasses = 3;

// Every kind of stage, and whatever allocates: dropout, biases, the table of the exponential surrogate. Small, because
// every row of every image allocates.
CaseSpec spec_of(Encoder encoder, int threads, Precision precision = Precision::kFp32) {
  CaseSpec spec =
      network_spec(2, 4, 4, 2, {conv(17, 3, 1, 1, true), pool(2), conv(16), linear(18, true), output(kClasses)});
  spec.layers[2].dropout = 0.25f;
  spec.encoder = encoder, spec.surrogate = Surrogate::kExponential;
  spec.on.threads = threads, spec.on.precision = precision;
  return spec;
}

OptimizerOptions adamw() {
  OptimizerOptions o;
  o.kind = OptimizerKind::kAdamW, o.amsgrad = true;
  o.learning_rate = o.neuron_learning_rate = 0.01f, o.weight_decay = 0.01f, o.clip_norm = 1;
  return o;
}

// What a network keeps from one call to the next.
struct Kept {
  explicit Kept(const Network& network)
      : optimizer_steps(network.optimizer_steps()), random_step(network.random_step()) {
    for (TensorKind kind : {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1, TensorKind::kSlot2})
      tensors.push_back(read_bits(network, kind));
  }
  bool operator==(const Kept&) const = default;

  std::vector<std::vector<float>> tensors;
  int64_t optimizer_steps;
  uint64_t random_step;
};

// Makes a call with memory that fails, or with all it wants.
using Under = std::function<Status(const std::function<Status()>& call)>;

struct Answer {
  Status status;
  size_t made = 0;              // steps, also of a call that ended in the middle
  std::vector<double> numbers;  // of these steps
};
// Steps [first, last), each of which happens in full or not at all.
using Steps = std::function<Answer(Network& network, const Case& c, size_t first, size_t last, const Under& under)>;

Status without_failure(const std::function<Status()>& call) { return call(); }

// Makes a call with allocation `at` failing, and says in `reached` whether there was one. No exception may leave a
// call.
Under failing_at(int64_t at, Failing failing, bool* reached) {
  return [=](const std::function<Status()>& call) {
    Status status;
    bool left = false;
    {
      const FailingMemory memory(at, failing);
      try {
        status = call();
      } catch (const std::exception&) {
        left = true;
      }
      *reached = memory.reached();
    }
    expect(!left, "allocation " + std::to_string(at) + ": an exception left the call");
    return status;
  };
}

// Calls attempt(under, what) with the first allocation failing, then with the second, and so on until none fails; and
// with several of them and all behind, as when the memory is gone for good. Nothing of an attempt may stay behind in
// memory. Returns how many allocations there were.
int64_t each_failure(const std::function<void(const Under& under, const std::string& what)>& attempt) {
  // All that the second kind adds is what fails on the way out, which is the same from many places.
  constexpr int64_t kStride = 4;
  int64_t count = 0;
  for (Failing failing : {Failing::kOne, Failing::kAll}) {
    const int64_t stride = failing == Failing::kOne ? 1 : kStride;
    bool reached = true;
    for (int64_t at = 0; reached; at += stride) {
      const std::string what = "allocation " + std::to_string(at) + (failing == Failing::kAll ? " and all behind" : "");
      const int64_t before = live_blocks();
      attempt(failing_at(at, failing, &reached), what);
      const int64_t left = live_blocks() - before;
      expect(left == 0, what + ": " + std::to_string(left) + " blocks were left behind");
      if (reached) count = std::max(count, at + 1);
    }
  }
  return count;
}

void expect_no_memory(const Status& status, const std::string& what) {
  expect(status.code == Code::kOom && !status.message.empty(),
         what + ": expected ERR_OOM and a message but received " + code_name(status.code) + " " + status.message);
}

void survives(const CaseSpec& spec, size_t count, const Steps& steps) {
  Random random(31);
  const Case c = make_case(spec, kImages, random);
  std::vector<Kept> states;  // after so many steps
  std::vector<double> expected;
  {
    const auto network = make_network(c);
    states.emplace_back(*network);
    for (size_t i = 0; i < count; ++i) {
      const Answer one = steps(*network, c, i, i + 1, without_failure);
      expect_ok(one.status, "undisturbed");
      expected.insert(expected.end(), one.numbers.begin(), one.numbers.end());
      states.emplace_back(*network);
    }
  }
  const int64_t allocations = each_failure([&](const Under& under, const std::string& what) {
    const auto network = make_network(c);
    Answer answer = steps(*network, c, 0, count, under);
    if (!answer.status.ok()) expect_no_memory(answer.status, what);
    expect(answer.status.ok() == (answer.made > 0), what + ": an error if no step was made, and only then");
    expect(Kept(*network) == states[answer.made], what + ": as after " + std::to_string(answer.made) + " steps");
    if (answer.made < count) {
      const Answer rest = steps(*network, c, answer.made, count, without_failure);
      expect_ok(rest.status, what + ", the rest");
      answer.numbers.insert(answer.numbers.end(), rest.numbers.begin(), rest.numbers.end());
    }
    expect(Kept(*network) == states.back() && answer.numbers == expected, what + ": as if it had not failed");
  });
  expect(allocations > 0, "no allocation failed");
}

void add_stats(const StepStats& stats, std::vector<double>* numbers) {
  numbers->insert(numbers->end(), {stats.loss, double(stats.correct), stats.gradient_norm, double(stats.bad_layer)});
  numbers->insert(numbers->end(), stats.spikes.begin(), stats.spikes.end());
}

// As the addon trains: batches from arrays, or rows of a data set that are drawn one step ahead.
Answer train(Network& network, const Case& c, size_t first, size_t last, Mode mode, bool ahead, const Under& under) {
  Rows rows{
      std::make_shared<Dataset>(Dataset{c.spec.channels, c.spec.height, c.spec.width, kImages, c.pixels, c.labels}),
      {1, 0},
      {1, true, 9, 0}};
  const auto of_step = [&](size_t step) {
    Rows of = rows;
    of.augment.step = step;
    return of;
  };
  Prefetcher prefetcher;
  BatchStorage storage;
  StepGroup group;
  group.count = last - first, group.largest = kImages;
  group.updates.assign(group.count, adamw());
  group.batch = [&](size_t i, Batch* batch) {
    if (!ahead) return *batch = c.batch(), Status::success();
    const Rows now = of_step(first + i), next = of_step(first + i + 1);
    Status status = prefetcher.take(now, &storage);
    if (status.ok() && i + 1 < group.count) prefetcher.start(next);
    *batch = storage.view();
    return status;
  };
  std::vector<StepStats> stats;
  Answer answer{under([&] { return network.train(group, mode, no_stop(), &stats); }), stats.size(), {}};
  for (const StepStats& one : stats) add_stats(one, &answer.numbers);
  return answer;
}

Answer infer(Network& network, const Case& c, Mode mode, bool trace, bool early, const Under& under) {
  const size_t T = size_t(c.spec.timesteps), K = kClasses;
  std::vector<float> logits(kImages * K), potentials(trace ? kImages * T * K : 0);
  std::vector<uint8_t> decisions(early ? kImages : 0);
  std::vector<std::vector<uint8_t>> times;
  ForwardOutputs out;
  out.logits = logits.data();
  if (early) out.decision_steps = decisions.data();
  if (trace) {
    out.potentials = potentials.data();
    for (int layer = 0; layer < network.spiking_layers(); ++layer)
      times.emplace_back(size_t(kImages * network.neurons(layer)));
    for (std::vector<uint8_t>& layer : times) out.spike_times.push_back(layer.data());
  }
  StepStats stats;
  Answer answer{under([&] { return network.forward(c.batch(), mode, out, no_stop(), &stats); }), 0, {}};
  if (!answer.status.ok()) return answer;
  answer.made = 1;
  // Images that end early add to the loss in the order of their decisions, which says nothing of its last bit.
  answer.numbers = {early ? 0 : stats.loss, double(stats.correct)};
  answer.numbers.insert(answer.numbers.end(), logits.begin(), logits.end());
  answer.numbers.insert(answer.numbers.end(), potentials.begin(), potentials.end());
  answer.numbers.insert(answer.numbers.end(), decisions.begin(), decisions.end());
  for (const std::vector<uint8_t>& layer : times)
    answer.numbers.insert(answer.numbers.end(), layer.begin(), layer.end());
  return answer;
}

Answer calibrate(Network& network, const Case& c, const Under& under) {
  Answer answer{under([&] { return network.calibrate(c.batch(), 99, 0.8, no_stop()); }), 0, {}};
  answer.made = answer.status.ok();
  return answer;
}

void creation(int threads) {
  const CaseSpec spec = spec_of(Encoder::kHybrid, threads);
  const int64_t allocations = each_failure([&](const Under& under, const std::string& what) {
    std::unique_ptr<Network> network;
    Status status = under([&] { return create_network(spec, &network); });
    expect(status.ok() == (network != nullptr), what + ": a network or an error");
    if (!status.ok()) expect_no_memory(status, what);
  });
  expect(allocations > 0, "no allocation failed");
}

// Tensors are written one by one: the one that fails stays as it was.
void loading(int threads) {
  Random random(32);
  const Case c = make_case(spec_of(Encoder::kHybrid, threads), kImages, random);
  const auto values_of = [](const Network& network, TensorKind kind, int tensor) {
    std::vector<float> values(size_t(network.tensors()[size_t(tensor)].size));
    expect_ok(network.read(kind, tensor, values.data()), "read");
    return values;
  };
  int64_t allocations = 0;
  for (TensorKind kind : {TensorKind::kParameter, TensorKind::kGradient, TensorKind::kSlot0, TensorKind::kSlot2})
    for (int tensor = 0; tensor < int(make_network(c)->tensors().size()); ++tensor)
      allocations += each_failure([&](const Under& under, const std::string& what) {
        const auto network = make_network(c);
        const std::vector<float> before = values_of(*network, kind, tensor);
        const std::vector<float> wanted(before.size(), 0.75f);
        const Status status = under([&] { return network->write(kind, tensor, wanted.data()); });
        if (!status.ok()) {
          expect_no_memory(status, what);
          expect(values_of(*network, kind, tensor) == before, what + ": what it held");
          expect_ok(network->write(kind, tensor, wanted.data()), what + ", once more");
        }
        expect(values_of(*network, kind, tensor) == wanted, what + ": what was written");
      });
  expect(allocations > 0, "no allocation failed");
}

}  // namespace

void add_allocation_tests(Tests& tests) {
  const auto add = [&](const std::string& call, size_t count, CaseSpec spec, const Steps& steps, int most_threads) {
    for (spec.on.threads = 1; spec.on.threads <= most_threads; ++spec.on.threads)
      tests.push_back({"memory runs out in " + call + ", threads " + std::to_string(spec.on.threads),
                       [=] { survives(spec, count, steps); }});
  };
  const auto training = [](Mode mode, bool ahead) {
    return [=](Network& network, const Case& c, size_t first, size_t last, const Under& under) {
      return train(network, c, first, last, mode, ahead, under);
    };
  };
  const auto inference = [](Mode mode, bool trace, bool early) {
    return [=](Network& network, const Case& c, size_t, size_t, const Under& under) {
      return infer(network, c, mode, trace, early, under);
    };
  };
  const auto calibration = [](Network& network, const Case& c, size_t, size_t, const Under& under) {
    return calibrate(network, c, under);
  };
  const CaseSpec hybrid = spec_of(Encoder::kHybrid, 1), ttfs = spec_of(Encoder::kTtfs, 1),
                 rate = spec_of(Encoder::kRate, 1), mixed = spec_of(Encoder::kHybrid, 1, Precision::kMixed);
  CaseSpec profiled = hybrid, scheduled = hybrid;
  profiled.profile = true, scheduled.schedules = true;
  add("training, SNN", 2, hybrid, training(Mode::kSnn, false), 2);
  add("training, SNN in mixed precision", 1, mixed, training(Mode::kSnn, false), 1);
  add("training, SNN with the rate encoder", 1, rate, training(Mode::kSnn, false), 1);
  add("training, SNN with a profile", 1, profiled, training(Mode::kSnn, false), 1);
  add("training, SNN with schedules", 1, scheduled, training(Mode::kSnn, false), 2);
  add("training, ANN", 2, hybrid, training(Mode::kAnn, false), 2);
  add("training, ANN in mixed precision", 1, mixed, training(Mode::kAnn, false), 1);
  add("training from a data set", 2, hybrid, training(Mode::kSnn, true), 2);
  add("inference, ANN", 1, hybrid, inference(Mode::kAnn, false, false), 1);
  add("inference, SNN", 1, ttfs, inference(Mode::kSnn, false, false), 1);
  add("inference with a trace", 1, hybrid, inference(Mode::kSnn, true, false), 2);
  add("inference that ends early", 1, hybrid, inference(Mode::kSnn, false, true), 2);
  add("inference that ends early with schedules", 1, scheduled, inference(Mode::kSnn, false, true), 1);
  add("calibration", 1, hybrid, calibration, 2);
  for (int threads : {1, 2}) {
    const std::string with = ", threads " + std::to_string(threads);
    tests.push_back({"memory runs out in creating a network" + with, [threads] { creation(threads); }});
    tests.push_back({"memory runs out in writing tensors" + with, [threads] { loading(threads); }});
  }
}

}  // namespace onespike::test
