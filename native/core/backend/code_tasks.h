// Operations of coded networks, and maximum pools: one task each. What a task writes is overwritten unless it says
// `+=`. ops/code/ has the formulas, core/backend/values.h the layouts. Levels are bytes, as ops/code/code.h says.
#pragma once

#include <cstdint>

#include "core/backend/dense_tasks.h"
#include "core/backend/values.h"
#include "ops/code/code.h"
#include "ops/code/penalty.h"
#include "ops/shape.h"

namespace onespike {

// The tables of the layers, from their parameters as they are now.
struct CodeTablesTask {
  static constexpr const char* kOperation = "code_tables";
  float* tables = nullptr;       // (layers, 2, kTableSize): values, borders
  const float* pairs = nullptr;  // (layers, 2) parameters
  int layers = 0;
  SpikeCode code = {};

  // Entry i of the tables. Borders above the largest level are of no use. For code that can read backend memory.
  ONESPIKE_HD void fill(int64_t i) const {
    const int level = int(i % kTableSize);
    const CodeParams p = code_params(code, pairs + i / (2 * kTableSize) * 2);
    const bool used = level > 0 && level <= code.levels();
    tables[i] = !used ? 0 : float(i / kTableSize % 2 ? code_border(code, p, level) : code_value(code, p, level));
  }
};

// Pixels (n, C, H, W) -> (n, H, W, C).
struct PixelLevelsTask {
  static constexpr const char* kOperation = "pixel_levels";
  uint8_t* levels = nullptr;
  const uint8_t* pixels = nullptr;
  int channels = 0;
  int64_t cells = 0;  // of an image
  int n = 0;
};

// The maximum pools before a stage: of levels, or of numbers.
struct MaxPoolTask {
  static constexpr const char* kOperation = "max_pool";
  uint8_t* levels = nullptr;              // (n, src map)
  float* values = nullptr;                // (n, src map)
  const uint8_t* below_levels = nullptr;  // (n, below map)
  const float* below_values = nullptr;    // (n, below map)
  int n = 0;
  StageShape shape = {};
};

// The gradient at what the pools read from that at what they gave: it goes to the first of the largest.
struct MaxPoolBackwardTask {
  static constexpr const char* kOperation = "max_pool_backward";
  float* d_below = nullptr;               // (n, below map)
  const float* d_src = nullptr;           // (n, src map)
  const uint8_t* below_levels = nullptr;  // (n, below map)
  const float* below_values = nullptr;    // (n, below map)
  int n = 0;
  StageShape shape = {};
};

// The weighted input of a stage from the levels of its source: the valued events of a map, through the average pool.
struct CodedForwardTask {
  static constexpr const char* kOperation = "coded_forward";
  float* out = nullptr;             // (n, out map)
  float* packed = nullptr;          // as of PackInputTask: the numbers, for DenseWeightGradientTask
  const uint8_t* levels = nullptr;  // (n, src map)
  const float* values = nullptr;    // (kTableSize) numbers of the levels; of the image (C, kTableSize)
  float scale = 1;                  // of the numbers: 1/(1 - rate) of the dropout before
  const float* weight = nullptr;
  const void* weight_forward = nullptr;  // of PackForwardTask
  const float* bias = nullptr;           // (out_cs), or null
  int n = 0;
  StageShape shape = {};

  // The same from the packed numbers.
  DenseForwardTask dense() const {
    return {.out = out,
            .packed = packed,
            .weight = weight,
            .weight_forward = weight_forward,
            .bias = bias,
            .n = n,
            .shape = shape};
  }
};

struct QuantiseTask {
  static constexpr const char* kOperation = "quantise";
  uint8_t* levels = nullptr;        // (count)
  const float* weighted = nullptr;  // (count) weighted input, normalised if the stage is
  const float* borders = nullptr;   // (kTableSize)
  int largest = 0;                  // level
  int64_t count = 0;                // of whole maps
};

// The gradient at the weighted input, in the place of that at what was sent.
struct CodeGradientTask {
  static constexpr const char* kOperation = "code_gradient";
  float* d_out = nullptr;           // (count)
  float* d_pair = nullptr;          // (2) += gradients of the layer's parameters
  const float* weighted = nullptr;  // (count)
  const uint8_t* levels = nullptr;  // (count)
  const float* values = nullptr;    // (kTableSize)
  const float* pair = nullptr;      // (2) parameters
  SpikeCode code = {};
  int64_t count = 0;  // of whole maps
};

// The gradient of factor/2 times the squared distance of a layer's two parameters from where they began.
struct PullPairTask {
  static constexpr const char* kOperation = "code_penalty";
  float* d_pair = nullptr;      // (2) +=
  const float* pair = nullptr;  // (2)
  float towards[2] = {};
  float factor = 0;

  // For code that can read backend memory.
  ONESPIKE_HD void add(int i) const { d_pair[i] += factor * (pair[i] - towards[i]); }
};

// The gradient of factor times the sum over channels of the share of their neurons that send anything.
struct SendingPenaltyTask {
  static constexpr const char* kOperation = "code_penalty";
  float* d_affine = nullptr;       // (2, out_cs) +=
  const float* affine = nullptr;   // (2, out_cs)
  const float* borders = nullptr;  // (kTableSize)
  int channels = 0, out_cs = 0;
  float factor = 0;

  ONESPIKE_HD void add(int c) const {
    const SendingSlopes slopes = sending_slopes(affine[c], affine[out_cs + c], borders[1]);
    d_affine[c] += float(factor * slopes.weight), d_affine[out_cs + c] += float(factor * slopes.bias);
  }
};

// Weights rounded to integers of so many bits times a power of two, which follows from the largest of them.
struct RoundWeightsTask {
  static constexpr const char* kOperation = "round_weights";
  float* rounded = nullptr;       // (count)
  float* unit = nullptr;          // (1) the power of two
  const float* weight = nullptr;  // (count)
  int bits = 0;
  int64_t count = 0;
};

struct ScaleTask {
  static constexpr const char* kOperation = "update";
  float* values = nullptr;  // (count) *= factor
  float factor = 1;
  int64_t count = 0;
};

}  // namespace onespike
