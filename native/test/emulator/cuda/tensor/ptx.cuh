// What native/cuda/tensor/ptx.cuh spells in PTX, emulated. Fragment layouts are those of the PTX ISA, sections "Matrix
// fragments for mma.m16n8k16 with floating point type" and "ldmatrix". With lane = 4 * group + position:
//
//   A (16 x 16): register i, half h   row = group + 8 * (i & 1)     column = 2 * position + h + 8 * (i >> 1)
//   B (16 x 8):  register i, half h   row = 2 * position + h + 8 * i  column = group
//   C, D (16 x 8): register i         row = group + 8 * (i >> 1)    column = 2 * position + (i & 1)
//
//   ldmatrix: lanes 8 m .. 8 m + 7 give the addresses of the rows (16 bytes) of matrix m; register m of a lane receives
//   elements 2 * position, 2 * position + 1 of row `group` of matrix m; with .trans of column `group`.
#pragma once

#include <stdexcept>

#include "test/emulator/cuda_bf16.h"
#include "test/emulator/device.h"

namespace onespike::cuda {

using EmulatorLocation = ::EmulatorLocation;

// Two bf16, `low` in the lower half, rounded to nearest even.
inline uint32_t pack_bf16(float low, float high) {
  return emulator::bf16_bits(low) | uint32_t(emulator::bf16_bits(high)) << 16;
}

// Byte i is the byte of `low` (0 to 3) or `high` (4 to 7) that digit i of the selector names. Digits of 8 and more
// would spread a sign on a device, which nobody here wants.
inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  const uint64_t bytes = uint64_t(high) << 32 | low;
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i) {
    const uint32_t digit = selector >> 4 * i & 0xf;
    if (digit > 7) throw std::logic_error("permute_bytes: expected digits below 8");
    word |= uint32_t(bytes >> 8 * digit & 0xff) << 8 * i;
  }
  return word;
}

// a * b + c of two bf16 each, rounded to nearest even (twice here, which differs only where float is not enough).
inline uint32_t fma_bf16(uint32_t a, uint32_t b, uint32_t c) {
  const auto half = [](uint32_t word, int h) { return emulator::bf16_value(uint16_t(word >> (16 * h))); };
  return pack_bf16(half(a, 0) * half(b, 0) + half(c, 0), half(a, 1) * half(b, 1) + half(c, 1));
}

struct MmaInput {
  uint32_t a[4], b[2];
  float c[4];
};
struct MmaOutput {
  float d[4];
};

// c += A * B; bf16 operands, the sums in fp32.
inline void mma_bf16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                     EmulatorLocation where = EmulatorLocation::current()) {
  const auto resolve = [](const emulator::Operands& lanes, uint32_t) {
    float a[16][16], b[16][8];
    const auto half = [](uint32_t word, int h) { return emulator::bf16_value(uint16_t(word >> (16 * h))); };
    for (int lane = 0; lane < 32; ++lane) {
      const auto& in = *static_cast<const MmaInput*>(lanes.in[lane]);
      const int group = lane / 4, position = lane % 4;
      for (int h = 0; h < 2; ++h) {
        for (int i = 0; i < 4; ++i) a[group + 8 * (i & 1)][2 * position + h + 8 * (i >> 1)] = half(in.a[i], h);
        for (int i = 0; i < 2; ++i) b[2 * position + h + 8 * i][group] = half(in.b[i], h);
      }
    }
    // Over k from its beginning, as each sum alone would be, but for a row of sums at once.
    float sums[16][8] = {};
    for (int row = 0; row < 16; ++row)
      for (int k = 0; k < 16; ++k)
        for (int column = 0; column < 8; ++column) sums[row][column] += a[row][k] * b[k][column];
    for (int lane = 0; lane < 32; ++lane) {
      const auto& in = *static_cast<const MmaInput*>(lanes.in[lane]);
      auto& out = *static_cast<MmaOutput*>(lanes.out[lane]);
      for (int i = 0; i < 4; ++i) out.d[i] = in.c[i] + sums[lane / 4 + 8 * (i >> 1)][lane % 4 * 2 + (i & 1)];
    }
  };
  const MmaInput in{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}, {c[0], c[1], c[2], c[3]}};
  const MmaOutput out = emulator::meet<MmaInput, MmaOutput>(resolve, emulator::kAllLanes, in, where);
  for (int i = 0; i < 4; ++i) c[i] = out.d[i];
}

struct LdmatrixOutput {
  uint32_t r[4];
};

template <bool kTranspose>
LdmatrixOutput emulated_ldmatrix(const void* row, EmulatorLocation where) {
  emulator::running->check_shared(row, 16, where);
  const auto resolve = [](const emulator::Operands& lanes, uint32_t) {
    for (int lane = 0; lane < 32; ++lane)
      for (int m = 0; m < 4; ++m) {
        uint32_t word = 0;
        for (int h = 0; h < 2; ++h) {
          const int major = lane / 4, minor = lane % 4 * 2 + h;
          const int row = kTranspose ? minor : major, column = kTranspose ? major : minor;
          uint16_t element;
          std::memcpy(&element, *static_cast<const char* const*>(lanes.in[8 * m + row]) + 2 * column, 2);
          word |= uint32_t(element) << (16 * h);
        }
        static_cast<LdmatrixOutput*>(lanes.out[lane])->r[m] = word;
      }
  };
  return emulator::meet<const void*, LdmatrixOutput>(resolve, emulator::kAllLanes, row, where);
}

// Four 8 x 8 matrices of 16-bit elements; lane i gives row i % 8 of matrix i / 8, 16 aligned bytes of shared memory.
inline void ldmatrix(uint32_t (&r)[4], const void* row, EmulatorLocation where = EmulatorLocation::current()) {
  const LdmatrixOutput out = emulated_ldmatrix<false>(row, where);
  for (int i = 0; i < 4; ++i) r[i] = out.r[i];
}
inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row,
                                EmulatorLocation where = EmulatorLocation::current()) {
  const LdmatrixOutput out = emulated_ldmatrix<true>(row, where);
  for (int i = 0; i < 4; ++i) r[i] = out.r[i];
}

// Until somebody waits, the target holds garbage: a read that comes too early, or a write over what others still read,
// shows.
inline void copy_async(void* to, const void* from, int valid = emulator::kCopyBytes,
                       EmulatorLocation where = EmulatorLocation::current()) {
  emulator::running->check_shared(to, emulator::kCopyBytes, where);
  if (valid > 0 && reinterpret_cast<uintptr_t>(from) % emulator::kCopyBytes)
    throw emulator::Fault(emulator::FaultKind::kMisaligned, "misaligned source of an asynchronous copy");
  std::memset(to, 0xff, emulator::kCopyBytes);
  auto& thread = *emulator::running->current;
  thread.copies.push_back({to, from, valid, thread.group});
}
inline void copy_async_commit() { ++emulator::running->current->group; }

// Until at most `kPending` of the latest groups are on their way.
template <int kPending>
void copy_async_wait() {
  auto& thread = *emulator::running->current;
  size_t done = 0;
  for (; done < thread.copies.size() && thread.copies[done].group < thread.group - kPending; ++done) {
    const emulator::PendingCopy& copy = thread.copies[done];
    std::memset(copy.to, 0, emulator::kCopyBytes);
    if (copy.valid > 0) std::memcpy(copy.to, copy.from, size_t(copy.valid));
  }
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + long(done));
}

// The dynamic shared memory of the block, aligned to 128 bytes.
inline unsigned char* dynamic_shared() { return static_cast<unsigned char*>(emulator::running->shared()); }

}  // namespace onespike::cuda
