// Products of small matrices: one task each. core/state/genes.cc makes weights of genes with them.
#pragma once

#include <cstdint>

namespace onespike {

// Where the numbers of a matrix lie: element (i, j) of term t of batch n is data[n * batch + t * term + i * row + j *
// column].
struct Matrix {
  const float* data = nullptr;
  int64_t row = 0, column = 0;
  int64_t batch = 0, term = 0;
};

// For every batch, out = scale * sum over the terms of a * b, or out += that.
struct ProductTask {
  static constexpr const char* kOperation = "genes";
  float* out = nullptr;  // rows of `columns` numbers, aligned like tensors
  int64_t out_row = 0, out_batch = 0;
  bool add = false;
  const float* scale = nullptr;  // a number, or null: 1
  Matrix a = {};                 // (rows, depth)
  Matrix b = {};                 // (depth, columns)
  int batches = 1, terms = 1;
  int rows = 0, depth = 0, columns = 0;  // columns are a multiple of kLane
};

// The sum of the products of two arrays, added up in double precision.
struct DotTask {
  static constexpr const char* kOperation = "genes";
  float* total = nullptr;  // +=
  const float *a = nullptr, *b = nullptr;
  int64_t count = 0;
};

}  // namespace onespike
