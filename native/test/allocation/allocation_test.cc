// Running out of memory where networks of spikes and their ANN are created, written, trained, asked and calibrated.
#include <memory>

#include "test/allocation/attempts.h"
#include "test/allocation/steps.h"
#include "test/code/code_cases.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

// Every kind of stage, and whatever allocates: dropout, biases, the table of the exponential surrogate. Small, because
// every row of every image allocates.
CaseSpec spec_of(Encoder encoder, Precision precision = Precision::kFp32) {
  CaseSpec spec =
      network_spec(2, 2, 4, 2, {conv(17, 3, 1, 1, true), pool(2), conv(16), linear(18, true), output(kFewClasses)});
  spec.layers[2].dropout = 0.25f;
  spec.encoder = encoder, spec.surrogate = Surrogate::kExponential;
  spec.on.precision = precision;
  return spec;
}

// Networks with all that others lack: schedules and genes, and a code.
std::vector<CaseSpec> other_specs() {
  CaseSpec genetic = spec_of(Encoder::kHybrid), coded = with_code(genetic, ttfs(8));
  genetic.genes = 3, genetic.schedules = true;
  return {genetic, coded, with_code(coded, radix(4))};
}

void creation(const CaseSpec& spec) {
  const int64_t allocations = each_failure([&](const Under& under, const std::string& what) {
    std::unique_ptr<Network> network;
    Status status = under([&] { return create_network(spec, &network); });
    expect(status.ok() == (network != nullptr), what + ": a network or an error");
    if (!status.ok()) expect_no_memory(status, what);
  });
  expect(allocations > 0, "no allocation failed");
}

std::unique_ptr<Network> created(const CaseSpec& spec) {
  std::unique_ptr<Network> network;
  expect_ok(create_network(spec, &network), "create");
  return network;
}

// Makes a call under a failure and, if it fails, once more without one.
void twice(const Under& under, const std::string& what, const std::function<Status()>& call,
           const std::function<void()>& if_failed) {
  const Status status = under(call);
  if (status.ok()) return;
  expect_no_memory(status, what);
  if_failed();
  expect_ok(call(), what + ", once more");
}

// Tensors are written and read one by one: the one that fails stays as it was.
void loading(const CaseSpec& spec) {
  int64_t allocations = 0;
  const auto original = created(spec);
  for (const TensorKind kind :
       {TensorKind::kParameter, TensorKind::kGradient, TensorKind::kSlot0, TensorKind::kSlot2, TensorKind::kAverage})
    for (int tensor = 0; tensor < int(original->tensors().size()); ++tensor) {
      const TensorInfo& info = original->tensors()[size_t(tensor)];
      const auto values_of = [&](const Network& network) {
        std::vector<float> values(static_cast<size_t>(info.size));
        expect_ok(network.read(kind, tensor, values.data()), "read");
        return values;
      };
      const std::vector<float> given(size_t(info.size), 0.75f);
      std::vector<float> wanted;  // what the network keeps of these: weights that follow from genes are not written
      {
        const auto network = created(spec);
        if (!network->write(kind, tensor, given.data()).ok()) continue;  // there is no such tensor
        wanted = values_of(*network);
      }
      allocations += each_failure([&](const Under& under, const std::string& what) {
        const auto network = created(spec);
        const std::vector<float> before = values_of(*network);
        twice(
            under, what + " writing " + info.name, [&] { return network->write(kind, tensor, given.data()); },
            [&] {
              expect(values_of(*network) == before, what + ": what it held");
              expect(!network->averaged(), what + ": no average of zeros");
            });
        expect(values_of(*network) == wanted, what + ": what was written");
      });
      allocations += each_failure([&](const Under& under, const std::string& what) {
        const auto network = created(spec);
        expect_ok(network->write(kind, tensor, given.data()), "write");
        std::vector<float> values(static_cast<size_t>(info.size));
        twice(under, what + " reading " + info.name, [&] { return network->read(kind, tensor, values.data()); }, [] {});
        expect(values == wanted, what + ": what was written is read");
      });
    }
  expect(allocations > 0, "no allocation failed");
}

}  // namespace

