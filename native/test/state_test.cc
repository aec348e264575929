// What a network holds and refuses: tensors of every kind, ranges of spike times, non-finite numbers, bad descriptions,
// batches split and reordered.
#include <cmath>
#include <functional>
#include <limits>
#include <set>

#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

CaseSpec odd_spec() {
  return network_spec(3, 9, 7, 5,
                      {conv(19, 5, 2, 2, true, 0.8), pool(2), conv(33, 1, 1, 0), linear(21, true), output(6, true)});
}

void tensor_list() {
  Random random(71);
  const auto network = make_network(make_case(odd_spec(), 1, random));
  std::set<std::string> names;
  for (const TensorInfo& info : network->tensors()) {
    int64_t size = 1;
    for (int64_t extent : info.shape) size *= extent;
    expect(size == info.size, info.name + " size");
    expect(names.insert(info.name).second, info.name + " once");
    if (info.name == "layers.0.weight")
      expect(info.shape == std::vector<int64_t>({19, 3, 5, 5}), "convolution (O, I, kh, kw)");
    if (info.name == "layers.3.weight") expect(info.shape == std::vector<int64_t>({21, 33 * 2 * 2}), "linear (O, I)");
    if (info.name == "layers.3.bias") expect(info.shape == std::vector<int64_t>({21}), "bias (O)");
    if (info.name == "layers.4.threshold") expect(info.shape.empty(), "threshold ()");
  }
  expect(names.size() == 4 * 4 - 1, "tensors: " + std::to_string(names.size()));
  expect(!names.count("layers.2.bias") && !names.count("layers.1.weight"),
         "no bias unless asked for, nothing for a pool");
  expect(network->spiking_layers() == 4 && network->layer_index(1) == 2 && network->neurons(0) == 19 * 5 * 4,
         "spiking layers");
  expect(network->memory_bytes() > 0, "memory is known");
}

void initial_values() {
  CaseSpec spec = odd_spec();
  spec.layers[0].threshold = 0.75f;
  std::unique_ptr<Network> network;
  expect_ok(create_network(spec, &network), "create");
  const oracle::Parameters p = read_parameters(*network, TensorKind::kParameter);
  expect(p[0].threshold == 0.75 && p[0].leak == double(0.8f), "threshold and leak come from the description");
  for (const oracle::LayerParameters& layer : p) {
    double sum = 0.0, square = 0.0;
    for (double w : layer.weight) {
      expect(std::isfinite(w), "finite weights");
      sum += w;
      square += w * w;
    }
    if (!layer.weight.empty())
      expect(square > 0.0 && std::fabs(sum) < 0.3 * std::sqrt(square * double(layer.weight.size())),
             "weights vary about zero");
  }
}

void roundtrip() {
  Random random(72);
  const auto network = make_network(make_case(odd_spec(), 1, random));
  using enum TensorKind;
  std::vector<std::vector<float>> written;
  const auto each = [&](const std::function<void(TensorKind, int, std::vector<float>&)>& visit) {
    size_t at = 0;
    for (TensorKind kind : {kParameter, kGradient, kSlot0, kSlot1, kSlot2})
      for (size_t i = 0; i < network->tensors().size(); ++i, ++at) {
        if (written.size() <= at) written.emplace_back(network->tensors()[i].size);
        visit(kind, int(i), written[at]);
      }
  };
  each([&](TensorKind kind, int tensor, std::vector<float>& values) {
    for (float& v : values) v = float(random.uniform(0.01, 0.99));
    expect_ok(network->write(kind, tensor, values.data()), "write " + network->tensors()[tensor].name);
  });
  each([&](TensorKind kind, int tensor, std::vector<float>& values) {
    std::vector<float> read(values.size());
    expect_ok(network->read(kind, tensor, read.data()), "read " + network->tensors()[tensor].name);
    expect(read == values, "kind " + std::to_string(int(kind)) + " " + network->tensors()[tensor].name +
                               " comes back as it was written");
  });
}

