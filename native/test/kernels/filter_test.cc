// The filter of the forward pass against the kernel for floats, byte by byte: same spikes whatever the weights hold, on
// every instruction set.
#include <algorithm>
#include <cmath>
#include <limits>

#include "test/kernels/filter_stage.h"
#include "test/allocation/failing_memory.h"

namespace onespike::test {
namespace {

void same_as_floats() {
  Random random(11);
  double doubts = 0;
  for (const StageShape& s : filter_shapes())
    for (int T : {1, 4, 20}) {
      const int n = batch_of(s, 3);
      const double size = s.linear ? 8 / std::sqrt(double(s.taps()) * s.src_cs) : 1;  // so that some fire, some do not
      Stage stage(s, n, T);
      for (float leak : {0.0f, 0.9f, 1.0f}) {
        for (bool biased : {false, true}) {
          stage.set(draw_times(random, n * s.src_size(), T, 0.3), draw(random, s.weights(), size),
                    draw(random, s.out_cs, 0.1));
          expect_same(stage, biased, {T, {1.0f, leak}}, "T " + std::to_string(T) + " leak " + std::to_string(leak));
          expect(stage.filtered(), "the filter is used");
          doubts += stage.doubts();
        }
      }
    }
  expect(doubts > 0, "some neurons are left in doubt");
}

// Potentials that are the threshold exactly do not fire, though 16 bits cannot tell.
void ties() {
  Random random(12);
  for (const StageShape& s : filter_shapes()) {
    if (s.pool == 3) continue;  // a ninth is no float
    const int n = batch_of(s, 2);
    Stage stage(s, n, 5);
    // Multiples of 1/8 sum exactly in floats, and no unit divides them.
    Values weight(static_cast<size_t>(s.weights()));
    for (float& w : weight) w = float(random.between(-24, 24)) / 8;
    stage.set(draw_times(random, n * s.src_size(), 5, 0.2), weight, Values(size_t(s.out_cs)));
    expect_same(stage, false, {5, {2.25f, 1.0f}}, "ties");
    expect(stage.doubts() > 0.001, "ties are left in doubt");
  }
}

// Numbers that cannot be rounded, and channels whose weights are all zero.
void odd_weights() {
  Random random(14);
  const StageShape s = filter_shapes()[1];
  Stage stage(s, 2, 4);
  Values weight = draw(random, s.weights()), bias(static_cast<size_t>(s.out_cs));
  for (size_t i = 0; i < weight.size(); i += kMaxTile) weight[i] = 0;
  const Bytes source = draw_times(random, 2 * s.src_size(), 4, 0.3);
  const Neurons p{4, {0.5f, 0.9f}};
  bias[0] = 1, bias[5] = std::numeric_limits<float>::infinity(), bias[6] = -bias[5],
  bias[7] = std::numeric_limits<float>::quiet_NaN();
  stage.set(source, weight, bias);
  expect_same(stage, true, p, "a channel of zeros, and biases that are no numbers");
  expect(stage.filtered(), "biases do not matter to the filter");
  for (float odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    weight[100] = odd;
    stage.set(source, weight, bias);
    expect_same(stage, false, p, "a weight that is no number");
    expect(!stage.filtered(), "floats are used for weights that are no numbers");
  }
}

// 73,728 events at one step, all with the largest weight: their integers would not fit 32 bits.
void more_events_than_fit() {
  for (const StageShape& s :
       {shape_of(3, 3, 8192, 16, 3, 1, 1, 1, false), shape_of(3, 3, 8192, 16, 0, 0, 0, 1, true)}) {
    const int n = batch_of(s, 1);
    Stage stage(s, n, 2);
    Values weight(static_cast<size_t>(s.weights()));
    for (size_t i = 0; i < weight.size(); ++i) weight[i] = i % 2 ? -1.0f : 1.0f;
    stage.set(Bytes(size_t(n * s.src_size()), 1), weight, Values(size_t(s.out_cs)));
    expect_same(stage, false, {2, {100.0f, 0.9f}}, "more events than fit");
    expect(!stage.filtered(), "floats are used");
  }
}

void changed_weights() {
  Random random(13);
  for (const StageShape& s : {filter_shapes()[0], filter_shapes()[4]}) {
    const int n = batch_of(s, 2);
    Stage stage(s, n, 4);
    const Bytes source = draw_times(random, n * s.src_size(), 4, 0.3);
    const Neurons p{4, {2.0f, 0.9f}};
    for (const char* what : {"first weights", "uploaded weights"}) {
      stage.set(source, draw(random, s.weights()), draw(random, s.out_cs));
      expect_same(stage, false, p, what);
      expect(stage.filtered(), what);
    }
    stage.update(draw(random, s.weights()));
    stage.times(false, false, p);
    expect(stage.filtered() == !s.linear,
           "rounded weights of a linear layer are forgotten, and not made again at once");
    expect_same(stage, false, p, "updated weights");
    expect(stage.filtered(), "updated weights are rounded again");
  }
}

// Rounding the weights of a linear layer takes longer than a few images do.
void few_images() {
  Random random(15);
  const StageShape s = shape_of(1, 1, 320, 176, 0, 0, 0, 1, true);
  const Neurons p{4, {2.0f, 0.9f}};
  for (int n : {1, 4, kLinearBatch}) {
    Stage stage(s, n, 4);
    stage.set(draw_times(random, n * s.src_size(), 4, 0.3), draw(random, s.weights()), Values(size_t(s.out_cs)));
    stage.times(false, false, p);
    expect(!stage.filtered(), "the first images pass in floats");
    stage.settled_times(false, p);
    expect(stage.filtered() == (n == kLinearBatch), "only batches pass the filter");
  }
}

// Neurons in doubt read the floats after all: with many of them a linear layer does without the filter.
void many_doubts() {
  Random random(16);
  const StageShape s = shape_of(1, 1, 320, 176, 0, 0, 0, 1, true);
  const Neurons p{4, {2.0f, 0.9f}};
  Stage stage(s, kLinearBatch, 4);
  Values weight = draw(random, s.weights(), 0.5);
  for (int lane = 0; lane < kMaxTile; ++lane)
    weight[size_t(7 * kMaxTile + lane)] = -1000;  // the largest of its channel, in row 7
  Bytes source = draw_times(random, kLinearBatch * s.src_size(), 4, 0.3);
  for (int image = 0; image < kLinearBatch; ++image) source[size_t(image * s.src_size() + 7)] = 0;
  stage.set(source, weight, Values(size_t(s.out_cs)));
  expect_same(stage, false, p, "many doubts");
  expect(stage.filtered() && stage.doubts() > 0.05, "the filter finds many doubts");
  expect_same(stage, false, p, "after many doubts");
  expect(!stage.filtered(), "floats are used from then on");
  stage.set(source, draw(random, s.weights(), 0.5), Values(size_t(s.out_cs)));
  expect_same(stage, false, p, "new weights");
  expect(stage.filtered(), "new weights have a filter");
}

// Without memory for the rounded weights inference goes on with floats, and tries again some thousand images later.
void no_memory_to_round() {
  Random random(17);
  const StageShape s = shape_of(6, 5, 48, 80, 3, 1, 1, 1, false);
  const Neurons p{3, {1.5f, 0.9f}};
  constexpr int kBatch = 4, kManyImages = 10000;
  Stage stage(s, kBatch, 3);
  stage.set(draw_times(random, kBatch * s.src_size(), 3, 0.05), draw(random, s.weights(), 0.5),
            Values(size_t(s.out_cs)));
  {
    const RefusedBlocks refused(size_t(s.weights()));
    expect_same(stage, false, p, "without memory for rounded weights");
    expect(refused.count() > 0 && !stage.filtered(), "they were asked for in vain");
  }
  expect_same(stage, false, p, "right after");
  expect(!stage.filtered(), "they are not asked for at every call");
  for (int images = 0; images < kManyImages && !stage.filtered(); images += kBatch) stage.times(false, false, p);
  expect_same(stage, false, p, "much later");
  expect(stage.filtered(), "there is memory now");
}

}  // namespace

void add_filter_tests(Tests& tests) {
  const std::vector<std::string> targets = cpu_targets();
  const std::pair<const char*, void (*)()> cases[] = {
      {"same spikes as in floats", same_as_floats}, {"ties do not fire", ties}, {"odd weights", odd_weights}};
  for (size_t target = 0; target < targets.size(); ++target)
    for (const auto& [what, run] : cases)
      tests.push_back({std::string("filter: ") + what + ", " + targets[target], on_cpu_target(target, run)});
  tests.push_back({"filter: more events than fit its integers", more_events_than_fit});
  tests.push_back({"filter: weights that change are rounded again", changed_weights});
  tests.push_back({"filter: linear layers are rounded for many images only", few_images});
  tests.push_back({"filter: linear layers with many doubts do without", many_doubts});
  tests.push_back({"filter: floats where there is no memory to round", no_memory_to_round});
}

}  // namespace onespike::test
