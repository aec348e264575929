// Instruction sets. Which one is used is decided for the whole process, by what the processor has: the only state that
// CPU backends share. The functions for tests change it for all of them.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace onespike {

std::vector<std::string> cpu_targets();  // instruction sets that this processor and binary share, best first
std::string cpu_target_name();           // the best of them
void limit_cpu_target(size_t first);     // for tests: leave out the `first` best of cpu_targets()
void allow_native_bf16(bool allowed);    // for tests: leave out the bf16 instructions of AVX-512

namespace cpu {

// Whether products of bf16 run on the processor's own instruction (AVX-512 BF16); else they are multiplied as floats,
// with the same rounding of operands. Results differ in the last bits of the sum.
bool native_bf16();

}  // namespace cpu
}  // namespace onespike
