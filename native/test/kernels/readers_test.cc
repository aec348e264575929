// A map that two stages read: its gradient is the sum of what each of them gives alone, in both modes.
#include <cmath>
#include <memory>
#include <optional>

#include "core/backend/backend.h"
#include "core/plan.h"
#include "test/support/cases.h"
#include "test/support/held_memory.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

using Values = std::vector<float>;

constexpr int kImages = 3, kSteps = 4, kHeight = 7, kWidth = 6, kChannels = 20;

// What a reader adds to the gradient of the map that it reads.
struct Given {
  Values map;     // (n, T, src map), or (n, src map)
  Values neuron;  // of threshold and leak
};

struct Reader {
  StageShape shape;
  Values weight, a, d_out;  // packed; (n, T, out map); (n, out map)

  Reader(const StageShape& s, Random& random) : shape(s) {
    weight = draw(random, s.weights()), a = draw(random, kImages * kSteps * s.out_size()),
    d_out = draw(random, kImages * s.out_size());
    // Padding channels carry nothing, and most neurons are far from their thresholds.
    for (size_t i = 0; i < a.size(); ++i)
      if (int(i) % s.out_cs >= s.out_c || random.chance(0.6)) a[i] = 0;
  }
  static Values draw(Random& random, int64_t count) {
    Values values(static_cast<size_t>(count));
    for (float& v : values) v = float(random.normal());
    return values;
  }
};

// The neurons of the map, and a backend whose buffers hold what its readers need.
class Map {
 public:
  Map(Precision precision, Random& random) {
    BackendSpec on = subject().on;
    on.precision = precision;
    expect_ok(make_backend(on, &backend_), "backend");
    memory_.emplace(*backend_);
    const int64_t size = kImages * int64_t(kHeight) * kWidth * round_up(kChannels, kLane);
    potential_ = memory_->upload(Reader::draw(random, size * kSteps));
    std::vector<uint8_t> times(static_cast<size_t>(size)), mask(static_cast<size_t>(size));
    for (uint8_t& t : times) t = uint8_t(random.between(0, kSteps));
    for (uint8_t& m : mask) m = random.chance(0.7);
    times_ = memory_->upload(times), mask_ = memory_->upload(mask), neuron_ = memory_->upload(Values{1.1f, 0.9f});
    activation_ = memory_->upload(Reader::draw(random, size));
    size_ = size;
  }

  // The readers in turn, each adding to what those before it wrote.
  Given spiking(const std::vector<const Reader*>& readers) {
    float *a = memory_->upload(Values(size_t(size_ * kSteps))), *d_neuron = memory_->upload(Values(2));
    for (size_t i = 0; i < readers.size(); ++i) {
      const StageShape& s = readers[i]->shape;
      const NeuronParams neuron{kSteps, neuron_, true, {}};
      backend_->run(SpikingBackwardTask{.gradient = memory_->upload(Values(size_t(kImages * kSteps * s.grad_step()))),
                                        .below = {.a = a,
                                                  .add = i > 0,
                                                  .d_neuron = d_neuron,
                                                  .potential = potential_,
                                                  .times = times_,
                                                  .mask = mask_,
                                                  .scale = 1 / float(s.pool * s.pool),
                                                  .neuron = neuron},
                                        .a = memory_->upload(readers[i]->a),
                                        .weight = memory_->upload(readers[i]->weight),
                                        .weight_backward = packed(*readers[i], false, kSteps),
                                        .neuron = neuron,
                                        .n = kImages,
                                        .shape = s});
    }
    return {memory_->download(a, size_ * kSteps), memory_->download(d_neuron, 2)};
  }
  Given dense(const std::vector<const Reader*>& readers) {
    float* d_src = memory_->upload(Values(size_t(size_)));
    for (size_t i = 0; i < readers.size(); ++i)
      backend_->run(DenseInputGradientTask{.d_src = d_src,
                                           .add = i > 0,
                                           .d_out = memory_->upload(readers[i]->d_out),
                                           .weight = memory_->upload(readers[i]->weight),
                                           .weight_backward = packed(*readers[i], true, 1),
                                           .activation = activation_,
                                           .n = kImages,
                                           .shape = readers[i]->shape});
    return {memory_->download(d_src, size_), {}};
  }

