#include "test/allocation/steps.h"

#include <atomic>
#include <cmath>
#include <utility>

#include "test/support/runner.h"
#include "test/genes/gene_cases.h"

namespace onespike::test {
namespace {

void add_stats(const StepStats& stats, std::vector<double>* numbers) {
  for (const double value : {stats.loss, double(stats.correct), stats.gradient_norm, double(stats.bad_layer)})
    numbers->push_back(std::isfinite(value) ? value : kNotFinite);
  numbers->insert(numbers->end(), stats.spikes.begin(), stats.spikes.end());
}

// The batches of a lesson, as the addon draws them and has them taught.
class Batches {
 public:
  Batches(const Case& c, const Lesson& lesson, size_t first, size_t last)
      : c_(c),
        lesson_(lesson),
        first_(first),
        last_(last),
        data_(std::make_shared<Dataset>(
            Dataset{c.spec.channels, c.spec.height, c.spec.width, kFewImages, c.pixels, c.labels})),
        teacher_(lesson.teacher ? make_network(*lesson.teacher) : nullptr),
        logits_(teacher_ ? kFewImages * kFewClasses : 0) {}

  Status of(size_t i, Batch* batch) {
    *batch = c_.batch();
    if (lesson_.rows) {
      const Rows now = rows_of(first_ + i), next = rows_of(first_ + i + 1);
      if (Status status = prefetcher_.take(now, &storage_); !status.ok()) return status;
      if (first_ + i + 1 < last_) prefetcher_.start(next);
      *batch = storage_.view();
    }
    if (!teacher_) return Status::success();
    ForwardOutputs out;
    out.logits = logits_.data();
    StepStats stats;
    batch->teacher = logits_.data();
    return teacher_->forward(*batch, lesson_.mode, out, no_stop(), &stats);
  }

 private:
  Rows rows_of(size_t step) const {
    Rows rows{data_, {1, 0}, {1, true, 9, 0}};
    rows.augment.step = step;
    return rows;
  }