// Parts that begin and end anywhere, within a row of weights, in the middle of a tile, across several of them.
void parts() {
  Random random(75);
  const auto network = make_network(make_case(odd_spec(), 1, random));
  for (size_t i = 0; i < network->tensors().size(); ++i) {
    const TensorInfo& info = network->tensors()[i];
    std::vector<float> expected(info.size);
    for (float& v : expected) v = float(random.uniform(0.01, 0.99));
    const TensorKind kind = TensorKind::kParameter;
    expect_ok(network->write(kind, int(i), expected.data()), "write " + info.name);
    for (int round = 0; round < 20; ++round) {
      const int64_t offset = std::min(int64_t(random.uniform(0, 1) * double(info.size)), info.size - 1);
      const int64_t left = info.size - offset;
      const int64_t count = std::clamp(int64_t(random.uniform(0, 1) * double(left)), int64_t{1}, left);
      const std::string name = std::to_string(count) + " of " + info.name + " from " + std::to_string(offset);
      std::vector<float> part(count);
      expect_ok(network->read(kind, int(i), offset, count, part.data()), "read " + name);
      expect(std::equal(part.begin(), part.end(), expected.begin() + offset), name + " are those of the whole");
      for (float& v : part) v = float(random.uniform(0.01, 0.99));
      std::copy(part.begin(), part.end(), expected.begin() + offset);
      expect_ok(network->write(kind, int(i), offset, count, part.data()), "write " + name);
      std::vector<float> whole(info.size);
      expect_ok(network->read(kind, int(i), whole.data()), "read " + info.name);
      expect(whole == expected, name + " change nothing else");
    }
    float value = 0.5f;
    for (auto [offset, count] : {std::pair{int64_t{-1}, int64_t{1}}, {info.size, 1}, {0, 0}, {0, info.size + 1}})
      expect(network->read(kind, int(i), offset, count, &value).code == Code::kArg &&
                 network->write(kind, int(i), offset, count, &value).code == Code::kArg,
             "no part of " + info.name + ": " + std::to_string(count) + " from " + std::to_string(offset));
  }
}

void slots_in_use() {
  Random random(76);
  const Case c = make_case(odd_spec(), 2, random);
  const auto network = make_network(c);
  expect(network->optimizer_slots() == 0, "none before the first step");
  StepStats stats;
  OptimizerOptions options;
  expect_ok(network->train(c.batch(), Mode::kAnn, options, no_stop(), &stats), "sgd");
  expect(network->optimizer_slots() == 1, "momentum");
  options.kind = OptimizerKind::kAdam;
  expect_ok(network->train(c.batch(), Mode::kAnn, options, no_stop(), &stats), "adam");
  expect(network->optimizer_slots() == 2, "two moments");
}

void tensor_index() {
  Random random(73);
  const auto network = make_network(make_case(odd_spec(), 1, random));
  std::vector<float> values(100000);
  for (int tensor : {-1, int(network->tensors().size())}) {
    expect(!network->read(TensorKind::kParameter, tensor, values.data()).ok(),
           "read of tensor " + std::to_string(tensor));
    expect(!network->write(TensorKind::kParameter, tensor, values.data()).ok(),
           "write of tensor " + std::to_string(tensor));
  }
}

void spike_times_in_range() {
  Random random(74);
  const Case c = make_case(odd_spec(), 3, random);
  const auto network = make_network(c);
  std::vector<std::vector<uint8_t>> times(network->spiking_layers());
  ForwardOutputs out;
  for (int s = 0; s < network->spiking_layers(); ++s) {
    times[s].assign(3 * network->neurons(s), 200);
    out.spike_times.push_back(s == 1 ? nullptr : times[s].data());  // null: not wanted
  }
  StepStats stats;
  expect_ok(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats), "forward");
  for (int s = 0; s < network->spiking_layers(); ++s)
    for (uint8_t t : times[s]) {
      if (s == 1) expect(t == 200, "what was not wanted is not written");
      else if (s + 1 < network->spiking_layers()) expect(t <= 5, "hidden spike time " + std::to_string(t));
      else expect(t >= 1 && t <= 6, "output spike time " + std::to_string(t));
    }
}

