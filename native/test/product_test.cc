// Products of matrices against sums in double precision: operands that lie along either side, several terms and
// batches, sums that are added to what is there, and any number of threads.
#include <cmath>
#include <memory>

#include "core/backend/backend.h"
#include "test/support/cases.h"
#include "test/support/held_memory.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

using Values = std::vector<float>;

// Of a matrix of rows by columns, batch after batch and term after term: row by row, or column by column.
struct Layout {
  bool by_column = false;
  int rows = 0, columns = 0, terms = 1, batches = 1;

  int64_t matrix() const { return int64_t(rows) * columns; }
  int64_t count() const { return matrix() * terms * batches; }
  Matrix at(const float* data) const {
    return {data, by_column ? 1 : columns, by_column ? rows : 1, matrix() * terms, matrix()};
  }
};

float element(const Matrix& m, int batch, int term, int row, int column) {
  return m.data[batch * m.batch + term * m.term + row * m.row + column * m.column];
}

struct Operands {
  Layout a, b;
  Values a_values, b_values, before;
  float scale = 0;
};

struct Shape {
  int rows, depth, columns, terms, batches;
};

Operands draw(const Shape& s, bool a_by_column, bool b_by_column, Random& random) {
  const auto values = [&](int64_t count) {
    Values drawn(static_cast<size_t>(count));
    for (float& v : drawn) v = float(random.normal());
    return drawn;
  };
  Operands o{{a_by_column, s.rows, s.depth, s.terms, s.batches},
             {b_by_column, s.depth, s.columns, s.terms, s.batches},
             {},
             {},
             values(int64_t(s.rows) * s.columns * s.batches),
             0.7f};
  o.a_values = values(o.a.count()), o.b_values = values(o.b.count());
  return o;
}

ProductTask task_of(const Shape& s, const Operands& o, bool plain, float* out, const float* scale, const float* a,
                    const float* b) {
  return {.out = out,
          .out_row = s.columns,
          .out_batch = int64_t(s.rows) * s.columns,
          .add = !plain,
          .scale = plain ? nullptr : scale,
          .a = o.a.at(a),
          .b = o.b.at(b),
          .batches = s.batches,
          .terms = s.terms,
          .rows = s.rows,
          .depth = s.depth,
          .columns = s.columns};
}

Values made(const Shape& s, const Operands& o, bool plain, int threads) {
  BackendSpec on = subject().on;
  on.threads = threads;
  std::unique_ptr<Backend> backend;
  expect_ok(make_backend(on, &backend), "backend");
  HeldMemory memory(*backend);
  float* out = memory.upload(o.before);
  backend->run(task_of(s, o, plain, out, memory.upload(Values(kLane, o.scale)), memory.upload(o.a_values),
                       memory.upload(o.b_values)));
  return memory.download(out, int64_t(o.before.size()));
}

void expect_sums(const Shape& s, const Operands& o, bool plain, const Values& result, const std::string& what) {
  const Matrix a = o.a.at(o.a_values.data()), b = o.b.at(o.b_values.data());
  for (int batch = 0; batch < s.batches; ++batch)
    for (int row = 0; row < s.rows; ++row)
      for (int column = 0; column < s.columns; ++column) {
        double sum = 0, magnitude = 0;
        for (int term = 0; term < s.terms; ++term)
          for (int k = 0; k < s.depth; ++k) {
            const double x = double(element(a, batch, term, row, k)) * double(element(b, batch, term, k, column));
            sum += x, magnitude += std::abs(x);
          }
        const size_t at = (size_t(batch) * size_t(s.rows) + size_t(row)) * size_t(s.columns) + size_t(column);
        if (!plain) sum = double(o.before[at]) + double(o.scale) * sum;
        expect_near(result[at], sum, 0, 1e-6 * (magnitude + 1), what + ", number " + std::to_string(at));
      }
}

// More rows than a call of the CPU's kernel takes, and fewer; tiles of 64, 32 and 16 columns.
void products() {
  const Shape shapes[] = {{208, 16, 80, 3, 1}, {16, 48, 16, 1, 3}, {112, 16, 32, 2, 2}};
  Random random(810);
  for (int i = 0; i < cases(3); ++i)
    for (const bool a_by_column : {false, true})
      for (const bool b_by_column : {false, true})
        for (const bool plain : {false, true}) {
          const Shape& s = shapes[i];
          const Operands o = draw(s, a_by_column, b_by_column, random);
          const std::string what = "shape " + std::to_string(i) + (a_by_column ? ", a by column" : "") +
                                   (b_by_column ? ", b by column" : "") + (plain ? ", plain" : "");
          const Values one = made(s, o, plain, 1);
          expect_sums(s, o, plain, one, what);
          expect(made(s, o, plain, 7) == one, what + ": bit-identical with 7 threads");
        }
}

}  // namespace

void add_product_tests(Tests& tests) {
  tests.push_back({"products of matrices are sums in double precision, with any number of threads", products});
}

}  // namespace onespike::test
