// Dense products of bf16 on AMX, the matrix unit of Intel's server processors since Sapphire Rapids: one instruction
// multiplies 16 rows of 16 pairs by 16 columns of 16 pairs into 256 floats, in 16 cycles. That is 16 times what
// AVX-512's instruction for pairs does (3.5 of 0.22 TFLOP/s on a core of a Granite Rapids).
#pragma once

#include <cstdint>

#include "cpu/dense/dense.h"
#include "ops/shape.h"

namespace onespike::cpu {

// Sums of at most kDenseRows rows: sums[r * width + lane], without bias and what `out` holds. The task has pairs of
// bf16, and whole steps of kAmxPairs in every run.
constexpr int kAmxPairs = 16;
bool amx_takes(const DenseTask& task);
void amx_rows(float* sums, const DenseTask& task, int count);
// The same of one or two rows of image blocks from row `first` on: 16 rows of sums for each.
void amx_blocks(float* sums, const DenseTask& task, int first, int count);

// d_weight of source channels [begin, end) and one tile of destination channels, for the rows of taps [first, last):
// += over all images. Maps are image blocks; two blocks make the pairs.
struct AmxWeightTask {
  const StageShape* shape = nullptr;
  const uint16_t* source = nullptr;    // (in_h, in_w, src_cs)
  const uint16_t* gradient = nullptr;  // (out_h, out_w, out_cs)
  float* d_weight = nullptr;           // of the tile: (kernel_h, kernel_w, src_cs, tile.width)
  int n = 0;
  Tile tile;
  int begin = 0, end = 0;
  int first = 0, last = 0;
};
constexpr int kAmxChannels = 128;               // at most of a task, a multiple of kBlockChannels
int64_t amx_weight_words(const StageShape& s);  // of memory that a task needs
void amx_weight(const AmxWeightTask& task, uint32_t* memory);

}  // namespace onespike::cpu
