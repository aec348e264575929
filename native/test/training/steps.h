// Training in tests: steps, the gradients of one, and what networks hold afterwards.
#pragma once

#include <functional>
#include <vector>

#include "test/support/cases.h"

namespace onespike::test {

// One learning rate for all parameters.
OptimizerOptions adam(float learning_rate = 0.01f);
// The same, with gradients whose norm is at most 1.
OptimizerOptions clipped_adam();

// Steps on the batch of the case, one call for each.
void train(Network& network, const Case& c, Mode mode, const OptimizerOptions& options, int steps = 1);
// Steps of adam(3e-3f) in the spiking mode, one call for all of them. Returns what they report.
std::vector<StepStats> train_group(Network& network, const Case& c, size_t steps, const LossOptions& loss,
                                   Mode mode = Mode::kSnn);

// The gradients of all tensors, one after the other.
std::vector<float> gradients_of(Network& network, const Case& c, Mode mode, const LossOptions& loss = {});

bool same_bits(const std::vector<float>& a, const std::vector<float>& b);
// Fails unless `trained` returns bit-identical numbers with 1 and 3 threads.
void expect_same_on_threads(const std::function<std::vector<float>(int threads)>& trained);

// Writes all tensors of these kinds and the counters, so that `to` continues as `from` would. Running statistics have
// no slots.
void take_over(Network& to, const Network& from, const std::vector<TensorKind>& kinds);

}  // namespace onespike::test
