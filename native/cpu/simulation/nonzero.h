// The bytes of a map that are not zero.
#pragma once

#include <cstdint>

namespace onespike::cpu {

constexpr int kNonzeroSlack = 16;  // of places behind the last one that nonzero() overwrites

// Writes first + i, ascending, for every byte i that is not zero. Returns how many there are. `count` is a multiple of
// kLane.
int nonzero(const uint8_t* bytes, int count, uint32_t first, uint32_t* to);

}  // namespace onespike::cpu
