// Which of two kernels a stage takes, by the density of its source map: on both sides of the crossing, in a recorded
// step, for nothing at all.
#include <cmath>
#include <memory>

#include "core/backend/backend.h"
#include "cuda/choice/crossing.h"
#include "cuda/device/create.h"
#include "test/support/cases.h"
#include "test/cuda/tests.h"

namespace onespike::test {
namespace {

// A convolution of 64 channels in precision `mixed`, called as core calls it.
struct Stage {
  StageShape s;
  int n = 3, T = 20;  // at T = 5 dense products win, whatever fires
  std::unique_ptr<Backend> backend;
  std::vector<void*> memory;
  float *weight, *gradient, *potential, *d_weight, *neuron;
  void* forward;
  uint8_t *times, *fired;
  void* density;
  KernelChoice forward_choice, gradient_choice;

  explicit Stage(int pool) {
    s.layer = 3, s.pool = pool, s.pad = 1, s.src_h = s.src_w = 6 * pool, s.in_h = s.in_w = 6, s.src_c = s.src_cs = 64,
    s.kernel_h = s.kernel_w = 3;
    s.out_h = s.out_w = 6, s.out_c = s.out_cs = 64;
    expect_ok(make_cuda_backend(0, Precision::kMixed, &backend), "backend");
    Random random(7);
    const auto floats = [&](int64_t count, float scale) {
      std::vector<float> values(static_cast<size_t>(count));
      for (float& v : values) v = scale * float(random.uniform() - 0.5);
      float* to = take<float>(count);
      backend->upload(to, values.data(), values.size() * sizeof(float));
      return to;
    };
    weight = floats(s.weights(), 0.5f), potential = floats(n * T * s.out_size(), 1);
    gradient = take<float>(n * T * s.grad_step()), d_weight = take<float>(s.weights());
    forward = take<char>(int64_t(backend->forward_bytes(s)));
    times = take<uint8_t>(n * s.src_size()), fired = take<uint8_t>(n * s.out_size());
    density = take<char>(int64_t(backend->density_bytes()));
    const float pair[2] = {0.75f, 0.9f};
    neuron = take<float>(2);
    backend->upload(neuron, pair, sizeof pair);
    backend->run(PackForwardTask{forward, weight, s});
    expect_ok(backend->finish(), "the stage");
  }
  ~Stage() {
    for (void* block : memory) backend->release(block);
  }
  template <class T>
  T* take(int64_t count) {
    memory.push_back(backend->allocate(size_t(count) * sizeof(T)));
    return static_cast<T*>(memory.back());
  }

