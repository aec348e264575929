#include "cpu/forward/spike_filter.h"

#include <algorithm>
#include <cmath>
#include <new>

namespace onespike::cpu {
namespace {

// A linear layer is rounded once it has served this many images. Rounding takes as long as it saves on some 220: 7 ms
// of one thread for 4096 x 4096, against 31 us an image. So who infers one batch pays neither the time nor the memory.
constexpr int64_t kLinearImages = 128;

// A layer for which the filter did not pay tries it again after so many images, for thresholds and activity change; one
// that found no memory, for it may be there by then.
constexpr int64_t kRetryImages = 8192;

}  // namespace

const FilterWeights* FilterStore::of(const float* weight, bool counted, int n, const StageShape& s, ThreadPool& pool) {
  try {
    FilterWeights& stage = stages_.try_emplace(weight, set_).first->second;
    stage.images += n;
    stage.bytes = size_t(s.weights()) * sizeof(float);
    if (!stage.made || stage.paired != counted) {
      if (stage.images < (s.linear ? kLinearImages : int64_t(1))) return nullptr;
      round(stage, weight, counted, s, pool);
    }
    return stage.usable ? &stage : nullptr;
  } catch (const std::bad_alloc&) {
    postpone(weight);
    return nullptr;
  }
}

void FilterStore::round(FilterWeights& to, const float* weight, bool counted, const StageShape& s, ThreadPool& pool) {
  to.made = false;
  const int64_t rows = int64_t(s.taps()) * s.src_cs;
  int16_t* integers = to.weight.reserve(size_t(s.weights()));
  int8_t* low = to.low.reserve(size_t(s.weights()));
  float* unit = to.unit.reserve(size_t(s.out_cs));
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  pool.parallel_for(int64_t(tiles.size()), [&](int64_t i) {
    const Tile tile = tiles[size_t(i)];
    filter_units(unit + tile.begin, weight + tile.begin * rows, rows, tile.width);
    filter_integers(integers + tile.begin * rows, low + tile.begin * rows, weight + tile.begin * rows,
                    unit + tile.begin, rows, tile.width, counted);
  });
  to.made = true, to.paired = counted;
  to.usable = std::all_of(unit, unit + s.out_cs, [](float u) { return std::isfinite(u); });
}

void FilterStore::postpone(const float* weight) {
  const auto found = stages_.find(weight);
  if (found == stages_.end()) return;
  FilterWeights& stage = found->second;
  stage.weight.release(), stage.low.release(), stage.unit.release();
  stage.made = false;
  stage.images = kLinearImages - kRetryImages;
}

void FilterStore::forget(const void* memory, size_t bytes) {
  const char* begin = static_cast<const char*>(memory);
  std::erase_if(stages_, [&](const auto& stage) {
    const char* weight = reinterpret_cast<const char*>(stage.first);
    return weight < begin + bytes && begin < weight + stage.second.bytes;
  });
}

void FilterStore::release(const void* memory) { stages_.erase(static_cast<const float*>(memory)); }

}  // namespace onespike::cpu
