// The tile registers of AMX by their numbers. Spelt in assembly they need no target of the compiler, as vdpbf16ps does
// (cpu/simd/half_rows-inl.h); GCC's own intrinsics do not say that they read memory.
#pragma once

#include <cstdint>
#include <type_traits>

#define ONESPIKE_TILE_LOAD(tile, from, stride) \
  asm volatile("tileloadd (%0,%1,1), %%tmm" #tile : : "r"(from), "r"(int64_t(stride)) : "memory")
#define ONESPIKE_TILE_STORE(tile, to, stride) \
  asm volatile("tilestored %%tmm" #tile ", (%0,%1,1)" : : "r"(to), "r"(int64_t(stride)) : "memory")
#define ONESPIKE_TILE_ZERO(tile) asm volatile("tilezero %tmm" #tile)
// sum += a * b over pairs of bf16
#define ONESPIKE_TILE_MULTIPLY(sum, a, b) asm volatile("tdpbf16ps %tmm" #b ", %tmm" #a ", %tmm" #sum)

namespace onespike::cpu {

constexpr int kTileBytes = 64;  // of a row; a tile has 16

// Makes all tiles 16 rows of 64 bytes for as long as it lives. Afterwards they are empty, so that the system has
// nothing to save.
class AmxTiles {
 public:
  AmxTiles() {
    alignas(64) uint8_t configuration[64] = {1};  // the palette; bytes 16 to 31: bytes of a row, 48 to 55: rows
    for (int tile = 0; tile < 8; ++tile) configuration[16 + 2 * tile] = kTileBytes, configuration[48 + tile] = 16;
    asm volatile("ldtilecfg %0" : : "m"(configuration));
  }
  ~AmxTiles() { asm volatile("tilerelease"); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;
};

// Products of up to two by two tiles: sums 0 to 3, rows in 4 and 5, columns in 6 and 7. Four sums keep the unit busy,
// whose results take 52 cycles.
struct TileProduct {
  const char *a, *b;           // of the first row and column, and of the first step
  int64_t a_stride, b_stride;  // bytes between rows of a tile
  int64_t a_next, b_next;      // to the second row or column of tiles
  int64_t a_step, b_step;      // to the next step
  int steps;
};

template <int kRows, int kColumns>
inline void multiply_tiles(TileProduct p) {
  for (int step = 0; step < p.steps; ++step, p.a += p.a_step, p.b += p.b_step) {
    ONESPIKE_TILE_LOAD(4, p.a, p.a_stride);
    ONESPIKE_TILE_LOAD(6, p.b, p.b_stride);
    ONESPIKE_TILE_MULTIPLY(0, 4, 6);
    if constexpr (kColumns > 1) {
      ONESPIKE_TILE_LOAD(7, p.b + p.b_next, p.b_stride);
      ONESPIKE_TILE_MULTIPLY(1, 4, 7);
    }
    if constexpr (kRows > 1) {
      ONESPIKE_TILE_LOAD(5, p.a + p.a_next, p.a_stride);
      ONESPIKE_TILE_MULTIPLY(2, 5, 6);
      if constexpr (kColumns > 1) ONESPIKE_TILE_MULTIPLY(3, 5, 7);
    }
  }
}

// The sums of rows `stride` bytes apart; `next` bytes to the second row of tiles, whose neighbours lie side by side.
template <int kRows, int kColumns>
inline void load_sums(const float* from, int64_t stride, int64_t next) {
  const char* at = reinterpret_cast<const char*>(from);
  ONESPIKE_TILE_LOAD(0, at, stride);
  if constexpr (kColumns > 1) ONESPIKE_TILE_LOAD(1, at + kTileBytes, stride);
  if constexpr (kRows > 1) ONESPIKE_TILE_LOAD(2, at + next, stride);
  if constexpr (kRows > 1 && kColumns > 1) ONESPIKE_TILE_LOAD(3, at + next + kTileBytes, stride);
}

template <int kRows, int kColumns>
inline void store_sums(float* to, int64_t stride, int64_t next) {
  char* at = reinterpret_cast<char*>(to);
  ONESPIKE_TILE_STORE(0, at, stride);
  if constexpr (kColumns > 1) ONESPIKE_TILE_STORE(1, at + kTileBytes, stride);
  if constexpr (kRows > 1) ONESPIKE_TILE_STORE(2, at + next, stride);
  if constexpr (kRows > 1 && kColumns > 1) ONESPIKE_TILE_STORE(3, at + next + kTileBytes, stride);
}

inline void zero_sums() {
  ONESPIKE_TILE_ZERO(0);
  ONESPIKE_TILE_ZERO(1);
  ONESPIKE_TILE_ZERO(2);
  ONESPIKE_TILE_ZERO(3);
}

// Calls run(first, tiles) over `count` tiles, two at a time: the number as a constant.
template <class F>
inline void each_two(int count, const F& run) {
  int i = 0;
  for (; i + 2 <= count; i += 2) run(i, std::integral_constant<int, 2>());
  if (i < count) run(i, std::integral_constant<int, 1>());
}

}  // namespace onespike::cpu
