// Operations that make weights of other numbers, and push gradients back to these: products of small matrices, of which
// core/tensors/genes.cc makes weights of genes, and the larger convolution that a convolution and the pool of its
// currents are together (ops/pooled_weight.h). One task each; what a task writes is overwritten unless it says
// otherwise.
#pragma once

#include <cstdint>

#include "core/backend/values.h"
#include "ops/shape.h"

namespace onespike {

// Where the numbers of a matrix lie: element (i, j) of term t of batch n is data[n * batch + t * term + i * row + j *
// column].
struct Matrix {
  const float* data = nullptr;
  int64_t row = 0, column = 0;
  int64_t batch = 0, term = 0;
};

// For every batch, out = scale * sum over the terms of a * b, or out += that. In `a` and in `b`, either row or column
// is 1.
struct ProductTask {
  static constexpr const char* kOperation = "genes";
  float* out = nullptr;  // rows of `columns` numbers, aligned like tensors
  int64_t out_row = 0, out_batch = 0;
  bool add = false;
  const float* scale = nullptr;  // a number, or null: 1
  Matrix a = {};                 // (rows, depth)
  Matrix b = {};                 // (depth, columns)
  int batches = 1, terms = 1;
  int rows = 0, depth = 0, columns = 0;  // multiples of kLane
};

// The sum of the products of two arrays, added up in double precision.
struct DotTask {
  static constexpr const char* kOperation = "genes";
  float* total = nullptr;  // +=
  const float *a = nullptr, *b = nullptr;
  int64_t count = 0;
};

// The weights of the convolution that a stage and its pool are together.
struct PoolWeightsTask {
  static constexpr const char* kOperation = "pool_weights";
  float* pooled = nullptr;           // weights() numbers
  const float* parameter = nullptr;  // parameters() numbers
  StageShape shape = {};
};

// From the gradient of these weights to that of the parameters.
struct PoolWeightsBackwardTask {
  static constexpr const char* kOperation = "pool_weights";
  float* d_parameter = nullptr;     // parameters() numbers
  const float* d_pooled = nullptr;  // weights() numbers
  StageShape shape = {};
};

}  // namespace onespike
