// Instruction sets. Which one is used is decided for the whole process, by what the processor has: the only state that
// CPU backends share. Processors that train together use what all of them have, and tests compare instruction sets: for
// these it can be limited, which changes it for all backends of the process.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace onespike {

std::vector<std::string> cpu_targets();  // instruction sets that this processor and binary share, best first
std::string cpu_target_name();           // the best of them that is not left out, and the unit for bf16: AVX3 with AMX
void limit_cpu_target(size_t first);     // leaves out the `first` best of cpu_targets()

// What multiplies bf16: floats, with the same rounding of operands, the instruction of AVX-512, or AMX besides, the
// matrix unit, for products that fill it. Results differ in the last bits of the sum.
enum class Bf16Unit { kFloats, kAvx512, kAmx };
constexpr Bf16Unit kBf16Units[] = {Bf16Unit::kFloats, Bf16Unit::kAvx512, Bf16Unit::kAmx};
const char* bf16_unit_name(Bf16Unit unit);  // floats, avx512, amx
Bf16Unit bf16_unit();                       // the best that the processor and the system have and that is not left out
void limit_bf16_unit(Bf16Unit best);        // leaves out the better ones

namespace cpu {

inline bool native_bf16() { return bf16_unit() >= Bf16Unit::kAvx512; }
inline bool native_amx() { return bf16_unit() == Bf16Unit::kAmx; }

}  // namespace cpu
}  // namespace onespike