 private:
  const void* packed(const Reader& reader, bool dense, int timesteps) {
    const StageShape& s = reader.shape;
    expect(backend_->reserve_workspace(backend_->workspace_bytes({kImages, timesteps, true, s})), "workspace");
    uint8_t* to = memory_->upload(std::vector<uint8_t>(backend_->backward_bytes(dense, s) + 1));
    backend_->run(PackBackwardTask{.to = to, .weight = memory_->upload(reader.weight), .dense = dense, .shape = s});
    return to;
  }

  std::unique_ptr<Backend> backend_;
  std::optional<HeldMemory> memory_;
  int64_t size_ = 0;
  float *potential_, *neuron_, *activation_;
  uint8_t *times_, *mask_;
};

// No rounding but that of the one addition: each reader computes what it computes alone.
void expect_sum(const Given& both, const Given& one, const Given& other, const std::string& what) {
  bool changed = false;
  for (size_t i = 0; i < both.map.size(); ++i) {
    expect(both.map[i] == one.map[i] + other.map[i], what + ", value " + std::to_string(i) + ": expected " +
                                                         std::to_string(one.map[i] + other.map[i]) + " but received " +
                                                         std::to_string(both.map[i]));
    changed |= one.map[i] != 0 && other.map[i] != 0;
  }
  expect(changed, what + ": some values come from both");
  for (size_t i = 0; i < both.neuron.size(); ++i)
    expect_near(both.neuron[i], double(one.neuron[i]) + other.neuron[i], 1e-6, 1e-6, what + ", threshold and leak");
}

void two_readers(Precision precision) {
  Random random(17);
  const auto shape = [](int out, int kernel, int stride, int pool, bool linear) {
    return shape_of(kHeight, kWidth, kChannels, out, kernel, stride, kernel / 2, pool, linear);
  };
  const Reader readers[] = {Reader(shape(24, 3, 1, 1, false), random), Reader(shape(9, 1, 2, 1, false), random),
                            Reader(shape(33, 3, 1, 2, false), random), Reader(shape(40, 0, 1, 2, true), random)};
  for (const Reader& one : readers)
    for (const Reader& other : readers) {
      if (&one == &other) continue;
      Map map(precision, random);
      const std::string what = "readers " + std::to_string(&one - readers) + " and " + std::to_string(&other - readers);
      expect_sum(map.spiking({&one, &other}), map.spiking({&one}), map.spiking({&other}), what);
      expect_sum(map.dense({&one, &other}), map.dense({&one}), map.dense({&other}), what + " of the ANN");
    }
}

// A plan in which stages 1 and 3 read stage 0.
void plan_of_a_graph() {
  Plan plan;
  expect_ok(make_plan(network_spec(2, 6, 6, 3, {conv(4), conv(4), pool(2), linear(5), linear(6), output(3)}),
                      {1 << 20, 1 << 20, 1 << 20, 1 << 20, 8, 8}, &plan),
            "plan");
  expect(plan.sources == std::vector<int>({kPixels, 0, 1, 2, 3}), "a chain unless somebody says otherwise");
  for (size_t i = 0; i < 4; ++i)
    expect(plan.in_chain(i) && plan.readers(i) == 1 && !plan.keeps_potential(i) && !plan.adds_gradient(i), "a chain");
  expect(plan.readers(4) == 0, "nobody reads the output layer");
  plan.sources[3] = 0;
  expect(plan.readers(0) == 2 && plan.readers(2) == 0, "readers");
  expect(plan.adds_gradient(1) && !plan.adds_gradient(3), "the last reader writes, those before it add");
  expect(!plan.in_chain(0) && plan.in_chain(1) && plan.in_chain(3), "a map that two stages read is in no chain");
  expect(plan.keeps_potential(0) && !plan.keeps_potential(1), "its potentials are read twice");
  expect(plan.keeps_block(0) && plan.keeps_block(1) && !plan.keeps_block(2), "linear readers wait");
}

}  // namespace

void add_readers_tests(Tests& tests) {
  tests.push_back(
      {"a map with two readers receives the sum of their gradients", [] { two_readers(Precision::kFp32); }});
  tests.push_back({"a map with two readers receives the sum of their gradients, in mixed precision",
                   [] { two_readers(Precision::kMixed); }});
  tests.push_back({"a plan names the source of every stage", plan_of_a_graph});
}

}  // namespace onespike::test