void add_allocation_tests(Tests& tests) {
  const auto add = [&](const std::string& call, size_t count, const CaseSpec& spec,
                       const std::function<Steps(const Case&)>& steps, int most_threads) {
    add_survival(
        tests, call, count,
        [spec](int threads) {
          Random random(31);
          CaseSpec on = spec;
          on.on.threads = threads;
          return make_case(on, kFewImages, random);
        },
        steps, most_threads);
  };
  const auto train = [](Mode mode, bool rows = false) {
    return [=](const Case& c) { return training(c, {.mode = mode, .optimizer = clipped_adamw(), .rows = rows}); };
  };
  const auto infer = [](const Wanted& wanted) { return [=](const Case& c) { return inference(c, wanted); }; };
  const CaseSpec hybrid = spec_of(Encoder::kHybrid), first_spikes = spec_of(Encoder::kTtfs),
                 rate = spec_of(Encoder::kRate), mixed = spec_of(Encoder::kHybrid, Precision::kMixed);
  CaseSpec profiled = hybrid, scheduled = hybrid;
  profiled.profile = true, scheduled.schedules = true;
  CaseSpec norm = hybrid;
  norm.layers[0].norm = norm.layers[3].norm = true, norm.norm_group = 1;
  CaseSpec norm_profiled = norm;
  norm_profiled.profile = true;
  add("training, SNN", 2, hybrid, train(Mode::kSnn), 2);
  add("training, SNN in mixed precision", 1, mixed, train(Mode::kSnn), 1);
  add("training, SNN with the rate encoder", 1, rate, train(Mode::kSnn), 1);
  add("training, SNN with a profile", 1, profiled, train(Mode::kSnn), 1);
  add("training, SNN with schedules", 1, scheduled, train(Mode::kSnn), 2);
  add("training, ANN", 2, hybrid, train(Mode::kAnn), 2);
  add("training, ANN in mixed precision", 1, mixed, train(Mode::kAnn), 1);
  add("training, normalised ANN", 2, norm, train(Mode::kAnn), 2);
  add("training, normalised ANN with a profile", 1, norm_profiled, train(Mode::kAnn), 1);
  add("training, normalised binary ANN", 1, norm, train(Mode::kBinary), 1);
  add("training, normalised SNN", 1, norm, train(Mode::kSnn), 1);
  add("training from a data set", 2, hybrid, train(Mode::kSnn, true), 2);
  add("inference, ANN", 1, hybrid, infer({.mode = Mode::kAnn}), 1);
  add("inference, SNN", 1, first_spikes, infer({}), 1);
  add("inference with a trace", 1, hybrid, infer({.trace = true}), 2);
  add("inference that ends early", 1, hybrid, infer({.early = true}), 2);
  add("inference that ends early with schedules", 1, scheduled, infer({.early = true}), 1);
  add("calibration", 1, hybrid, calibration, 2);
  for (int threads : {1, 2}) {
    CaseSpec on = hybrid;
    on.on.threads = threads;
    const std::string with = ", threads " + std::to_string(threads);
    tests.push_back({"memory runs out in creating a network" + with, [on] { creation(on); }});
    tests.push_back({"memory runs out in loading a network" + with, [on] { loading(on); }});
  }
  for (const CaseSpec& spec : other_specs()) {
    const std::string with = spec.genes > 0 ? "genes" : "code " + std::to_string(int(spec.code.kind));
    tests.push_back({"memory runs out in creating a network, " + with, [spec] { creation(spec); }});
    tests.push_back({"memory runs out in loading a network, " + with, [spec] { loading(spec); }});
  }
}

}  // namespace onespike::test
