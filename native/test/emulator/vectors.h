// The vector types of CUDA, with the alignment that a device insists on.
#pragma once

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct uint3 {
  unsigned x, y, z;
};

// NOLINTBEGIN(bugprone-macro-parentheses): T is a type.
#define ONESPIKE_VECTOR2(T, name, bytes) \
  struct alignas(bytes) name {           \
    T x, y;                              \
  };                                     \
  inline name make_##name(T x, T y) { return {x, y}; }
#define ONESPIKE_VECTOR4(T, name, bytes) \
  struct alignas(bytes) name {           \
    T x, y, z, w;                        \
  };                                     \
  inline name make_##name(T x, T y, T z, T w) { return {x, y, z, w}; }

// NOLINTEND(bugprone-macro-parentheses)

ONESPIKE_VECTOR2(signed char, char2, 2)
ONESPIKE_VECTOR2(unsigned char, uchar2, 2)
ONESPIKE_VECTOR2(int, int2, 8)
ONESPIKE_VECTOR2(unsigned, uint2, 8)
ONESPIKE_VECTOR2(float, float2, 8)
ONESPIKE_VECTOR2(double, double2, 16)
ONESPIKE_VECTOR2(unsigned long long, ulonglong2, 16)
ONESPIKE_VECTOR4(signed char, char4, 4)
ONESPIKE_VECTOR4(unsigned char, uchar4, 4)
ONESPIKE_VECTOR4(int, int4, 16)
ONESPIKE_VECTOR4(unsigned, uint4, 16)
ONESPIKE_VECTOR4(float, float4, 16)

#undef ONESPIKE_VECTOR2
#undef ONESPIKE_VECTOR4
