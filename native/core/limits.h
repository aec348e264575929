// The one table of limits: the range, both ends included, of every number that describes a network or a call on one.
// make_plan and the addon check it, `info()` reports it, and lib/native/limits.ts states it again for error messages
// that name a place; a test holds the two together.
#pragma once

#include <cstdint>
#include <limits>

#include "ops/code/code.h"
#include "ops/update.h"

namespace onespike {

struct Limit {
  const char* name;
  double min, max;

  // False for what is not a number.
  constexpr bool holds(double value) const { return value >= min && value <= max; }
};

namespace limits {

constexpr double kLargestFloat = std::numeric_limits<float>::max();
// Above 0: the smallest number that float32 holds with all its digits.
constexpr double kSmallestFloat = std::numeric_limits<float>::min();
constexpr double kLargestFactor = 1e6;
constexpr double kLargestCount = (int64_t{1} << 31) - 1;

// ---- of a network
// A spike time is one byte; T + 1 ('never' of the output layer) must fit as well.
constexpr Limit kTimesteps{"timesteps", 1, 254};
constexpr Limit kRadixTimesteps{"radixTimesteps", 1, 8};  // the same with the radix encoder: the bits of a byte
constexpr Limit kSide{"side", 1, 65535};  // channels, height and width of an image; height and width of any map
constexpr Limit kLayers{"layers", 1, 1024};
constexpr Limit kOut{"out", 1, 65535};  // channels of a convolution, units of a linear layer
constexpr Limit kKernel{"kernel", 1, 255};
constexpr Limit kStride{"stride", 1, 255};
constexpr Limit kPadding{"padding", 0, 255};
constexpr Limit kPool{"pool", 1, 64};  // side of the window of a pool, and of pools that follow each other together
constexpr Limit kLeak{"leak", 0, 1};
constexpr Limit kThreshold{"threshold", kSmallestFloat, kLargestFloat};
// Images whose statistics normalise them together.
constexpr Limit kNormGroup{"normGroup", 1, 65535};
// Under the code ttfs: t_c and t_d of a layer, which bound each other as well, and t_w, whose window has t_w + 1 steps.
constexpr Limit kTimeConstant{"timeConstant", kMinTimeConstant, kMaxTimeConstant};
constexpr Limit kDelay{"delay", 0.5 - kMaxExponent * kMaxTimeConstant, kMaxExponent * kMaxTimeConstant};
constexpr Limit kWindow{"window", 0, 253};
constexpr Limit kBits{"bits", 1, 8};  // of the code radix
constexpr Limit kWeightBits{"weightBits", 2, 16};
constexpr Limit kStep{"step", kMinStep, kMaxStep};  // of a layer under the code radix
constexpr Limit kBase{"base", 1.001, 54};           // of the code one-spike-phase: its logarithm is 1 / t_c
constexpr Limit kPeriod{"period", 1, 254};
constexpr Limit kExponent{"exponent", -kMaxExponent, kMaxExponent};  // of a number that the time of a spike stands for
constexpr Limit kSchedule{"schedule", kMinSchedule, kMaxSchedule};   // kappa, theta, and scales of genes
constexpr Limit kGenes{"genes", 1, 4096};                            // of genetic encoding, where a network has any
constexpr Limit kDropout{"dropout", 0, 1 - 0x1p-24};                 // the largest float below 1
constexpr Limit kMean{"mean", -kLargestFloat, kLargestFloat};
constexpr Limit kStd{"std", kSmallestFloat, kLargestFloat};
constexpr Limit kAlpha{"alpha", -kLargestFactor, kLargestFactor};
constexpr Limit kBeta{"beta", -kLargestFactor, kLargestFactor};
constexpr Limit kGamma{"gamma", kSmallestFloat, kLargestFactor};
constexpr Limit kSurrogateScale{"surrogateScale", kSmallestFloat, kLargestFactor};
// U(0) / V of hidden neurons, below 1: no neuron fires of itself.
constexpr Limit kInitialPotential{"initialPotential", 0, 1 - 0x1p-24};
constexpr Limit kLo{"lo", -kLargestFactor, kLargestFactor};
constexpr Limit kHi{"hi", -kLargestFactor, kLargestFactor};
// Of an image, of the weights of a layer with channels in sixteens, and of a map of one image over all time steps.
constexpr Limit kElements{"elements", 1, kLargestCount};

// ---- of where and how it runs
constexpr Limit kSeed{"seed", 0, (int64_t{1} << 53) - 1};  // what a JavaScript number holds exactly
constexpr Limit kThreads{"threads", 1, 1024};
constexpr Limit kDevice{"device", 0, 1023};

// ---- of a call
constexpr Limit kImages{"images", 1, kLargestCount};
constexpr Limit kSteps{"steps", 1, 1024};     // training steps: more than any backend gains from, few enough to hold
constexpr Limit kShards{"shards", 1, 1024};   // of a batch
constexpr Limit kCrop{"crop", 0, 65535};      // border of the random crop
constexpr Limit kCutout{"cutout", 0, 65535};  // side of the square that is cut out
constexpr Limit kMix{"mix", 0, 100};          // alpha of Mixup and CutMix
// Of an optimiser: learning rates, weight decay, epsilon, the norm that gradients are clipped to.
constexpr Limit kRate{"rate", 0, kLargestFloat};
constexpr Limit kDecay{"decay", 0, 1 - 0x1p-24};  // its momentum, beta1 and beta2
constexpr Limit kEma{"ema", 0, 1 - 0x1p-24};      // decay of the average of the parameters; 0 = none
constexpr Limit kPercentile{"percentile", 0, 100};
constexpr Limit kCalibrationScale{"calibrationScale", 1e-6, 1e6};  // of thresholds
constexpr Limit kLabelSmoothing{"labelSmoothing", 0, 1 - 0x1p-24};
// Of a simulated code: steps in all, or of the window of a layer; the time constant of such a window.
constexpr Limit kSimulatedSteps{"simulatedSteps", 1, 65535};
constexpr Limit kSimulatedTimeConstant{"simulatedTimeConstant", 0.25, 1000};
constexpr Limit kFitSteps{"fitSteps", 1, 1000000};    // of fitting genes to weights
constexpr Limit kShare{"share", 0, 1};                // weight of the loss after one time step
constexpr Limit kDistillation{"distillation", 0, 1};  // weight of the teacher in the loss
constexpr Limit kTemperature{"temperature", 0.01, 1000};
constexpr Limit kQuantised{"quantised", 0, 1};            // probability of a code or of spikes, not numbers
constexpr Limit kPenalty{"penalty", 0, kLargestFactor};   // of time constants and delays, and of sending
constexpr Limit kActivityTarget{"activityTarget", 0, 1};  // and the running mean that is compared with it
constexpr Limit kActivityStrength{"activityStrength", 0, kLargestFactor};
constexpr Limit kDeadline{"deadline", 0.1, 86400};  // seconds that a rank may be silent

}  // namespace limits

constexpr Limit kLimits[] = {
    limits::kTimesteps,
    limits::kRadixTimesteps,
    limits::kSide,
    limits::kLayers,
    limits::kOut,
    limits::kKernel,
    limits::kStride,
    limits::kPadding,
    limits::kPool,
    limits::kLeak,
    limits::kThreshold,
    limits::kGenes,
    limits::kDropout,
    limits::kMean,
    limits::kStd,
    limits::kAlpha,
    limits::kBeta,
    limits::kGamma,
    limits::kSurrogateScale,
    limits::kInitialPotential,
    limits::kLo,
    limits::kHi,
    limits::kElements,
    limits::kSeed,
    limits::kThreads,
    limits::kDevice,
    limits::kImages,
    limits::kSteps,
    limits::kShards,
    limits::kCrop,
    limits::kCutout,
    limits::kMix,
    limits::kEma,
    limits::kLabelSmoothing,
    limits::kNormGroup,
    limits::kSimulatedSteps,
    limits::kFitSteps,
    limits::kSimulatedTimeConstant,
    limits::kTimeConstant,
    limits::kDelay,
    limits::kWindow,
    limits::kBits,
    limits::kWeightBits,
    limits::kBase,
    limits::kPeriod,
    limits::kStep,
    limits::kExponent,
    limits::kSchedule,
    limits::kRate,
    limits::kDecay,
    limits::kPercentile,
    limits::kCalibrationScale,
    limits::kQuantised,
    limits::kPenalty,
    limits::kDeadline,
    limits::kShare,
    limits::kDistillation,
    limits::kTemperature,
    limits::kActivityTarget,
    limits::kActivityStrength,
};

}  // namespace onespike
