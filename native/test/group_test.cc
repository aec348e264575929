// Groups of steps: the bits of the same steps one by one, whatever ends the group.
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <new>
#include <thread>

#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

constexpr int kImages = 5, kClasses = 6;

// Random numbers wherever training draws some.
CaseSpec noisy_spec(Encoder encoder) {
  CaseSpec spec = network_spec(3, 7, 6, 4, {conv(18, 3, 1, 1, true), pool(2), linear(21, true), output(kClasses)});
  spec.layers[0].dropout = 0.2f, spec.layers[2].dropout = 0.4f;
  spec.encoder = encoder;
  spec.seed = 77;
  return spec;
}

// One step of a list, and what may be asked of it.
struct Step {
  BatchStorage data;
  OptimizerOptions update;
};
using Steps = std::vector<Step>;

// Every step with a rate of its own; the last has fewer images.
Steps draw_steps(const NetworkSpec& spec, int count, OptimizerKind kind, uint64_t seed = 11) {
  Random random(seed);
  Steps steps{size_t(count)};
  for (int i = 0; i < count; ++i) {
    BatchStorage& data = steps[size_t(i)].data;
    data.count = i + 1 < count ? kImages : kImages - 2;
    data.pixels.resize(size_t(data.count * spec.channels * spec.height * spec.width));
    for (uint8_t& p : data.pixels) p = uint8_t(random.between(0, 255));
    for (int64_t n = 0; n < data.count; ++n) data.labels.push_back(random.between(0, kClasses - 1));
    OptimizerOptions& o = steps[size_t(i)].update;
    o.kind = kind;
    o.learning_rate = 0.01f / float(i + 1), o.neuron_learning_rate = 0.5f * o.learning_rate;
    o.clip_norm = 1.0f;
  }
  return steps;
}

struct Made {
  Status status;
  std::vector<StepStats> stats;
};

// The steps from `first` on, each in an array that the next one overwrites, as a host does that draws batches.
Made in_a_group(
    Network& network, const Steps& steps, Mode mode, const std::atomic<bool>& stop = no_stop(), size_t first = 0,
    const std::function<void(size_t)>& before = [](size_t) {}) {
  BatchStorage current;
  StepGroup group;
  group.count = steps.size() - first, group.largest = kImages;
  group.batch = [&](size_t i, Batch* batch) {
    before(first + i);
    current = steps[first + i].data;
    *batch = current.view();
    return Status::success();
  };
  for (size_t i = first; i < steps.size(); ++i) group.updates.push_back(steps[i].update);
  Made made;
  made.status = network.train(group, mode, stop, &made.stats);
  return made;
}

// The same, until one is not finite.
Made one_by_one(Network& network, const Steps& steps, Mode mode) {
  Made made;
  for (const Step& step : steps) {
    StepStats stats;
    made.status = network.train(step.data.view(), mode, step.update, no_stop(), &stats);
    if (!made.status.ok()) return made;
    made.stats.push_back(stats);
    if (stats.bad_layer >= 0) return made;
  }
  return made;
}

