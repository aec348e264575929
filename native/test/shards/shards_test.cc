// One network trained on batches that are divided into shards: bit-identical on 1, 2 and 4 ranks with any number of
// threads, the gradient of the batch as a whole, and what ends a step for all ranks.
#include <cmath>
#include <limits>

#include "test/ann/norm_cases.h"
#include "test/support/cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"
#include "test/training/steps.h"
#include "test/shards/thread_ranks.h"
#include "test/shards/shard_cases.h"

namespace onespike::test {
namespace {

// 1, 2 and 4 ranks with 1 and 2 threads.
void any_number_of_ranks() {
  for (const Training& training : trainings()) {
    const std::vector<float> one = train_rank(training, nullptr, 1);
    expect(same_bits(train_rank(training, nullptr, 2), one), training.name + ": 2 threads");
    for (const int size : {2, 4}) {
      ThreadRanks ranks(size);
      ranks.run([&](Communicator& rank) {
        expect(same_bits(train_rank(training, &rank, 1 + rank.rank() % 2), one),
               training.name + ": rank " + std::to_string(rank.rank()) + " of " + std::to_string(size));
      });
    }
  }
}

// They add in another order, but all of them in the same.
void three_ranks() {
  const Training training{"ann", normalised_spec(), Mode::kAnn, shard_sgd()};
  const std::vector<float> one = train_rank(training, nullptr, 1);
  ThreadRanks ranks(3);
  std::vector<std::vector<float>> left(3);
  ranks.run([&](Communicator& rank) { left[size_t(rank.rank())] = train_rank(training, &rank, 1); });
  expect(same_bits(left[0], left[1]) && same_bits(left[0], left[2]), "ranks differ");
  for (size_t i = 0; i < one.size(); ++i) expect_near(left[0][i], one[i], 1e-4, 1e-5, "number " + std::to_string(i));
}

// Two shards of a step exchange nothing: that a batch is one shard changes no bit.
void one_shard() {
  for (const Training& training : trainings()) {
    CaseSpec spec = training.spec;
    std::unique_ptr<Network> whole, shard;
    expect_ok(create_network(spec, &whole), "create");
    expect_ok(create_network(spec, &shard), "create");
    for (uint64_t step = 0; step < 3; ++step) {
      const Part part = part_of(spec, {5}, 0, 1, step);
      Batch batch = part.batch();
      batch.shards = nullptr;
      StepStats a, b;
      expect_ok(whole->train(batch, training.mode, training.optimizer, no_stop(), &a, training.loss), training.name);
      expect_ok(train_part(*shard, training, part, nullptr, &b), training.name);
      expect(a.loss == b.loss && a.correct == b.correct && a.spikes == b.spikes, training.name + ": what it reports");
    }
    expect(same_bits(read_bits(*whole, TensorKind::kParameter), read_bits(*shard, TensorKind::kParameter)),
           training.name);
  }
}

// The gradient of a batch in shards against the oracle, which knows of none.
void equals_oracle() {
  Random random(311);
  for (int round = 0; round < cases(12); ++round) {
    const Mode mode = random.pick({Mode::kAnn, Mode::kSnn});
    const CaseSpec spec = random_spec(random);
    const Case c = decided_case(spec, random.between(3, 6), mode, random);
    const int64_t images = int64_t(c.labels.size());
    const BatchShards shards{{1, images - 2, 0, 1}, 0, images};
    Batch batch = c.batch();
    batch.shards = &shards;
    const auto network = make_network(c);
    StepStats stats;
    expect_ok(network->gradients(batch, mode, no_stop(), &stats), c.text());
    const oracle::Forward trace = oracle::forward(spec, c.parameters, mode, c.batch());
    expect_near(stats.loss, trace.loss, 1e-4, 1e-6, "loss " + c.text());
    expect(stats.correct == trace.correct, "correct " + c.text());
    expect_gradient(*network, c, mode, trace);
  }
}

// Groups of images that are the shards: what normalises by batch is the same as without shards.
void groups_of_shards() {
  Random random(312);
  CaseSpec spec = network_spec(2, 6, 5, 3, {normalised(conv(7)), pool(2), normalised(linear(9)), output(4)});
  spec.norm_group = 2;
  const oracle::Options groups = by_groups();
  const Case c = decided_case(spec, 6, Mode::kAnn, random, 1e-5, groups);
  const BatchShards shards{{2, 2, 2}, 0, 6};
  Batch batch = c.batch();
  batch.shards = &shards;
  const auto network = make_network(c);
  StepStats stats;
  expect_ok(network->gradients(batch, Mode::kAnn, no_stop(), &stats), "gradients");
  expect_gradient(*network, c, Mode::kAnn, oracle::forward(spec, c.parameters, Mode::kAnn, c.batch(), groups), groups);
}

// A number that is not finite on one rank ends the step of all, and names the same layer.
void not_finite() {
  Training training{"ann", network_spec(1, 4, 4, 2, {linear(6), output(kShardClasses)}), Mode::kAnn, shard_sgd()};
  training.spec.layers[1].leak = 1;
  ThreadRanks ranks(2);
  std::vector<int> layers(2, -2);
  ranks.run([&](Communicator& rank) {
    std::unique_ptr<Network> network;
    expect_ok(create_network(training.spec, &network), "create");
    std::vector<float> weight(6 * 16, 1e38f);
    expect_ok(network->write(TensorKind::kParameter, 0, weight.data()), "write");
    const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
    Part part = part_of(training.spec, {2, 2}, size_t(rank.rank()), size_t(rank.rank()) + 1, 5);
    // The images of rank 0 are almost zeros to the network, whose weighted inputs stay finite there.
    if (rank.rank() == 0) std::fill(part.pixels.begin(), part.pixels.end(), uint8_t(128));
    StepStats stats;
    expect_ok(train_part(*network, training, part, &rank, &stats), "train");
    expect(!std::isfinite(stats.loss), "the loss of both ranks");
    layers[size_t(rank.rank())] = stats.bad_layer;
    expect(network->optimizer_steps() == 0 && network->random_step() == 0, "the step is not counted");
    expect(same_bits(read_bits(*network, TensorKind::kParameter), before), "nothing was updated");
  });
  expect(layers[0] == 0 && layers[1] == 0, "layer " + std::to_string(layers[0]) + " and " + std::to_string(layers[1]));
}

void refused() {
  const Training training{"snn", network_spec(1, 4, 4, 2, {linear(6), output(kShardClasses)}), Mode::kSnn, shard_sgd()};
  std::unique_ptr<Network> network;
  expect_ok(create_network(training.spec, &network), "create");
  const auto answer = [&](const BatchShards& shards, Communicator* ranks) {
    Part part = part_of(training.spec, {4}, 0, 1, 1);
    part.shards = shards;
    StepStats stats;
    return train_part(*network, training, part, ranks, &stats).code;
  };
  expect(answer({{2, 1}, 0, 4}, nullptr) == Code::kArg, "fewer images than the batch has");
  expect(answer({{5, -1}, 0, 4}, nullptr) == Code::kArg, "a negative number of images");
  expect(answer({{2, 2}, 1, 4}, nullptr) == Code::kArg, "images behind the end of the whole batch");
  expect(answer({Counts(1025, 0), 0, 4}, nullptr) == Code::kArg, "too many shards");
  expect(answer({}, nullptr) == Code::kArg, "no shard");
  ThreadRanks silent(2, std::chrono::milliseconds(50));
  expect(answer({{4}, 0, 8}, &silent[0]) == Code::kIo, "a rank that is silent");
  Part part = part_of(training.spec, {4}, 0, 1, 1);
  const StepGroup group{1,
                        4,
                        [&](size_t, Batch* batch) {
                          *batch = part.batch();
                          batch->shards = nullptr;
                          return Status::success();
                        },
                        {training.optimizer},
                        {},
                        &silent[0]};
  std::vector<StepStats> stats;
  expect(network->train(group, training.mode, no_stop(), &stats).code == Code::kArg, "ranks without shards");
}

// What two ranks draw is what one draws: by positions in the whole batch, mixed within a shard.
void drawn_alike() {
  Random random(313);
  Dataset data{2, 5, 6, 9, {}, {}};
  for (int64_t i = 0; i < data.count * 60; ++i) data.pixels.push_back(uint8_t(random.between(0, 255)));
  for (int64_t i = 0; i < data.count; ++i) data.labels.push_back(int32_t(i % 3));
  Augment augment;
  augment.padding = 2, augment.flip = augment.trivial = true, augment.cutout = 2, augment.cutmix = augment.mixup = 1;
  augment.seed = 5, augment.step = 8;
  BatchStorage whole, left, right;
  expect_ok(draw_batch(data, {0, 1, 2, 3, 4, 5, 6, 7, 8}, augment, &whole, {{3, 3, 3}, 0, 9}), "draw");
  expect_ok(draw_batch(data, {0, 1, 2}, augment, &left, {{3}, 0, 9}), "draw");
  expect_ok(draw_batch(data, {3, 4, 5, 6, 7, 8}, augment, &right, {{3, 3}, 3, 9}), "draw");
  const auto joined = [](auto a, const auto& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  };
  expect(joined(left.pixels, right.pixels) == whole.pixels, "pixels");
  expect(joined(left.labels, right.labels) == whole.labels && joined(left.others, right.others) == whole.others &&
             joined(left.shares, right.shares) == whole.shares,
         "labels");
}

}  // namespace

void add_shard_tests(Tests& tests) {
  tests.push_back({"shards: bit-identical on 1, 2 and 4 ranks", any_number_of_ranks});
  tests.push_back({"shards: three ranks", three_ranks});
  tests.push_back({"shards: a single one", one_shard});
  tests.push_back({"shards: gradients against the oracle", equals_oracle});
  tests.push_back({"shards: groups of normalisation", groups_of_shards});
  tests.push_back({"shards: a step that is not finite ends on all ranks", not_finite});
  tests.push_back({"shards: what is refused", refused});
  tests.push_back({"shards: images are drawn alike on any rank", drawn_alike});
}

}  // namespace onespike::test
