// Which neurons dropout keeps: one draw of 16 bits per neuron from (seed, step, layer, image).
#pragma once

#include <cstdint>

#include "ops/portable.h"
#include "ops/rng.h"

namespace onespike {

struct Dropout {
  uint32_t limit;  // draws below it are dropped

  ONESPIKE_HD explicit Dropout(float rate) : limit(uint32_t(double(rate) * (1 << 16))) {}
  ONESPIKE_HD static Rng rng(uint64_t seed, uint64_t step, int64_t image, int layer) {
    return Rng::of(seed, step, Stream::kDropout, image, layer);
  }
  // Neurons i .. i + 3 of a map share one hash; i is a multiple of 4.
  ONESPIKE_HD void keep4(uint8_t* mask, const Rng& rng, uint64_t i) const {
    const uint64_t bits = rng.bits(i);
    for (int j = 0; j < 4; ++j) mask[j] = ((bits >> (16 * j)) & 0xffff) >= limit;
  }
};

}  // namespace onespike