void labels() {
  Random random(75);
  const Case c = make_case(odd_spec(), 2, random);
  const auto network = make_network(c);
  Batch bare = c.batch();
  bare.labels = nullptr;
  StepStats stats;
  expect_ok(network->forward(bare, Mode::kSnn, {}, no_stop(), &stats), "forward without labels");
  expect(std::isnan(stats.loss) && stats.correct == 0 && stats.bad_layer == -1, "no labels, no loss");
  expect(!network->gradients(bare, Mode::kSnn, no_stop(), &stats).ok(), "gradients need labels");
  expect(!network->train(bare, Mode::kSnn, {}, no_stop(), &stats).ok(), "training needs labels");
  for (int32_t wrong : {-1, 6}) {
    const int32_t pair[2] = {0, wrong};
    Batch batch = c.batch();
    batch.labels = pair;
    expect(!network->gradients(batch, Mode::kSnn, no_stop(), &stats).ok(),
           "label " + std::to_string(wrong) + " of 6 classes");
  }
}

// A number that is not finite is reported with its layer, and never reaches the parameters.
void non_finite(Mode mode, float poison, int layer, Precision precision) {
  Random random(76);
  Case c = make_case(odd_spec(), 2, random);
  c.spec.on.precision = precision;
  c.parameters[layer].weight[1] = poison;
  const auto network = make_network(c);
  const std::string what = "weight " + std::to_string(poison) + " in layer " + std::to_string(layer) +
                           (mode == Mode::kAnn ? " of the ANN" : "");
  const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
  StepStats stats;
  expect_ok(network->train(c.batch(), mode, {}, no_stop(), &stats), what);
  expect(stats.bad_layer == layer, what + ": bad layer " + std::to_string(stats.bad_layer));
  std::vector<float> after = read_bits(*network, TensorKind::kParameter);
  for (size_t i = 0; i < before.size(); ++i)
    expect(before[i] == after[i] || (std::isnan(before[i]) && std::isnan(after[i])),
           what + ": the parameters stay as they were");
  expect(network->optimizer_steps() == 0, what + ": no step was counted");
}

// Finite weights whose products are not: the step either reports a layer and changes nothing, or leaves finite
// parameters.
void overflow(Mode mode, int layer) {
  Random random(79);
  Case c = make_case(odd_spec(), 2, random);
  for (double& w : c.parameters[layer].weight) w = double(3e38f);
  const auto network = make_network(c);
  const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
  StepStats stats;
  expect_ok(network->train(c.batch(), mode, {}, no_stop(), &stats), "train");
  const std::vector<float> after = read_bits(*network, TensorKind::kParameter);
  expect(std::isfinite(stats.loss) || stats.bad_layer >= 0, "a loss that is not finite names a layer");
  if (mode == Mode::kAnn || layer == 4)
    expect(stats.bad_layer == layer, "bad layer " + std::to_string(stats.bad_layer));
  if (stats.bad_layer >= 0) expect(before == after, "the parameters stay as they were");
  for (float v : after) expect(std::isfinite(v), "finite parameters");
}

void bad_descriptions() {
  const auto refuse = [](const std::string& what, const std::function<void(CaseSpec&)>& spoil) {
    CaseSpec spec = odd_spec();
    spoil(spec);
    std::unique_ptr<Network> network;
    const Status status = create_network(spec, &network);
    expect(!status.ok() && !network && !status.message.empty(), what + " is refused");
  };
  refuse("T = 0", [](CaseSpec& s) { s.timesteps = 0; });
  refuse("T = 255", [](CaseSpec& s) { s.timesteps = 255; });
  refuse("no layers", [](CaseSpec& s) { s.layers.clear(); });
  refuse("no output layer", [](CaseSpec& s) { s.layers.back().output = false; });
  refuse("a layer without channels", [](CaseSpec& s) { s.layers[0].out = 0; });
  refuse("a kernel larger than its map", [](CaseSpec& s) { s.layers[2].kernel = 9; });
  refuse("a pool larger than its map", [](CaseSpec& s) { s.layers[1].kernel = 9; });
  refuse("a convolution after a linear layer", [](CaseSpec& s) { s.layers.insert(s.layers.begin() + 4, conv(3)); });
  refuse("an image without height", [](CaseSpec& s) { s.height = 0; });
  refuse("a mean of two channels for three", [](CaseSpec& s) { s.mean.pop_back(); });
}

