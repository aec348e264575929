// Running out of memory in networks and steps of every other kind: codes, genes, binary activations, the matrix unit,
// teachers, averages, targets, relaxation, numbers that are not finite.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "cpu/simd/targets.h"
#include "test/allocation/steps.h"
#include "test/ann/norm_cases.h"
#include "test/code/code_cases.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {
namespace {

Case case_of(CaseSpec spec, int threads) {
  Random random(33);
  spec.on.threads = threads;
  return make_case(spec, kFewImages, random);
}

OptimizerOptions averaged_sgd() {
  OptimizerOptions o;
  o.learning_rate = o.neuron_learning_rate = 0.01f, o.clip_norm = 1, o.average = 0.9f;
  return o;
}

CaseSpec coded(const SpikeCode& code) {
  CaseSpec spec = network_spec(2, 2, 4, 1,
                               {normalised(conv(17, 3, 1, 1, true)), max_pool(2), conv(16),
                                normalised(linear(18, true)), output(kFewClasses, true)});
  spec.layers[2].dropout = 0.25f, spec.norm_group = 1;
  return with_code(spec, code);
}

SpikeCode rounded_radix() {
  SpikeCode code = radix(4);
  code.weight_bits = 4;
  return code;
}

CaseSpec genetic() {
  CaseSpec spec = network_spec(
      2, 2, 4, 2,
      {conv(17, 3, 1, 1, true), pool(2), conv(16), conv(20, 1, 1, 0), linear(18, true), output(kFewClasses)});
  spec.genes = 3;
  return spec;
}

CaseSpec spiking() {
  CaseSpec spec =
      network_spec(2, 2, 4, 3, {conv(17, 3, 1, 1, true), pool(2), conv(16), linear(18, true), output(kFewClasses)});
  spec.layers[0].dropout = 0.25f;
  return spec;
}

CaseSpec pooled_currents() {
  return network_spec(2, 2, 4, 2, {conv(17), current_pool(conv(16), 2), linear(18), output(kFewClasses)});
}

CaseSpec binary(bool norm) {
  CaseSpec spec = network_spec(
      2, 2, 4, 1, {conv(17, 3, 1, 1, true), pool(2), conv(16), linear(18, true), output(kFewClasses, true)});
  spec.layers[2].dropout = 0.25f;
  if (norm) spec.layers[0].norm = spec.layers[3].norm = true, spec.norm_group = 1;
  return spec;
}

// Of channels that fill the tiles of the matrix unit.
CaseSpec of_tiles(bool norm) {
  CaseSpec spec =
      network_spec(2, 2, 4, 2, {conv(32), conv(32, 3, 1, 1, true), pool(2), linear(32), output(kFewClasses)});
  spec.on.precision = Precision::kMixed;
  if (norm) spec.layers[1].norm = spec.layers[3].norm = true, spec.norm_group = 2;
  return spec;
}

// Steps of which the second is not finite.
Steps diverging(const Case& c, Mode mode) {
  Lesson lesson{.mode = mode};
  lesson.optimizer.learning_rate = 1e38f, lesson.optimizer.neuron_learning_rate = 0;
  return [steps = training(c, lesson)](Network& network, size_t first, size_t last, const Under& under) {
    Answer answer = steps(network, first, last, under);
    if (last == 2 && answer.made == last - first)
      expect(std::count(answer.numbers.begin(), answer.numbers.end(), kNotFinite) > 0, "the second step is finite");
    return answer;
  };
}

class Kinds {
 public:
  explicit Kinds(Tests& tests) : tests_(tests) {}

  void train(const std::string& name, const CaseSpec& spec, const Lesson& lesson, size_t count = 1) {
    add("training, " + name, count, spec, [=](const Case& c) { return training(c, lesson); });
  }
  void infer(const std::string& name, const CaseSpec& spec, const Wanted& wanted) {
    add("inference, " + name, 1, spec, [=](const Case& c) { return inference(c, wanted); });
  }
  void add(const std::string& name, size_t count, const CaseSpec& spec,
           const std::function<Steps(const Case&)>& steps) {
    add_survival(tests_, name, count, [spec](int threads) { return case_of(spec, threads); }, steps, 1);
  }

  void add_test(const std::string& name, const std::function<void()>& run) { tests_.push_back({name, run}); }

