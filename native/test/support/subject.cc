#include "test/support/subject.h"

#include <algorithm>
#include <iterator>
#include <memory>

namespace onespike::test {
namespace {

Subject chosen;

struct LeftOut {
  const char* prefix;
  const char* reason;
};

// Tests whose names begin so.
constexpr LeftOut kLeftOut[] = {
    {"surrogate ", "functions of native/ops, without a backend"},
    {"random streams ", "functions of native/ops, without a backend"},
    {"optimizer nesterov, by hand", "functions of native/ops, without a backend"},
    {"optimizer in single precision", "functions of native/ops, without a backend"},
    {"loss by hand", "functions of native/ops, without a backend"},
    {"distillation by hand", "functions of native/ops, without a backend"},
    {"augment: ", "drawn by the host"},
    {"batch follows ", "drawn by the host"},
    {"batch with ", "drawn by the host"},
    {"batch depends ", "drawn by the host"},
    {"batch drawn ahead ", "drawn by the host"},
    {"descriptions that make no network ", "refused before there is a backend"},
    {"a plan ", "made before there is a backend"},
};

bool left_out(const std::string& name) {
  return std::any_of(std::begin(kLeftOut), std::end(kLeftOut),
                     [&](const LeftOut& l) { return name.rfind(l.prefix, 0) == 0; });
}

}  // namespace

const Subject& subject() { return chosen; }

int cases(int count) { return chosen.emulated ? (count + 1) / 2 : count; }

void add_conformance_tests(Tests& tests, const Subject& on) {
  Tests suite;
  add_surrogate_tests(suite);
  add_parity_cases(suite);
  add_norm_cases(suite);
  add_gene_cases(suite);
  add_gene_fit_cases(suite);
  add_current_pool_cases(suite);
  add_binary_cases(suite);
  add_code_cases(suite);
  add_readers_tests(suite);
  add_product_tests(suite);
  add_schedule_tests(suite);
  add_optimizer_tests(suite);
  add_loss_tests(suite);
  add_distillation_tests(suite);
  add_time_loss_tests(suite);
  add_activity_tests(suite);
  add_relaxed_tests(suite);
  add_average_tests(suite);
  add_shard_tests(suite);
  add_augment_tests(suite);
  add_calibration_tests(suite);
  add_determinism_tests(suite);
  add_random_tests(suite);
  add_state_tests(suite);
  add_batch_tests(suite);
  add_dataset_tests(suite);
  add_early_exit_tests(suite);
  add_group_tests(suite);
  add_network_tests(suite);
  for (const Test& test : suite) {
    if (left_out(test.name)) continue;
    tests.push_back({test.name + ", " + on.name, [on, run = test.run] {
                       chosen = on;
                       const std::shared_ptr<void> restore(nullptr, [](void*) { chosen = {}; });
                       run();
                     }});
  }
}

}  // namespace onespike::test