  const Case& c_;
  const Lesson& lesson_;
  size_t first_, last_;
  std::shared_ptr<Dataset> data_;
  std::unique_ptr<Network> teacher_;
  std::vector<float> logits_;
  Prefetcher prefetcher_;
  BatchStorage storage_;
};

}  // namespace

OptimizerOptions clipped_adamw() {
  OptimizerOptions o;
  o.kind = OptimizerKind::kAdamW, o.amsgrad = true;
  o.learning_rate = o.neuron_learning_rate = 0.01f, o.weight_decay = 0.01f, o.clip_norm = 1;
  return o;
}

std::unique_ptr<Network> network_of(const Case& c) {
  if (c.spec.genes == 0) return make_network(c);
  std::unique_ptr<Network> network;
  expect_ok(create_network(c.spec, &network), "create");
  oracle::Parameters parameters = c.parameters;
  for (size_t i = 0; i < network->tensors().size(); ++i) {
    const std::string& name = network->tensors()[i].name;
    if (is_derived(*network, name)) continue;
    const oracle::Values genes = is_gene(name) ? read(*network, TensorKind::kParameter, name) : oracle::Values();
    const oracle::Slice from = genes.empty() ? oracle::find(parameters, name) : oracle::Slice{};
    std::vector<float> values(genes.begin(), genes.end());
    if (genes.empty()) values.assign(from.data, from.data + from.size);
    expect_ok(network->write(TensorKind::kParameter, int(i), values.data()), "write " + name);
  }
  return network;
}

Steps training(const Case& c, const Lesson& lesson) {
  return [&c, lesson](Network& network, size_t first, size_t last, const Under& under) {
    Batches batches(c, lesson, first, last);
    StepGroup group;
    group.count = last - first, group.largest = kFewImages;
    group.updates.assign(group.count, lesson.optimizer), group.loss = lesson.loss;
    group.batch = [&](size_t i, Batch* batch) { return batches.of(i, batch); };
    std::vector<StepStats> stats;
    Answer answer{under([&] { return network.train(group, lesson.mode, no_stop(), &stats); }), stats.size(), {}};
    for (const StepStats& one : stats) add_stats(one, &answer.numbers);
    return answer;
  };
}

Steps gradient(const Case& c, const Lesson& lesson) {
  return [&c, lesson](Network& network, size_t, size_t, const Under& under) {
    StepStats stats;
    Answer answer{
        under([&] { return network.gradients(c.batch(), lesson.mode, no_stop(), &stats, lesson.loss); }), 0, {}};
    if (!answer.status.ok()) return answer;
    answer.made = 1;
    add_stats(stats, &answer.numbers);
    const std::vector<float> bits = read_bits(network, TensorKind::kGradient);
    answer.numbers.insert(answer.numbers.end(), bits.begin(), bits.end());
    return answer;
  };
}

Steps inference(const Case& c, const Wanted& wanted) {
  return [&c, wanted](Network& network, size_t, size_t, const Under& under) {
    const bool coded = c.spec.code.kind != CodeKind::kNone;
    const size_t T = size_t(c.spec.timesteps), K = kFewClasses;
    std::vector<float> logits(kFewImages * K), potentials(wanted.trace && !coded ? kFewImages * T * K : 0),
        margins(wanted.margins ? kFewImages : 0);
    std::vector<uint8_t> decisions(wanted.early ? kFewImages : 0);
    std::vector<std::vector<uint8_t>> times;
    ForwardOutputs out;
    out.logits = logits.data(), out.averaged = wanted.averaged;
    if (wanted.early) out.decision_steps = decisions.data();
    if (wanted.margins) out.margins = margins.data();
    if (!potentials.empty()) out.potentials = potentials.data();
    for (int layer = 0; wanted.trace && layer + coded < network.spiking_layers(); ++layer)
      times.emplace_back(size_t(kFewImages * network.neurons(layer)));
    for (std::vector<uint8_t>& layer : times) out.spike_times.push_back(layer.data());
    if (wanted.trace && coded) out.spike_times.push_back(nullptr);
    StepStats stats;
    Answer answer{under([&] { return network.forward(c.batch(), wanted.mode, out, no_stop(), &stats); }), 0, {}};
    if (!answer.status.ok()) return answer;
    answer.made = 1;
    // Images that end early add to the loss in the order of their decisions, which says nothing of its last bit.
    answer.numbers = {wanted.early ? 0 : stats.loss, double(stats.correct)};
    for (const std::vector<float>& floats : {logits, potentials, margins})
      answer.numbers.insert(answer.numbers.end(), floats.begin(), floats.end());
    answer.numbers.insert(answer.numbers.end(), decisions.begin(), decisions.end());
    for (const std::vector<uint8_t>& layer : times)
      answer.numbers.insert(answer.numbers.end(), layer.begin(), layer.end());
    return answer;
  };
}

Steps calibration(const Case& c) {
  return [&c](Network& network, size_t, size_t, const Under& under) {
    Answer answer{under([&] { return network.calibrate(c.batch(), 99, 0.8, no_stop()); }), 0, {}};
    answer.made = answer.status.ok();
    return answer;
  };
}

Steps percentiles(const Case& c) {
  return [&c](Network& network, size_t, size_t, const Under& under) {
    std::vector<double> values;
    Answer answer{under([&] { return network.activations(c.batch(), 99, no_stop(), &values); }), 0, {}};
    if (answer.status.ok()) answer.made = 1, answer.numbers = values;
    return answer;
  };
}

Steps fitting() {
  return [](Network& network, size_t, size_t, const Under& under) {
    std::vector<int> weights;
    std::vector<std::vector<float>> ones;
    for (size_t i = 0; i < network.tensors().size(); ++i) {
      const TensorInfo& info = network.tensors()[i];
      if (is_derived(network, info.name)) weights.push_back(int(i)), ones.emplace_back(size_t(info.size), 1.0f);
    }
    std::atomic<int64_t> progress{0};
    double residual = 0;
    Answer answer{under([&] {
                    for (size_t i = 0; i < weights.size(); ++i)
                      if (Status status = network.write(TensorKind::kGradient, weights[i], ones[i].data());
                          !status.ok())
                        return status;
                    return network.fit_genes({2, 0.01f}, no_stop(), &progress, &residual);
                  }),
                  0,
                  {}};
    if (answer.status.ok()) answer.made = 1, answer.numbers = {residual};
    return answer;
  };
}

void add_survival(Tests& tests, const std::string& call, size_t count, const std::function<Case(int threads)>& make,
                  const std::function<Steps(const Case& c)>& steps, int most_threads) {
  for (int threads = 1; threads <= most_threads; ++threads)
    tests.push_back({"memory runs out in " + call + ", threads " + std::to_string(threads), [=] {
                       const Case c = make(threads);
                       survives([&] { return network_of(c); }, count, steps(c));
                     }});
}

}  // namespace onespike::test
