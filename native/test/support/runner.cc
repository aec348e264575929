#include "test/support/runner.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

namespace onespike::test {

void expect_near(double value, double expected, double relative, double absolute, const std::string& what) {
  const double allowed = relative * std::fabs(expected) + absolute;
  if (std::fabs(value - expected) <= allowed) return;
  char text[160];
  std::snprintf(text, sizeof text, ": expected %.9g within %.2g but received %.9g", expected, allowed, value);
  throw std::runtime_error(what + text);
}

void add_all_tests(Tests& tests) {
  add_lif_tests(tests);
  add_surrogate_tests(tests);
  add_encoder_tests(tests);
  add_difference_tests(tests);
  add_parity_tests(tests);
  add_norm_tests(tests);
  add_gene_tests(tests);
  add_gene_fit_tests(tests);
  add_current_pool_tests(tests);
  add_binary_tests(tests);
  add_code_tests(tests);
  add_optimizer_tests(tests);
  add_loss_tests(tests);
  add_distillation_tests(tests);
  add_time_loss_tests(tests);
  add_activity_tests(tests);
  add_relaxed_tests(tests);
  add_average_tests(tests);
  add_shard_tests(tests);
  add_change_tests(tests);
  add_augment_tests(tests);
  add_calibration_tests(tests);
  add_determinism_tests(tests);
  add_random_tests(tests);
  add_state_tests(tests);
  add_batch_tests(tests);
  add_dataset_tests(tests);
  add_mixed_gradient_tests(tests);
  add_gradient_choice_tests(tests);
  add_readers_tests(tests);
  add_product_tests(tests);
  add_dense_tests(tests);
  add_filter_tests(tests);
  add_filter_schedule_tests(tests);
  add_schedule_tests(tests);
  add_tables_tests(tests);
  add_crossing_tests(tests);
  add_early_exit_tests(tests);
  add_group_tests(tests);
  add_network_tests(tests);
  add_limits_tests(tests);
  add_thread_pool_tests(tests);
  add_allocation_tests(tests);
  add_allocation_kinds_tests(tests);
  add_allocation_shards_tests(tests);
  add_allocation_simulation_tests(tests);
  add_memory_tests(tests);
  add_simulation_tests(tests);
}

int run_tests(const Tests& tests, int argc, char** argv) {
  int share = 1, shares = 1;
  if (argc > 1 && std::sscanf(argv[1], "--share=%d/%d", &share, &shares) == 2) --argc, ++argv;
  const auto wanted = [&](const Test& test) {
    if ((&test - tests.data()) % shares != share - 1) return false;
    return argc < 2 ||
           std::any_of(
               argv + 1, argv + argc, [&](const char* part) { return test.name.find(part) != std::string::npos; });
  };
  int passed = 0, failed = 0;
  for (const Test& test : tests) {
    if (!wanted(test)) continue;
    const auto start = std::chrono::steady_clock::now();
    std::string error;
    try {
      test.run();
    } catch (const std::exception& e) {
      error = e.what();
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++(error.empty() ? passed : failed);
    std::printf("%s %s (%.2f s)%s%s\n", error.empty() ? "ok  " : "FAIL", test.name.c_str(), seconds,
                error.empty() ? "" : "\n     ", error.c_str());
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace onespike::test