bool same_number(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void expect_same(const Network& a, const Made& x, const Network& b, const Made& y, const std::string& what,
                 bool gradients = true) {
  expect_ok(x.status, what);
  expect_ok(y.status, what);
  expect(x.stats.size() == y.stats.size(),
         what + ": " + std::to_string(x.stats.size()) + " results for " + std::to_string(y.stats.size()));
  for (size_t i = 0; i < x.stats.size(); ++i) {
    const StepStats &s = x.stats[i], &t = y.stats[i];
    expect(same_number(s.loss, t.loss) && s.correct == t.correct && s.spikes == t.spikes &&
               same_number(s.gradient_norm, t.gradient_norm),
           what + ": results of step " + std::to_string(i));
    expect(s.bad_layer == t.bad_layer, what + ": bad layer of step " + std::to_string(i) + ": " +
                                           std::to_string(s.bad_layer) + " for " + std::to_string(t.bad_layer));
  }
  expect(a.optimizer_steps() == b.optimizer_steps() && a.random_step() == b.random_step(), what + ": counters");
  for (TensorKind kind :
       {TensorKind::kParameter, TensorKind::kGradient, TensorKind::kSlot0, TensorKind::kSlot1, TensorKind::kSlot2}) {
    if (kind == TensorKind::kGradient && !gradients) continue;
    expect(same_bits(read_bits(a, kind), read_bits(b, kind)),
           what + ": bits in tensors of kind " + std::to_string(int(kind)));
  }
}

Case case_of(const CaseSpec& spec) {
  Random random(12);
  return make_case(spec, 1, random);
}

// More than once, for steps that a backend has recorded, and with another pass in between, which takes their buffers.
void equals_single_steps(Mode mode, Encoder encoder, OptimizerKind kind) {
  const Case c = case_of(noisy_spec(encoder));
  const auto a = make_network(c), b = make_network(c);
  StepStats stats;
  for (int round = 0; round < 3; ++round) {
    const Steps steps = draw_steps(c.spec, 6, kind, uint64_t(20 + round));
    const Made x = in_a_group(*a, steps, mode), y = one_by_one(*b, steps, mode);
    expect(x.stats.size() == 6 && a->optimizer_steps() == 6 * (round + 1), "all of them were made");
    expect_same(*a, x, *b, y, "round " + std::to_string(round));
    if (round == 1) expect_ok(a->forward(steps[0].data.view(), Mode::kSnn, {}, no_stop(), &stats), "forward");
  }
}

// Rows of two data sets that the network keeps, in turns.
void rows_of_data_sets() {
  Random random(13);
  const Case c = case_of(noisy_spec(Encoder::kHybrid));
  std::vector<std::shared_ptr<const Dataset>> sets;
  for (int64_t count : {30, 11}) {
    auto data = std::make_shared<Dataset>();
    data->channels = c.spec.channels, data->height = c.spec.height, data->width = c.spec.width, data->count = count;
    data->pixels.resize(size_t(count * c.spec.channels * c.spec.height * c.spec.width));
    for (uint8_t& p : data->pixels) p = uint8_t(random.between(0, 255));
    for (int64_t i = 0; i < count; ++i) data->labels.push_back(random.between(0, kClasses - 1));
    sets.push_back(data);
  }
  const auto a = make_network(c), b = make_network(c);
  for (int round = 0; round < 2; ++round) {
    Steps steps = draw_steps(c.spec, 5, OptimizerKind::kAdam);
    std::vector<Rows> rows;
    for (size_t i = 0; i < steps.size(); ++i) {
      rows.push_back({sets[i % 3 == 1], {}, {1, true, 5, uint64_t(5 * size_t(round) + i)}});
      for (int n = 0; n < kImages; ++n) rows.back().indices.push_back(uint32_t(random.between(0, 10)));
      expect_ok(draw_batch(*rows.back().data, rows.back().indices, rows.back().augment, &steps[i].data), "draw");
    }
    StepGroup group{
        steps.size(),
        kImages,
        [&](size_t i, Batch* batch) { return *batch = {nullptr, nullptr, kImages, &rows[i]}, Status::success(); },
        {}};
    for (const Step& step : steps) group.updates.push_back(step.update);
    Made x;
    x.status = a->train(group, Mode::kSnn, no_stop(), &x.stats);
    expect_same(*a, x, *b, one_by_one(*b, steps, Mode::kSnn), "round " + std::to_string(round));
  }
}

// The weights of the step before became infinite.
void not_finite_after_an_update(Mode mode, size_t at) {
  const Case c = case_of(noisy_spec(Encoder::kHybrid));
  const auto a = make_network(c), b = make_network(c);
  Steps steps = draw_steps(c.spec, 5, OptimizerKind::kSgd);
  steps[at - 1].update.learning_rate = std::numeric_limits<float>::infinity();
  const Made x = in_a_group(*a, steps, mode);
  expect_same(*a, x, *b, one_by_one(*b, steps, mode), "step " + std::to_string(at));
  expect(x.stats.size() == at + 1 && x.stats.back().bad_layer == 0, "the step after it is the last, and names a layer");
}

// One batch alone lights a channel whose weights are too large: the steps after it would be finite and update, and the
// layer at fault is not to be seen in their numbers.
void not_finite_in_one_batch(size_t at) {
  CaseSpec spec = noisy_spec(Encoder::kHybrid);
  spec.mean[1] = 0;
  Case c = case_of(spec);
  for (int out = 0; out < 18; ++out)
    for (int tap = 0; tap < 9; ++tap) c.parameters[0].weight[size_t((out * 3 + 1) * 9 + tap)] = double(3e38f);
  const auto a = make_network(c), b = make_network(c);
  Steps steps = draw_steps(spec, 6, OptimizerKind::kAdam);
  const size_t channel = size_t(spec.height * spec.width);
  for (size_t i = 0; i < steps.size(); ++i)
    for (size_t n = 0; i != at && n < steps[i].data.labels.size(); ++n)
      std::fill_n(steps[i].data.pixels.begin() + int64_t((3 * n + 1) * channel), channel, uint8_t(0));
  const Made x = in_a_group(*a, steps, Mode::kAnn);
  expect_same(*a, x, *b, one_by_one(*b, steps, Mode::kAnn), "group");
  expect(x.stats.size() == at + 1 && x.stats.back().bad_layer == 0, "it is the last, and its layer is found");
  expect(a->optimizer_steps() == int64_t(at) && a->random_step() == at, "no step was counted from there on");
  // The next group is as good as new.
  steps.erase(steps.begin() + int64_t(at));
  const std::vector<float> before = read_bits(*a, TensorKind::kParameter);
  const Made y = in_a_group(*a, steps, Mode::kAnn);
  expect_same(*a, y, *b, one_by_one(*b, steps, Mode::kAnn), "the group after it");
  expect(y.stats.size() == steps.size() && read_bits(*a, TensorKind::kParameter) != before, "which updates");
}

void stopped_before(size_t at) {
  const Case c = case_of(noisy_spec(Encoder::kRate));
  const auto a = make_network(c), b = make_network(c);
  const Steps steps = draw_steps(c.spec, 5, OptimizerKind::kAdam);
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> stop{false};
    Made x = in_a_group(*a, steps, Mode::kSnn, stop, 0, [&](size_t i) { stop = i == at; });
    const Made y = one_by_one(*b, {steps.begin(), steps.begin() + int64_t(at)}, Mode::kSnn);
    if (at == 0) {
      expect(x.status.code == Code::kAborted && x.stats.empty(), "no step was made");
      x.status = Status::success();
    }
    expect(x.stats.size() == at, "so many steps were made");
    if (at > 0) expect_same(*a, x, *b, y, "round " + std::to_string(round));
    // And on from there: the rest of the list.
    const Made rest = in_a_group(*a, steps, Mode::kSnn, no_stop(), at);
    expect_same(*a, rest, *b, one_by_one(*b, {steps.begin() + int64_t(at), steps.end()}, Mode::kSnn),
                "the rest in round " + std::to_string(round));
  }
}

