// How the product of a weight gradient is divided among blocks, and the division by multiplication that finds a cell's
// coordinates. On the host alone.
#include "cuda/device/fast_divide.h"
#include "cuda/tensor/weight_task.h"
#include "test/cuda/problems.h"
#include "test/cuda/tests.h"

namespace onespike::test {
namespace {

using cuda::SourceFormat;
using cuda::WeightTask;

void divides() {
  constexpr int kMost = 2147483647;
  for (const int divisor :
       {1, 2, 3, 5, 7, 9, 16, 25, 49, 64, 196, 641, 1000, 1024, 1025, 65535, 65537, 1 << 30, kMost}) {
    const cuda::FastDivide by(divisor);
    const auto check = [&](int64_t n) {
      if (n < 0 || n > kMost) return;
      expect(by.quotient(int(n)) == int(n) / divisor, std::to_string(n) + " / " + std::to_string(divisor));
    };
    for (int64_t n = 0; n < 2000; ++n) check(n), check(kMost - n);
    for (int64_t n = divisor; n <= kMost; n = n * 5 / 3 + divisor) {
      const int64_t multiple = n / divisor * divisor;
      check(multiple - 1), check(multiple), check(multiple + 1);
    }
  }
}

void covers(const WeightTask& w, const std::string& what) {
  const int64_t stages = w.tile_stages(), total = w.tiles() * stages;
  expect(w.workers >= 1 && w.workers <= cuda::kMaxWorkers, "workers, " + what);
  expect(w.first_stage(0) == 0 && w.first_stage(w.workers) == total, "first and last stage, " + what);
  for (int worker = 0; worker < w.workers; ++worker) {
    const int64_t begin = w.first_stage(worker), end = w.first_stage(worker + 1);
    expect(begin < end, "an idle worker, " + what);
    if (w.whole) {
      expect(begin % stages == 0, "a divided tile, " + what);
      continue;
    }
    expect(end - begin <= w.time() / w.workers + 1, "an uneven range, " + what);
    for (int64_t stage : {begin, (begin + end) / 2, end - 1})
      expect(w.worker_of(stage) == worker, "the worker of a stage, " + what);
  }
}

void ranges() {
  for (const SourceFormat format : {SourceFormat::kTimes, SourceFormat::kCounts, SourceFormat::kHalves}) {
    for (const int n : {1, 3, 64, 256}) {
      for (const int T : {1, 5, 7}) {
        for (const Problem& p : weight_problems()) covers(cuda::weight_task(n, T, format, p.s), text({p.s, n, T}));
        for (const int side : {2, 4, 8, 32})
          for (const int channels : {64, 128, 256, 512}) {
            const Problem p = problem(n, T, side, side, channels, channels, 3, 1, 1, 1, false);
            covers(cuda::weight_task(n, T, format, p.s), text(p));
          }
        const Problem wide = problem(n, T, 1, 1, 4096, 4096, 1, 1, 0, 1, true);
        covers(cuda::weight_task(n, T, format, wide.s), text(wide));
      }
    }
  }
  // Of few tiles all are cut alike: with 18 units, four groups and one that takes half as long, for each of two tiles
  // of output channels.
  const Problem p = problem(256, 5, 16, 16, 128, 128, 3, 1, 1, 1, false);
  const WeightTask w = cuda::weight_task(p.n, p.T, SourceFormat::kTimes, p.s);
  expect(w.tiles() == 10 && w.share == 2 && w.workers == 261 && !w.whole, "10 tiles");
  for (int tile = 0; tile < 4; ++tile)
    expect(w.first_stage(29 * tile) == tile * w.tile_stages(), "a worker begins with the tile");
}

}  // namespace

void add_division_tests(Tests& tests) {
  tests.push_back({"weight gradient on tensor cores: fast division", divides});
  tests.push_back({"weight gradient on tensor cores: ranges of workers", ranges});
}

}  // namespace onespike::test
