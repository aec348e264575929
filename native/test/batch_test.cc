// A batch of many chunks and blocks has the mean of the gradients of its parts.
#include <algorithm>

#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

void batch_is_mean_of_parts(Mode mode, Encoder encoder) {
  Random random(5);
  CaseSpec spec = network_spec(2, 6, 6, 3, {conv(20), pool(2), linear(150, true), linear(40), output(5, true)});
  spec.encoder = encoder;
  // More than two blocks of linear layers, and a last chunk that is not full.
  const Case c = make_case(spec, 600, random);
  const auto network = make_network(c);
  StepStats stats;
  oracle::Parameters mean;
  const int64_t images = int64_t(c.labels.size()), part = 25;
  for (int64_t first = 0; first < images; first += part) {
    const Batch batch{c.pixels.data() + first * spec.channels * spec.height * spec.width, c.labels.data() + first,
                      std::min(part, images - first)};
    expect_ok(network->gradients(batch, mode, no_stop(), &stats), "gradients of a part");
    oracle::Parameters gradient = read_parameters(*network, TensorKind::kGradient);
    if (first == 0) mean = gradient;
    for (const TensorInfo& info : network->tensors()) {
      const oracle::Slice from = oracle::find(gradient, info.name), to = oracle::find(mean, info.name);
      for (int64_t i = 0; i < to.size; ++i)
        to.data[i] = (first == 0 ? 0 : to.data[i]) + from.data[i] * double(batch.count) / double(images);
    }
  }
  expect_ok(network->gradients(c.batch(), mode, no_stop(), &stats), "gradients of the batch");
  expect_tensors(*network, read_parameters(*network, TensorKind::kGradient), mean, 1e-5, 1e-6,
                 "batch against its parts");
}

}  // namespace

void add_batch_tests(Tests& tests) {
  tests.push_back({"a batch of several blocks is the mean of its parts: SNN",
                   [] { batch_is_mean_of_parts(Mode::kSnn, Encoder::kHybrid); }});
  tests.push_back({"a batch of several blocks is the mean of its parts: ANN",
                   [] { batch_is_mean_of_parts(Mode::kAnn, Encoder::kHybrid); }});
}

}  // namespace onespike::test
