// What CUDA defines for device code: names of the running thread, barriers, warp operations, atomics and intrinsics.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "test/emulator/block.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are CUDA's.
#define __host__
#define __device__
#define __global__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
// One block runs at a time, so one copy per thread of the host will do.
#define __shared__ static thread_local

#define threadIdx (::onespike::emulator::running->current->index)
#define blockIdx (::onespike::emulator::running->block_index)
#define blockDim (::onespike::emulator::running->block_dim)
#define gridDim (::onespike::emulator::running->grid_dim)
constexpr int warpSize = onespike::emulator::kWarp;

// ---- barriers

using EmulatorLocation = onespike::emulator::Location;

inline void __syncthreads(EmulatorLocation where = EmulatorLocation::current()) {
  onespike::emulator::running->barrier(onespike::emulator::Vote::kNone, 0, where);
}
inline int __syncthreads_or(int predicate, EmulatorLocation where = EmulatorLocation::current()) {
  return onespike::emulator::running->barrier(onespike::emulator::Vote::kOr, predicate, where);
}
inline int __syncthreads_and(int predicate, EmulatorLocation where = EmulatorLocation::current()) {
  return onespike::emulator::running->barrier(onespike::emulator::Vote::kAnd, predicate, where);
}
inline int __syncthreads_count(int predicate, EmulatorLocation where = EmulatorLocation::current()) {
  return onespike::emulator::running->barrier(onespike::emulator::Vote::kCount, predicate, where);
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// ---- warp operations

namespace onespike::emulator {

template <class F>
void each_lane(uint32_t mask, const F& f) {
  for (uint32_t rest = mask; rest; rest &= rest - 1) f(std::countr_zero(rest));
}

template <class T>
struct ShuffleInput {
  T value;
  int lane;  // whose value it wants
};

template <class T>
T shuffle(uint32_t mask, T value, int from, Location where) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  const Resolve resolve = [](const Operands& lanes, uint32_t mask) {
    each_lane(mask, [&](int i) {
      const int from = static_cast<const ShuffleInput<T>*>(lanes.in[i])->lane;
      if (!(mask >> from & 1))
        throw Fault(FaultKind::kDiverged, "shuffle from lane " + std::to_string(from) + ", which does not take part");
      *static_cast<T*>(lanes.out[i]) = static_cast<const ShuffleInput<T>*>(lanes.in[from])->value;
    });
  };
  return meet<ShuffleInput<T>, T>(resolve, mask, {value, from}, where);
}

inline int lane_of_thread() { return running->current->lane(); }

}  // namespace onespike::emulator

inline void __syncwarp(unsigned mask = onespike::emulator::kAllLanes,
                       EmulatorLocation where = EmulatorLocation::current()) {
  onespike::emulator::meet<int, int>([](const onespike::emulator::Operands&, uint32_t) {}, mask, 0, where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, EmulatorLocation where = EmulatorLocation::current()) {
  const int lane = onespike::emulator::lane_of_thread();
  return onespike::emulator::shuffle(mask, value, lane / width * width + from % width, where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int other, int width = 32,
                  EmulatorLocation where = EmulatorLocation::current()) {
  const int lane = onespike::emulator::lane_of_thread(), from = lane ^ other;
  return onespike::emulator::shuffle(mask, value, from / width > lane / width ? lane : from, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                 EmulatorLocation where = EmulatorLocation::current()) {
  const int lane = onespike::emulator::lane_of_thread();
  return onespike::emulator::shuffle(mask, value, lane % width < int(delta) ? lane : lane - int(delta), where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                   EmulatorLocation where = EmulatorLocation::current()) {
  const int lane = onespike::emulator::lane_of_thread();
  return onespike::emulator::shuffle(mask, value, lane % width + int(delta) >= width ? lane : lane + int(delta), where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, EmulatorLocation where = EmulatorLocation::current()) {
  using namespace onespike::emulator;
  const Resolve resolve = [](const Operands& lanes, uint32_t mask) {
    unsigned votes = 0;
    each_lane(mask, [&](int i) { votes |= unsigned(*static_cast<const int*>(lanes.in[i]) != 0) << i; });
    each_lane(mask, [&](int i) { *static_cast<unsigned*>(lanes.out[i]) = votes; });
  };
  return meet<int, unsigned>(resolve, mask, predicate, where);
}
inline int __any_sync(unsigned mask, int predicate, EmulatorLocation where = EmulatorLocation::current()) {
  return __ballot_sync(mask, predicate, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EmulatorLocation where = EmulatorLocation::current()) {
  return __ballot_sync(mask, predicate, where) == mask;
}

// ---- atomics; one thread of a block runs at a time

template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  *at = T(old + value);
  return old;
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  if (value > old) *at = value;
  return old;
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  if (value < old) *at = value;
  return old;
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  *at = old | value;
  return old;
}
template <class T>
T atomicAnd(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  *at = old & value;
  return old;
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> value) {
  const T old = *at;
  *at = value;
  return old;
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  const T old = *at;
  if (old == expected) *at = value;
  return old;
}

// ---- arithmetic

template <class T>
T __ldg(const T* at) {
  return *at;
}

inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return std::sqrt(a); }
inline float __fmaf_rn(float a, float b, float c) { return std::fmaf(a, b, c); }

inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
inline int __clzll(long long x) { return std::countl_zero((unsigned long long)x); }
inline int __ffs(int x) { return x ? std::countr_zero(unsigned(x)) + 1 : 0; }
inline int __ffsll(long long x) { return x ? std::countr_zero((unsigned long long)x) + 1 : 0; }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}

// Byte i of the result is byte (selector nibble i) of the eight bytes of b:a; the sign-replicating bit 3 of a nibble
// too.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  unsigned result = 0;
  for (int i = 0; i < 4; ++i) {
    const unsigned nibble = selector >> (4 * i) & 15;
    unsigned byte = unsigned(bytes >> (8 * (nibble & 7))) & 0xff;
    if (nibble & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

namespace onespike::emulator {
// Calls f on each of the four bytes of a and b.
template <class F>
unsigned each_byte(unsigned a, unsigned b, const F& f) {
  unsigned result = 0;
  for (int i = 0; i < 32; i += 8) result |= (unsigned(f(uint8_t(a >> i), uint8_t(b >> i))) & 0xff) << i;
  return result;
}
}  // namespace onespike::emulator

inline unsigned __vcmpeq4(unsigned a, unsigned b) {
  return onespike::emulator::each_byte(a, b, [](uint8_t x, uint8_t y) { return x == y ? 0xff : 0; });
}
inline unsigned __vcmpne4(unsigned a, unsigned b) {
  return onespike::emulator::each_byte(a, b, [](uint8_t x, uint8_t y) { return x != y ? 0xff : 0; });
}
inline unsigned __vseteq4(unsigned a, unsigned b) {
  return onespike::emulator::each_byte(a, b, [](uint8_t x, uint8_t y) { return x == y ? 1 : 0; });
}
inline unsigned __vadd4(unsigned a, unsigned b) {
  return onespike::emulator::each_byte(a, b, [](uint8_t x, uint8_t y) { return x + y; });
}

// CUDA declares them in the global namespace for mixed types as well; kernels here give both arguments one type.
template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}
// NOLINTEND(bugprone-reserved-identifier)
