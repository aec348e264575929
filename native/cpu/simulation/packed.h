// A simulated network as the kernels read it: shared by all threads, and constant while they run.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/simulation/simulation.h"
#include "cpu/simd/memory.h"
#include "ops/shape.h"

namespace onespike::cpu {

struct AlignedFree {
  void operator()(float* memory) const { free_aligned(memory); }
};
using AlignedFloats = std::unique_ptr<float[], AlignedFree>;
AlignedFloats aligned_floats(int64_t count);  // zeros; throws std::bad_alloc

struct PackedStage {
  StageShape shape;
  std::vector<Tile> tiles;
  AlignedFloats weight;               // tile of output channels, tap, source channel, channel within the tile
  AlignedFloats bias;                 // (out_cs)
  std::vector<Window> rows, columns;  // that an output row or column reads
  std::vector<int64_t> fan_out;       // (in_h, in_w) accumulates of an event there
};

PackedStage pack_stage(const SimulatedStage& stage);

}  // namespace onespike::cpu
