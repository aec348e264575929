// Counter-based random numbers: a value depends on its key and position alone, so that results do not depend on the
// number of threads, on batch splitting, or on what was drawn before. The mixer is the finaliser of SplitMix64
// (Steele, Lea, Flood 2014).
#pragma once

#include <cmath>
#include <cstdint>

#include "ops/portable.h"

namespace onespike {

ONESPIKE_HD inline uint64_t mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// What numbers are drawn for. A key holds one of these words (ASCII letters), so that no two uses share a stream: the
// initial weights of a layer have the key (seed, kWeights, layer), everything else (seed, step, use, ...).
enum class Stream : uint64_t {
  kWeights = 0x77656967,
  kCrop = 0x637267,
  kChange = 0x636867,
  kCutout = 0x637574,
  kMix = 0x6d6978,
  kDropout = 0x64726f70,
  kRate = 0x72617465,
  kRelaxed = 0x72656c78,
  kSimulation = 0x73696d75,
  kGenes = 0x67656e65,
};

struct Rng {
  uint64_t key;

  // Independent streams from the words of a key, e.g. (seed, step, use, image).
  template <class... Words>
  ONESPIKE_HD static Rng of(Words... words) {
    uint64_t key = 0;
    ((key = mix64(key + uint64_t(words) + 0x9e3779b97f4a7c15ull)), ...);
    return {key};
  }
  ONESPIKE_HD uint64_t bits(uint64_t position) const { return mix64(key + position * 0x9e3779b97f4a7c15ull); }
  // Uniform in [0, 1), 24 bits.
  ONESPIKE_HD float uniform(uint64_t position) const { return float(bits(position) >> 40) * 0x1p-24f; }
  // Uniform integer in [0, n), n < 2^32.
  ONESPIKE_HD uint32_t below(uint64_t position, uint32_t n) const {
    return uint32_t(((bits(position) >> 32) * n) >> 32);
  }
  // Standard normal by Box-Muller.
  float normal(uint64_t position) const {
    const double u = (double(bits(2 * position) >> 11) + 1) * 0x1p-53;
    const double v = double(bits(2 * position + 1) >> 11) * 0x1p-53;
    return float(std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v));
  }
};

}  // namespace onespike
