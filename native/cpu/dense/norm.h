// Batch normalisation over blocks of cells of a map: kRows cells (fewer at the end) by the channels of a tile. Sums
// within a block are floats, what leaves it is double precision; blocks have one size, whatever the number of threads.
#pragma once

#include <cstdint>

#include "ops/ann/norm.h"

namespace onespike::cpu {

constexpr int kNormRows = 256;  // by 64 channels 64 KiB: the second pass over a block finds it in the L2 cache
constexpr int kNormTile = 64;   // channels

// Cells of a map that lie one after the other, `stride` floats apart, and the first of `width` channels, a multiple of
// kLane.
struct NormBlock {
  int rows = 0, width = 0;
  int64_t stride = 0;
};

// What the passes know of the channels of a block.
struct NormChannels {
  const float *mean = nullptr, *inverse = nullptr, *weight = nullptr, *bias = nullptr;
};

// moments[c] of the block.
void norm_moments(Moments* moments, const float* weighted, const NormBlock& block);
void norm_rows(float* out, const float* weighted, const NormChannels& channels, bool relu, const NormBlock& block);
// sums[2 c] = sum of d, sums[2 c + 1] = sum of d times the standardised input.
void norm_sums(double* sums, const float* d, const float* weighted, const NormChannels& channels,
               const NormBlock& block);
// d is replaced by the gradient at the weighted input; d_mean[c] and d_standard[c] are those sums over the group,
// divided by its cells.
void norm_gradient_rows(float* d, const float* weighted, const NormChannels& channels, const float* d_mean,
                        const float* d_standard, const NormBlock& block);

}  // namespace onespike::cpu