// An image's logits do not depend on its neighbours in the batch.
void batch_of_any_order() {
  Random random(77);
  const Case c = decided_case(odd_spec(), 5, Mode::kSnn, random);
  const auto network = make_network(c);
  const size_t size = c.pixels.size() / 5;
  std::vector<float> all(30), one(6);
  ForwardOutputs out;
  StepStats stats;
  out.logits = all.data();
  expect_ok(network->forward(c.batch(), Mode::kSnn, out, no_stop(), &stats), "forward");
  out.logits = one.data();
  for (int n = 4; n >= 0; --n) {
    expect_ok(network->forward({&c.pixels[n * size], nullptr, 1}, Mode::kSnn, out, no_stop(), &stats), "forward");
    for (int k = 0; k < 6; ++k)
      expect_near(one[k], all[n * 6 + k], 1e-5, 1e-5, "image " + std::to_string(n) + " alone");
  }
}

void batches_of_changing_size() {
  Random random(78);
  const Case big = decided_case(odd_spec(), 5, Mode::kSnn, random);
  const auto network = make_network(big);
  StepStats stats, expected;
  for (int64_t count : {1, 5, 2, 4}) {
    const Batch batch{big.pixels.data(), big.labels.data(), count};
    expect_ok(network->gradients(batch, Mode::kSnn, no_stop(), &stats), "gradients");
    const auto other = make_network(big);
    expect_ok(other->gradients(batch, Mode::kSnn, no_stop(), &expected), "gradients");
    expect(stats.loss == expected.loss &&
               read_bits(*network, TensorKind::kGradient) == read_bits(*other, TensorKind::kGradient),
           "a batch of " + std::to_string(count) + " after others");
    expect_ok(network->forward(batch, Mode::kAnn, {}, no_stop(), &stats), "ANN in between");
  }
}

}  // namespace

void add_state_tests(Tests& tests) {
  tests.push_back({"tensors have PyTorch's names and shapes", tensor_list});
  tests.push_back({"parameters start from the description and the seed", initial_values});
  tests.push_back({"tensors of every kind come back as written", roundtrip});
  tests.push_back({"parts of tensors are read and written on their own", parts});
  tests.push_back({"the slots that an optimiser has used are counted", slots_in_use});
  tests.push_back({"tensor index out of range is refused", tensor_index});
  tests.push_back({"spike times are in range", spike_times_in_range});
  tests.push_back({"labels are optional in a forward pass alone", labels});
  for (float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()})
    for (int layer : {0, 2, 4})
      for (Mode mode : {Mode::kSnn, Mode::kAnn})
        for (Precision precision : {Precision::kFp32, Precision::kMixed})
          tests.push_back({"non-finite weight " + std::to_string(poison) + " in layer " + std::to_string(layer) +
                               (mode == Mode::kAnn ? " of the ANN" : "") +
                               (precision == Precision::kMixed ? ", mixed precision" : ""),
                           [=] { non_finite(mode, poison, layer, precision); }});
  for (int layer : {0, 2, 4})
    for (Mode mode : {Mode::kSnn, Mode::kAnn})
      tests.push_back({"overflow in layer " + std::to_string(layer) + (mode == Mode::kAnn ? " of the ANN" : ""),
                       [=] { overflow(mode, layer); }});
  tests.push_back({"descriptions that make no network are refused", bad_descriptions});
  tests.push_back({"images of a batch do not see each other", batch_of_any_order});
  tests.push_back({"buffers serve batches of changing size", batches_of_changing_size});
}

}  // namespace onespike::test
