// Which way the input gradient of a convolution is summed: along its gradient events, or as a dense product of all
// steps.
#pragma once

#include <map>

#include "cpu/events/gradient_events.h"

namespace onespike::cpu {

// By the events counted in the very chunk, so that neither threads nor timings have a say.
class GradientChoice {
 public:
  // Whether the next chunk of a stage takes the dense product. `pairs` are its neurons times steps, `halves` says
  // whether bf16 are multiplied.
  bool dense(const GradientWork& work, double pairs, bool halves, const StageShape& s);
  // A batch begins.
  void forget() { dense_.clear(); }

 private:
  std::map<int, bool> dense_;  // what the last chunk of a layer took
};

}  // namespace onespike::cpu
