#include "test/shards/shard_cases.h"

#include "test/ann/norm_cases.h"
#include "test/training/steps.h"

namespace onespike::test {
namespace {

// Images of every shard in each step: alike, unlike, and fewer than shards in the last step of an epoch.
const std::vector<Counts> kSteps = {{3, 3, 3, 3}, {3, 2, 2, 2}, {1, 0, 0, 0}, {2, 2, 2, 2}};

OptimizerOptions averaged_adam() {
  OptimizerOptions o = adam();
  o.average = 0.9f;
  return o;
}

CaseSpec noisy_spec(Encoder encoder, Precision precision = Precision::kFp32) {
  CaseSpec spec = network_spec(
      3, 7, 6, 3, {conv(18, 3, 1, 1, true), pool(2), conv(9), linear(21, true), output(kShardClasses, true)});
  spec.layers[0].dropout = 0.2f, spec.layers[3].dropout = 0.4f;
  spec.encoder = encoder, spec.seed = 77, spec.on.precision = precision;
  return spec;
}

CaseSpec coded_spec(CodeKind kind) {
  CaseSpec spec = normalised_spec();
  spec.code.kind = kind;
  if (kind == CodeKind::kTtfs) spec.code.window = 8;
  if (kind == CodeKind::kRadix) spec.code.bits = 4, spec.code.weight_bits = 4;
  if (kind == CodeKind::kPhase) spec.code.base = 2, spec.code.period = 4;
  return spec;
}

}  // namespace

CaseSpec normalised_spec(Precision precision) {
  CaseSpec spec = noisy_spec(Encoder::kHybrid, precision);
  for (const size_t layer : {0, 2, 3}) spec.layers[layer].norm = true;
  spec.norm_group = 2;
  return spec;
}

Part part_of(const NetworkSpec& spec, const Counts& counts, size_t begin, size_t end, uint64_t seed) {
  Random random(seed);
  Part part;
  for (size_t shard = 0; shard < counts.size(); ++shard) {
    const bool own = shard >= begin && shard < end;
    part.shards.images += counts[shard];
    if (own) part.shards.counts.push_back(counts[shard]);
    if (shard < begin) part.shards.first += counts[shard];
    for (int64_t i = 0; i < counts[shard]; ++i) {
      for (int64_t byte = 0; byte < int64_t(spec.channels) * spec.height * spec.width; ++byte) {
        const auto pixel = uint8_t(random.between(0, 255));
        if (own) part.pixels.push_back(pixel);
      }
      const int label = random.between(0, kShardClasses - 1);
      if (own) part.labels.push_back(label);
    }
  }
  return part;
}

StepGroup group_of(const Training& training, const Part& part, Communicator* ranks, DeviceLink* link) {
  StepGroup group;
  group.largest = int64_t(part.labels.size());
  group.batch = [&part](size_t, Batch* batch) { return *batch = part.batch(), Status::success(); };
  group.updates = {training.optimizer};
  group.loss = training.loss;
  group.ranks = ranks;
  group.link = link;
  return group;
}

Status train_part(Network& network, const Training& training, const Part& part, Communicator* ranks, StepStats* stats,
                  DeviceLink* link) {
  std::vector<StepStats> one;
  Status status = network.train(group_of(training, part, ranks, link), training.mode, no_stop(), &one);
  if (status.ok()) *stats = one.front();
  return status;
}

std::vector<float> train_rank(const Training& training, Communicator* ranks, int threads, DeviceLink* link) {
  CaseSpec spec = training.spec;
  if (spec.on.kind == BackendKind::kCpu) spec.on.threads = threads;
  std::unique_ptr<Network> network;
  expect_ok(create_network(spec, &network), "create");
  const size_t rank = ranks ? size_t(ranks->rank()) : 0, size = ranks ? size_t(ranks->size()) : 1;
  std::vector<float> left;
  for (size_t i = 0; i < kSteps.size(); ++i) {
    const size_t shards = kSteps[i].size();
    const Part part = part_of(spec, kSteps[i], shards * rank / size, shards * (rank + 1) / size, 100 + i);
    StepStats stats;
    expect_ok(train_part(*network, training, part, ranks, &stats, link), training.name);
    left.insert(left.end(), {float(stats.loss), float(stats.correct), float(stats.gradient_norm)});
    left.insert(left.end(), stats.spikes.begin(), stats.spikes.end());
  }
  for (const TensorKind kind :
       {TensorKind::kParameter, TensorKind::kSlot0, TensorKind::kSlot1, TensorKind::kSlot2, TensorKind::kAverage}) {
    const std::vector<float> bits = read_bits(*network, kind);
    left.insert(left.end(), bits.begin(), bits.end());
  }
  left.push_back(float(network->activity()));
  return left;
}

OptimizerOptions shard_sgd() {
  OptimizerOptions o;
  o.learning_rate = o.neuron_learning_rate = 0.05f, o.clip_norm = 1, o.weight_decay = 0.01f;
  return o;
}

std::vector<Training> trainings() {
  const auto mixed = Precision::kMixed;
  std::vector<Training> all = {
      {"ann with normalisation", normalised_spec(), Mode::kAnn, shard_sgd()},
      {"ann, mixed", normalised_spec(mixed), Mode::kAnn, averaged_adam()},
      {"binary", normalised_spec(), Mode::kBinary, averaged_adam()},
      {"snn with dropout", noisy_spec(Encoder::kHybrid), Mode::kSnn, shard_sgd()},
      {"snn, rate encoder", noisy_spec(Encoder::kRate), Mode::kSnn, averaged_adam()},
      {"snn, mixed", noisy_spec(Encoder::kHybrid, mixed), Mode::kSnn, averaged_adam()},
      {"snn with folded normalisation", normalised_spec(), Mode::kSnn, shard_sgd()},
      {"snn with schedules and an activity target", noisy_spec(Encoder::kHybrid), Mode::kSnn, averaged_adam()},
      {"genes", normalised_spec(), Mode::kAnn, shard_sgd()},
      {"pools before the neuron", noisy_spec(Encoder::kHybrid), Mode::kSnn, shard_sgd()},
      {"ttfs", coded_spec(CodeKind::kTtfs), Mode::kSnn, averaged_adam()},
      {"radix", coded_spec(CodeKind::kRadix), Mode::kSnn, averaged_adam()},
      {"phase", coded_spec(CodeKind::kPhase), Mode::kSnn, shard_sgd()},
  };
  all[7].spec.schedules = true, all[7].loss.activity = {0.05f, 2.0f};
  all[8].spec.genes = 5;
  all[9].spec.layers[2] = current_pool(conv(9), 2);
  all[10].loss.quantised = 0.5f, all[10].loss.kernel_penalty = all[10].loss.spike_penalty = 0.01f;
  return all;
}

}  // namespace onespike::test