// At whatever moment: so many steps in full, and nothing of the next.
void stopped_while_running() {
  if (subject().on.kind != BackendKind::kCpu)
    return;  // steps that were enqueued happen: stopped_before says what there is to say
  const Case c = case_of(noisy_spec(Encoder::kHybrid));
  const auto a = make_network(c), b = make_network(c);
  const Steps steps = draw_steps(c.spec, 12, OptimizerKind::kAdam);
  Random random(14);
  // The stops come within the time that a whole group takes, which a sanitizer makes many times longer.
  const auto begin = std::chrono::steady_clock::now();
  expect_same(*a, in_a_group(*a, steps, Mode::kSnn), *b, one_by_one(*b, steps, Mode::kSnn), "no stop");
  const auto both = std::chrono::steady_clock::now() - begin;
  const int longest = int(std::chrono::duration_cast<std::chrono::microseconds>(both).count() / 2);
  int within = 0;
  for (int attempt = 0; attempt < 200 && within < 10; ++attempt) {
    std::atomic<bool> stop{false};
    std::thread killer([&, wait = random.between(0, longest)] {
      std::this_thread::sleep_for(std::chrono::microseconds(wait));
      stop = true;
    });
    Made x = in_a_group(*a, steps, Mode::kSnn, stop);
    killer.join();
    if (x.status.code == Code::kAborted) continue;
    within += x.stats.size() < steps.size();
    // Gradients are whatever the step that was given up has left.
    const Made y = one_by_one(*b, {steps.begin(), steps.begin() + int64_t(x.stats.size())}, Mode::kSnn);
    expect_same(*a, x, *b, y, "attempt " + std::to_string(attempt), false);
  }
  expect(within > 0, "no group was stopped on its way");
}