 private:
  Tests& tests_;
};

void add_codes(Kinds& kinds) {
  const std::pair<const char*, SpikeCode> codes[] = {
      {"ttfs", ttfs(8)}, {"radix", rounded_radix()}, {"one-spike-phase", one_spike_phase(1.5f, 7)}};
  for (const auto& [name, code] : codes) {
    const CaseSpec spec = coded(code);
    Lesson lesson{.optimizer = averaged_sgd()};
    kinds.train(name, spec, lesson, 2);
    lesson.loss.quantised = 0;  // every layer is relaxed in every step
    if (code.kind != CodeKind::kRadix) lesson.loss.spike_penalty = 0.01f;
    if (code.kind == CodeKind::kTtfs) lesson.loss.kernel_penalty = 0.01f;
    kinds.train(std::string("relaxed ") + name, spec, lesson);
    kinds.train(std::string("ANN of ") + name, spec, {.mode = Mode::kAnn, .optimizer = clipped_adamw()});
    kinds.infer(name, spec, {});
    kinds.infer(std::string(name) + " with a trace", spec, {.trace = true});
  }
  CaseSpec genes = coded(ttfs(8));
  genes.genes = 3;
  kinds.train("ttfs with genes", genes, {.optimizer = averaged_sgd()});
  kinds.add("activations of a coded network", 1, coded(ttfs(8)), percentiles);
}

void add_genes(Kinds& kinds) {
  Lesson averaged{.optimizer = clipped_adamw()};
  averaged.optimizer.average = 0.9f;
  kinds.train("genes, SNN", genetic(), averaged, 2);
  CaseSpec norm = genetic();
  norm.layers[2].norm = true, norm.norm_group = 1;
  kinds.train("genes, normalised ANN", norm, {.mode = Mode::kAnn, .optimizer = clipped_adamw()});
  kinds.train(
      "genes with a profile",
      [] {
        CaseSpec spec = genetic();
        spec.profile = true;
        return spec;
      }(),
      averaged);
  kinds.infer("genes", genetic(), {});
  kinds.add("calibration, genes", 1, genetic(), calibration);
  kinds.add("fitting genes to weights", 1, genetic(), [](const Case&) { return fitting(); });
}

void add_losses(Kinds& kinds) {
  for (const Mode mode : {Mode::kSnn, Mode::kAnn}) {
    Lesson taught{.mode = mode, .optimizer = clipped_adamw()};
    taught.loss.distillation = {0.5f, 2.0f}, taught.loss.label_smoothing = 0.1f;
    CaseSpec other = spiking();
    other.layers[0].out = 19;
    taught.teacher = std::make_shared<Case>(case_of(other, 1));
    kinds.train(mode == Mode::kSnn ? "SNN with a teacher" : "ANN with a teacher", spiking(), taught);
  }
  Lesson aimed{.optimizer = averaged_sgd()};
  aimed.loss.activity = {0.01f, 2.0f}, aimed.loss.time_weights = {0.25f, 0.25f, 0.5f};
  kinds.train("SNN with an average, an activity target and weights of steps", spiking(), aimed);
  Lesson relaxed{.optimizer = clipped_adamw()};
  relaxed.loss.quantised = 0;
  kinds.train("relaxed SNN", spiking(), relaxed);
  kinds.train("pools before the neuron", pooled_currents(), {.optimizer = averaged_sgd()});
  kinds.train("ANN, pools before the neuron", pooled_currents(), {.mode = Mode::kAnn, .optimizer = averaged_sgd()});
  kinds.add("gradients", 1, spiking(), [](const Case& c) { return gradient(c, {}); });
  kinds.add("activations", 1, spiking(), percentiles);
  kinds.infer("margins", spiking(), {.margins = true});
  for (const Mode mode : {Mode::kSnn, Mode::kAnn})
    kinds.add(mode == Mode::kSnn ? "training, SNN that diverges" : "training, ANN that diverges", 2, spiking(),
              [mode](const Case& c) { return diverging(c, mode); });
}

void add_binary(Kinds& kinds) {
  for (const bool norm : {false, true}) {
    const std::string name = norm ? "normalised binary ANN, averaged" : "binary ANN, averaged";
    kinds.train(name, binary(norm), {.mode = Mode::kBinary, .optimizer = averaged_sgd()});
    kinds.infer(name, binary(norm), {.mode = Mode::kBinary});
  }
}

void add_matrix_unit(Kinds& kinds) {
  if (bf16_unit() != Bf16Unit::kAmx) {
    const auto skip = [] { std::printf("skip: this processor has no AMX, or the system does not allow it\n"); };
    return kinds.add_test("memory runs out on AMX", skip);
  }
  const Lesson ann{.mode = Mode::kAnn, .optimizer = averaged_sgd()}, snn{.optimizer = averaged_sgd()};
  kinds.train("ANN on AMX", of_tiles(true), ann);
  kinds.train("SNN on AMX", of_tiles(false), snn);
  kinds.infer("ANN on AMX", of_tiles(true), {.mode = Mode::kAnn});
}

}  // namespace

void add_allocation_kinds_tests(Tests& tests) {
  Kinds kinds(tests);
  add_codes(kinds);
  add_genes(kinds);
  add_losses(kinds);
  add_binary(kinds);
  add_matrix_unit(kinds);
}

}  // namespace onespike::test
