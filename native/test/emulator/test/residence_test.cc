// Data sets in the device's memory: they stay where there is memory for them and for the batch, and are drawn by the
// host where there is not, with the same results.
#include "core/dataset.h"
#include "test/emulator/control.h"
#include "test/emulator/test/tests.h"
#include "test/support/cases.h"

namespace onespike::test {
namespace {

constexpr int64_t kImages = 20000, kImage = 3 * 8 * 8, kBatch = 6;

CaseSpec spec() {
  CaseSpec spec = network_spec(3, 8, 8, 4, {conv(16), pool(2), output(5)});
  spec.on.kind = BackendKind::kCuda;
  return spec;
}

std::shared_ptr<const Dataset> images() {
  auto data = std::make_shared<Dataset>();
  data->channels = 3, data->height = data->width = 8, data->count = kImages;
  for (int64_t i = 0; i < kImages * kImage; ++i) data->pixels.push_back(uint8_t(i * 73 + i / 191));
  for (int64_t i = 0; i < kImages; ++i) data->labels.push_back(int32_t(i % 5));
  return data;
}

Rows rows(const std::shared_ptr<const Dataset>& data, int64_t count) {
  Rows rows{data, {}, {}};
  rows.augment.padding = 2, rows.augment.flip = true, rows.augment.seed = 7;
  for (int64_t i = 0; i < count; ++i) rows.indices.push_back(uint32_t(i * 37 % kImages));
  return rows;
}

// One step on rows of the data set, as the addon makes it: drawn by the host if the network says so.
void train(Network& network, const Rows& rows, bool drawn_by_network) {
  expect(network.draws(*rows.data) == drawn_by_network,
         drawn_by_network ? "the network should draw" : "the host should draw");
  OptimizerOptions o;
  StepStats stats;
  BatchStorage storage;
  Batch batch{nullptr, nullptr, int64_t(rows.indices.size()), &rows};
  if (!drawn_by_network) {
    expect_ok(draw_batch(*rows.data, rows.indices, rows.augment, &storage), "draw");
    batch = storage.view();
  }
  expect_ok(network.train(batch, Mode::kSnn, o, no_stop(), &stats), "train");
}

std::vector<float> parameters(const Network& network) { return read_bits(network, TensorKind::kParameter); }

void falls_back_to_the_host() {
  const auto data = images();
  Random random(5);
  const Case c = make_case(spec(), kBatch, random);
  const auto ample = make_network(c), tight = make_network(c);
  StepStats stats;
  for (Network* network : {ample.get(), tight.get()})  // its buffers are there
    expect_ok(network->train(c.batch(), Mode::kSnn, {}, no_stop(), &stats), "train");
  train(*ample, rows(data, kBatch), true);
  const size_t before = emulator::memory_in_use();
  emulator::set_memory(before + kImages * kImage / 2);
  train(*tight, rows(data, kBatch), true);  // finds out in this step
  expect(emulator::memory_in_use() < before + 10 * kBatch * kImage, "nothing of the data set is held");
  expect(parameters(*tight) == parameters(*ample), "drawn by the host: not bit-identical");
  emulator::set_memory(size_t(4) << 30);
  train(*ample, rows(data, kBatch), true);
  train(*tight, rows(data, kBatch), false);  // and remembers it
  expect(parameters(*tight) == parameters(*ample), "the next step is not bit-identical");
  const auto other = images();
  train(*tight, rows(other, kBatch), true);  // of this data set alone
}

void makes_way_for_a_batch() {
  const auto data = images();
  Random random(6);
  const Case c = make_case(spec(), kBatch, random);
  const auto ample = make_network(c), tight = make_network(c);
  for (Network* network : {ample.get(), tight.get()}) train(*network, rows(data, kBatch), true);
  train(*ample, rows(data, 64), true);
  const int64_t grown = ample->memory_bytes() - tight->memory_bytes();
  expect(grown > 0 && grown < kImages * kImage, "the batch needs more memory, but less than the data set");
  emulator::set_memory(emulator::memory_in_use());
  train(*tight, rows(data, 64), true);
  expect(!tight->draws(*data), "the data set made way");
  expect(parameters(*tight) == parameters(*ample), "not bit-identical");
}

}  // namespace

void add_residence_tests(Tests& tests) {
  tests.push_back({"data sets on the device: drawn by the host where memory is short", falls_back_to_the_host});
  tests.push_back({"data sets on the device: make way for a batch", makes_way_for_a_batch});
}

}  // namespace onespike::test
