// What the tests of failing allocations do with a network: steps of training, passes, calibration.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "test/allocation/attempts.h"
#include "test/support/cases.h"
#include "test/support/runner.h"

namespace onespike::test {

constexpr int kFewImages = 2, kFewClasses = 3;

// How a network trains on the batch of a case.
struct Lesson {
  Mode mode = Mode::kSnn;
  OptimizerOptions optimizer = {};
  LossOptions loss = {};
  // Of the network whose logits the loss compares with, which it computes when a step asks for its batch; or null.
  std::shared_ptr<const Case> teacher = nullptr;
  // Rows of a data set that are drawn one step ahead, in the place of arrays.
  bool rows = false;
};
OptimizerOptions clipped_adamw();

// In the place of numbers of a step that are not finite: NaN equals nothing.
constexpr double kNotFinite = 1e308;

// A network that holds the parameters of a case. Genes are those that it drew, and the weights have to follow anew.
std::unique_ptr<Network> network_of(const Case& c);

Steps training(const Case& c, const Lesson& lesson);
Steps gradient(const Case& c, const Lesson& lesson);  // of which nothing is kept

// What a pass is asked for besides the logits.
struct Wanted {
  Mode mode = Mode::kSnn;
  bool trace = false;  // what every layer sends, and in the spiking mode potentials
  bool margins = false, early = false, averaged = false;
};
Steps inference(const Case& c, const Wanted& wanted);
Steps calibration(const Case& c);
Steps percentiles(const Case& c);
Steps fitting();  // of genes, to weights that are all 1

// Steps that `steps` answers for one number of threads, under every failure, on networks with that many.
void add_survival(Tests& tests, const std::string& call, size_t count, const std::function<Case(int threads)>& make,
                  const std::function<Steps(const Case& c)>& steps, int most_threads);

}  // namespace onespike::test
