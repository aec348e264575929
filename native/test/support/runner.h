// The test runner: a test is a name and a function that throws what went wrong. No framework, no registration at load
// time.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace onespike::test {

struct Test {
  std::string name;
  std::function<void()> run;
};
using Tests = std::vector<Test>;

inline void expect(bool holds, const std::string& message) {
  if (!holds) throw std::runtime_error(message);
}

void expect_near(double value, double expected, double relative, double absolute, const std::string& what);

// Runs the tests whose name contains one of the arguments, or all of them without any, one line each; 1 if any failed
// or none ran. `--share=I/N` as the first argument leaves every N-th of them, from the I-th on: processes side by side
// divide the tests among them.
int run_tests(const Tests& tests, int argc, char** argv);

// The tests that need no GPU and no emulator of one.
void add_all_tests(Tests& tests);

// One function per file of tests.
void add_surrogate_tests(Tests& tests);
void add_lif_tests(Tests& tests);
void add_encoder_tests(Tests& tests);
void add_difference_tests(Tests& tests);
void add_parity_tests(Tests& tests);  // on every instruction set of the CPU
void add_parity_cases(Tests& tests);
void add_binary_tests(Tests& tests);
void add_binary_cases(Tests& tests);
void add_code_tests(Tests& tests);
void add_code_cases(Tests& tests);
void add_code_formula_tests(Tests& tests);
void add_code_training_cases(Tests& tests);
void add_gene_tests(Tests& tests);
void add_gene_cases(Tests& tests);
void add_gene_fit_tests(Tests& tests);
void add_gene_fit_cases(Tests& tests);
void add_norm_tests(Tests& tests);
void add_norm_cases(Tests& tests);
void add_current_pool_tests(Tests& tests);
void add_current_pool_cases(Tests& tests);
void add_optimizer_tests(Tests& tests);
void add_loss_tests(Tests& tests);
void add_distillation_tests(Tests& tests);
void add_time_loss_tests(Tests& tests);
void add_activity_tests(Tests& tests);
void add_relaxed_tests(Tests& tests);
void add_average_tests(Tests& tests);
void add_shard_tests(Tests& tests);
void add_change_tests(Tests& tests);
void add_augment_tests(Tests& tests);
void add_calibration_tests(Tests& tests);
void add_determinism_tests(Tests& tests);
void add_random_tests(Tests& tests);
void add_state_tests(Tests& tests);
void add_batch_tests(Tests& tests);
void add_dataset_tests(Tests& tests);
void add_mixed_gradient_tests(Tests& tests);
void add_gradient_choice_tests(Tests& tests);
void add_readers_tests(Tests& tests);
void add_product_tests(Tests& tests);
void add_dense_tests(Tests& tests);
void add_filter_tests(Tests& tests);
void add_filter_schedule_tests(Tests& tests);  // on every instruction set of the CPU
void add_schedule_tests(Tests& tests);
void add_tables_tests(Tests& tests);
void add_crossing_tests(Tests& tests);
void add_early_exit_tests(Tests& tests);
void add_group_tests(Tests& tests);
void add_network_tests(Tests& tests);
void add_limits_tests(Tests& tests);
void add_thread_pool_tests(Tests& tests);
void add_allocation_tests(Tests& tests);
void add_allocation_kinds_tests(Tests& tests);
void add_allocation_shards_tests(Tests& tests);
void add_allocation_simulation_tests(Tests& tests);
void add_memory_tests(Tests& tests);
void add_simulation_tests(Tests& tests);  // on every instruction set of the CPU

}  // namespace onespike::test
