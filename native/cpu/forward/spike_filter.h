// A floating-point filter for inference. Which step a neuron fires at is a question of comparisons, and nearly all of
// them can be answered from weights rounded to 16 bits with a proof: the rounding error of a potential has a bound that
// is known from the number of events alone. Where potential and threshold are nearer than the bound the neuron is left
// in DOUBT, and a refinement uses 8 more bits of every weight; what is nearer still is decided by the kernel for
// floats. So spike times are those of the weights in 32 bits, at half the traffic from the L2 cache, which is what
// bounds the forward pass: 16 accumulates take 0.20 ns instead of 0.32. Of a linear layer half the bytes come from
// memory, too.
//
//   weight = unit * (integer + e), |e| <= 1/2, one unit per output channel: its largest weight / 32767
//            e = low / 254 but for 1/508
//   U(t) is off by at most unit * scale * (1/2 + rounding) * E(t), E(t) = leak * E(t-1) + number of events at t
//
// Schedules make unit * scale * kappa(t) the unit of step t, and E(t) counts in it: E(t-1) is carried as
// leak * kappa(t-1)/kappa(t). What is followed is U(t) - V theta(t), so a threshold that moves is part of what a step
// adds without events.
//
// Sums are of integers, hence exact. The bound includes the rounding of everything that follows them, not that of the
// other kernel: a neuron decided here is decided as by real arithmetic.
#pragma once

#include <cstdint>
#include <map>

#include "core/thread_pool.h"
#include "cpu/forward/spiking_forward.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

// Weights of one stage, packed as the floats are.
struct FilterWeights {
  explicit FilterWeights(ScratchSet& set) : weight(set), low(set), unit(set) {}

  Scratch<int16_t> weight;
  Scratch<int8_t> low;  // packed as the floats are, whatever the order of the integers
  Scratch<float> unit;  // (out_cs)
  bool paired = false;  // laid out for counted events
  bool made = false;    // the integers are those of the weights
  bool usable = false;  // no weight is infinite or NaN
  size_t bytes = 0;     // of the floats
  int64_t images = 0;   // that asked for them
};

// The rounded weights of a backend, made when first asked for.
class FilterStore {
 public:
  explicit FilterStore(ScratchSet& set) : set_(set) {}

  // For n images with events of one kind. Null if the weights cannot be rounded, have served too few images yet, or if
  // there is no memory for a copy: floats do without it.
  const FilterWeights* of(const float* weight, bool counted, int n, const StageShape& s, ThreadPool& pool);
  // Gives back what was made of a layer, which goes without it for some thousand images.
  void postpone(const float* weight);
  // Forgets what was made from memory that is written or released now.
  void forget(const void* memory, size_t bytes);
  void release(const void* memory);
  void clear() { stages_.clear(); }

 private:
  void round(FilterWeights& to, const float* weight, bool counted, const StageShape& s, ThreadPool& pool);

  ScratchSet& set_;
  std::map<const float*, FilterWeights> stages_;
};

struct FilterTask {
  const ForwardTask* exact;  // without current, potential and values
  const int16_t* weight;
  const int8_t* low;
  const float* unit;   // (out_cs) times the scale of the source; of every step, or the same for all
  const float* slack;  // (out_cs) part of the bound that does not depend on events
  // (out_cs) what potential less threshold gains in a step without events: bias + leak * threshold before it -
  // threshold now; of every step, or the same for all
  const float* drive;
  const float* carry;      // (T) what is left of E(t-1) at step t
  int64_t step_stride;     // from one step to the next in `unit` and `drive`; 0 = the same for all
  float share, share_low;  // of a unit that one event may be off by, before and after refinement
};

// Channels [lane, lane + kLane) of `tile` at one pixel of a row.
struct Doubt {
  int64_t row;  // image * out_h + y
  int x, channel;
};
// One output row, as spiking_forward_row. Appends what is left in doubt, at most out_w * width / kLane, and returns how
// many.
int filter_row(const FilterTask& task, Tile tile, int64_t image, int y, Doubt* doubts);

// The refinement: channels [lane, lane + kLane) of `tile` at one pixel. False if one of them is still in doubt, and
// nothing was written.
bool filter_lanes(const FilterTask& task, Tile tile, int lane, int64_t image, int y, int x);

constexpr float kLowUnit = 1.0f / 254;  // so that half a unit is 127

// unit[lane], the integers and what they leave over of one tile: `rows` rows of `width`, `paired` as filter_row wants
// them for counted events.
void filter_units(float* unit, const float* weight, int64_t rows, int width);
void filter_integers(int16_t* to, int8_t* low, const float* weight, const float* unit, int64_t rows, int width,
                     bool paired);

}  // namespace onespike::cpu