// It ends the group before it; the call that begins with it says why.
void a_step_that_cannot_be_made() {
  const Case c = case_of(noisy_spec(Encoder::kHybrid));
  const auto a = make_network(c), b = make_network(c);
  Steps steps = draw_steps(c.spec, 4, OptimizerKind::kSgd);
  steps[2].data.labels[1] = kClasses;
  const Made x = in_a_group(*a, steps, Mode::kSnn);
  expect_same(*a, x, *b, one_by_one(*b, {steps.begin(), steps.begin() + 2}, Mode::kSnn), "the steps before it");
  const std::vector<float> before = read_bits(*a, TensorKind::kParameter);
  const Made y = in_a_group(*a, steps, Mode::kSnn, no_stop(), 2);
  expect(y.status.code == Code::kArg && y.stats.empty() && read_bits(*a, TensorKind::kParameter) == before,
         "a label out of range: " + y.status.message);
  const Made z = in_a_group(*a, steps, Mode::kSnn, no_stop(), 0, [](size_t i) {
    if (i == 1) throw std::bad_alloc();
  });
  expect_same(*a, z, *b, one_by_one(*b, {steps.begin(), steps.begin() + 1}, Mode::kSnn),
              "the step before one that finds no memory");
  std::vector<StepStats> stats;
  StepGroup small{1,
                  kImages - 1,
                  [&](size_t, Batch* batch) { return *batch = steps[0].data.view(), Status::success(); },
                  {steps[0].update}};
  expect(a->train(small, Mode::kSnn, no_stop(), &stats).code == Code::kShape,
         "a batch larger than was said is refused");
  small.updates.clear();
  expect(a->train(small, Mode::kSnn, no_stop(), &stats).code == Code::kArg, "an update for every step is asked for");
}

}  // namespace

void add_group_tests(Tests& tests) {
  tests.push_back({"a group equals its steps one by one: SNN",
                   [] { equals_single_steps(Mode::kSnn, Encoder::kHybrid, OptimizerKind::kAdam); }});
  tests.push_back({"a group equals its steps one by one: SNN, rate encoder",
                   [] { equals_single_steps(Mode::kSnn, Encoder::kRate, OptimizerKind::kSgd); }});
  tests.push_back({"a group equals its steps one by one: ANN",
                   [] { equals_single_steps(Mode::kAnn, Encoder::kHybrid, OptimizerKind::kAdam); }});
  tests.push_back({"a group equals its steps one by one: rows of two data sets", rows_of_data_sets});
  for (Mode mode : {Mode::kSnn, Mode::kAnn})
    for (size_t at : {1, 3, 4})
      tests.push_back({"a group ends with a step that an update made not finite: step " + std::to_string(at) +
                           (mode == Mode::kAnn ? " of the ANN" : ""),
                       [=] { not_finite_after_an_update(mode, at); }});
  for (size_t at : {0, 2, 5})
    tests.push_back({"a group ends with a step that its batch made not finite: step " + std::to_string(at),
                     [=] { not_finite_in_one_batch(at); }});
  for (size_t at : {0, 1, 3})
    tests.push_back({"a group stopped before step " + std::to_string(at), [=] { stopped_before(at); }});
  tests.push_back({"a group stopped while running: steps happen in full or not at all", stopped_while_running});
  tests.push_back({"a group ends before a step that cannot be made", a_step_that_cannot_be_made});
}

}  // namespace onespike::test
