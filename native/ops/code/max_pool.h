// Maximum pools before a weighted layer. Pools that follow each other are one window, whose cells are visited in the
// order in which the pools would have met them: outer window by outer window, each in row-major order. The first of the
// largest values is the maximum, so that a tie is decided as by the pools one after the other.
#pragma once

#include <cstdint>

#include "ops/portable.h"

namespace onespike {

constexpr int kMaxPools = 6;  // 2^6 is the largest side of a window

struct MaxPool {
  int count = 0;
  uint8_t sides[kMaxPools] = {};  // of the pools, the first of them first; 1 is none

  ONESPIKE_HD int side() const {
    int side = 1;
    for (int i = 0; i < count; ++i) side *= sides[i];
    return side;
  }

  struct Cell {
    int y = 0, x = 0;
  };
  // The cell of a window that is visited at `position`, 0 to side() * side() - 1.
  ONESPIKE_HD Cell cell(int position) const {
    Cell at;
    for (int i = 0, scale = 1; i < count; scale *= sides[i++]) {
      const int side = sides[i], inner = position % (side * side);
      position /= side * side;
      at.y += inner / side * scale;
      at.x += inner % side * scale;
    }
    return at;
  }
};

}  // namespace onespike
