// One stage over a block of steps: the weights of its events are summed, and what its neurons do with the sums.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/simulation/events.h"
#include "cpu/simulation/packed.h"
#include "ops/simulation/codes.h"

namespace onespike::cpu {

constexpr int kBlockSteps = 64;  // the sums of a pixel over a block, 16 KiB, stay in the first level of cache

enum class NeuronKind {
  kSums,        // no neurons: the sums themselves
  kSubtract,    // rate, direct, phase
  kBurst,       // burst
  kFirstSpike,  // ttfs-converted, one-spike-phase
};

// What one step of a block is computed with.
struct BlockStep {
  float scale = 1;      // of the sum of weights
  float bias = 0;       // how often the bias is added
  float threshold = 1;  // or the border of the step
};

struct StageTask {
  const PackedStage* stage = nullptr;
  const EventBlock* events = nullptr;
  int steps = 0;                    // of the block, that have events
  const BlockStep* step = nullptr;  // (steps); of kFirstSpike (tail) as well
  NeuronKind kind = NeuronKind::kSums;
  const float* current = nullptr;  // (out map) or null: arrives at every step
  float* potential = nullptr;      // (out map)
  float* memory = nullptr;         // (out map) of kBurst g, of kFirstSpike the step of the spike + 1
  uint8_t* codes = nullptr;        // (steps, out map) of kSubtract and kBurst: what is sent, see code_size
  float* sums = nullptr;           // (steps, out map) of kSums
  int first = 0;                   // of kFirstSpike: the first step of the block in the window
  int tail = 0;                    // of kFirstSpike: steps behind the block, without events
};
void run_stage(const StageTask& task);

}  // namespace onespike::cpu