  int64_t values() const { return n * s.src_size(); }
  // Lets so many source neurons fire, spread over the map.
  void fire(int64_t count) {
    std::vector<uint8_t> map(static_cast<size_t>(values()), uint8_t(0));
    Random random(11);
    for (int64_t i = 0; i < count; ++i) map[size_t(i * values() / count)] = uint8_t(random.between(1, T));
    backend->upload(times, map.data(), map.size());
  }
  SpikeSource source() const { return {.times = times, .scale = 1.0f / float(s.pool * s.pool)}; }
  // Of the weight gradient of `images`, whose spikes the forward pass has `counted` or not.
  KernelChoice weight_gradient(int images, bool counted) {
    return backend->run(WeightGradientTask{.d_weight = d_weight,
                                           .source = source(),
                                           .gradient = gradient,
                                           .density = density,
                                           .counted = counted,
                                           .n = images,
                                           .timesteps = T,
                                           .shape = s});
  }
  void enqueue(bool choices) {
    NeuronParams p;
    p.timesteps = T, p.neuron = neuron;
    backend->run(ZeroTask{d_weight, size_t(s.weights()) * sizeof(float)});
    forward_choice = backend->run(SpikingForwardTask{.times = fired,
                                                     .density = density,
                                                     .source = source(),
                                                     .weight = weight,
                                                     .weight_forward = forward,
                                                     .neuron = p,
                                                     .n = n,
                                                     .shape = s});
    if (choices) forward_choice = backend->resolve(forward_choice);
    backend->run(SpikingBackwardTask{.gradient = gradient, .a = potential, .neuron = p, .n = n, .shape = s});
    gradient_choice = weight_gradient(n, true);
    if (choices) gradient_choice = backend->resolve(gradient_choice);
  }
  void run() {
    backend->begin_batch();
    enqueue(true);
    expect_ok(backend->finish(), "run");
  }
  std::vector<float> gradients() {
    std::vector<float> values(static_cast<size_t>(s.weights()));
    backend->download(values.data(), d_weight, values.size() * sizeof(float));
    return values;
  }
  std::vector<uint8_t> spikes() {
    std::vector<uint8_t> values(static_cast<size_t>(n * s.out_size()));
    backend->download(values.data(), fired, values.size());
    return values;
  }
};

void chosen(const KernelChoice& choice, bool events, double density, const std::string& what) {
  expect(std::string(choice.kernel) == (events ? "bf16 events" : "bf16 tensor cores"), what + ": " + choice.kernel);
  expect_near(choice.density, density, 0, 1e-12, what + ", density");
}

void either_side() {
  Stage stage(1);
  const int64_t values = stage.values();
  const int64_t forward = cuda::crossing_count(cuda::kForwardCost, values, stage.T, stage.s),
                gradient = cuda::crossing_count(cuda::kWeightGradientCost, values, stage.T, stage.s);
  expect(gradient > 1 && gradient < forward, "crossings " + std::to_string(forward) + ", " + std::to_string(gradient));
  for (int64_t count : {int64_t(0), gradient - 1, gradient, forward - 1, forward, values}) {
    stage.fire(count);
    stage.run();
    const std::string what = std::to_string(count) + " of " + std::to_string(values);
    chosen(stage.forward_choice, count < forward, double(count) / double(values), what + ", forward");
    chosen(stage.gradient_choice, count < gradient, double(count) / double(values), what + ", weight gradient");
    const std::vector<float> first = stage.gradients();
    const std::vector<uint8_t> spikes = stage.spikes();
    double norm = 0;
    for (float v : first) norm += double(v) * v;
    expect((norm > 0) == (count > 0), what + ": norm " + std::to_string(norm));
    stage.run();
    expect(stage.gradients() == first && stage.spikes() == spikes, what + ": bit-identical when repeated");
  }
}

// One recording serves maps of any density, and has the bits of calls that were made one by one.
void recorded() {
  Stage stage(1);
  const int64_t values = stage.values();
  for (int64_t count : {values / 2, values / 100, values / 3, int64_t(0), values / 200, values}) {
    stage.fire(count);
    stage.run();
    const std::vector<float> expected = stage.gradients();
    const std::vector<uint8_t> spikes = stage.spikes();
    stage.backend->begin_batch();
    expect_ok(stage.backend->replay(1,
                                    [&] {
                                      stage.enqueue(false);
                                      return Status::success();
                                    }),
              "replay");
    expect(stage.gradients() == expected && stage.spikes() == spikes,
           std::to_string(count) + " spikes: the bits of calls one by one");
  }
}

// Events of both kernels at the same density, as near as the order of sums allows: at the crossing one spike more
// changes the kernel.
void kernels_agree() {
  Stage stage(1);
  const int64_t gradient = cuda::crossing_count(cuda::kWeightGradientCost, stage.values(), stage.T, stage.s);
  std::vector<uint8_t> map(static_cast<size_t>(stage.values()), uint8_t(0));
  Random random(12);
  for (int64_t i = 0; i < gradient - 1; ++i)
    map[size_t(i * stage.values() / gradient)] = uint8_t(random.between(1, stage.T));
  const size_t last = map.size() - 1;  // of a corner: few weights see it
  map[last] = 0;
  std::vector<std::vector<float>> results;
  for (uint8_t time : {0, 1}) {
    map[last] = time;
    stage.backend->upload(stage.times, map.data(), map.size());
    stage.run();
    expect(std::string(stage.gradient_choice.kernel) == (time ? "bf16 tensor cores" : "bf16 events"),
           stage.gradient_choice.kernel);
    results.push_back(stage.gradients());
  }
  const StageShape& s = stage.s;
  double largest = 0;
  int64_t compared = 0;
  for (float v : results[0]) largest = std::max(largest, double(std::fabs(v)));
  for (int64_t i = 0; i < s.weights(); ++i) {
    if (i / 64 % s.src_cs == s.src_cs - 1) continue;  // weights of the channel that fires once more
    ++compared;
    expect_near(results[1][size_t(i)], results[0][size_t(i)], 0, 1e-6 * largest, "weight " + std::to_string(i));
  }
  expect(compared > 0 && largest > 0, "something to compare");
}

// Behind a pool counts are multiplied, four neurons at once: there dense products win at any density, and nobody
// counts.
void behind_a_pool() {
  Stage stage(2);
  expect(!cuda::events_may_win(stage.T, stage.s), "no crossing");
  for (int64_t count : {int64_t(0), stage.values()}) {
    stage.fire(count);
    stage.run();
    chosen(stage.forward_choice, false, 1, "forward");
    chosen(stage.gradient_choice, false, 1, "weight gradient");
  }
}

// A forward pass counts what its map holds now, and so does a weight gradient whose images no forward pass has counted.
void counts_are_fresh() {
  Stage stage(1);
  stage.fire(stage.values());
  stage.run();
  stage.fire(0);
  stage.enqueue(true);
  chosen(stage.forward_choice, true, 0, "the same map in the next chunk");
  stage.fire(stage.values());
  stage.backend->begin_batch();
  chosen(stage.backend->resolve(stage.weight_gradient(stage.n, false)), false, 1, "a weight gradient by itself");
  stage.fire(0);
  chosen(stage.backend->resolve(stage.weight_gradient(stage.n - 1, false)), true, 0, "other images");
}

}  // namespace

void add_choice_tests(Tests& tests) {
  tests.push_back({"choice by density: either side of the crossing", either_side});
  tests.push_back({"choice by density: a recorded step", recorded});
  tests.push_back({"choice by density: the kernels agree", kernels_agree});
  tests.push_back({"choice by density: behind a pool", behind_a_pool});
  tests.push_back({"choice by density: every map is counted", counts_are_fresh});
}

}  // namespace onespike::test
