// Instruction sets. Which one is used is decided for the whole process, by what the processor has: the only state that
// CPU backends share. Processors that train together use what all of them have, and tests compare instruction sets: for
// these it can be limited, which changes it for all backends of the process.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace onespike {

std::vector<std::string> cpu_targets();  // instruction sets that this processor and binary share, best first
std::string cpu_target_name();           // the best of them that is not left out
void limit_cpu_target(size_t first);     // leaves out the `first` best of cpu_targets()
void allow_native_bf16(bool allowed);    // leaves out the bf16 instructions of AVX-512, or not

namespace cpu {

// Whether products of bf16 run on the processor's own instruction (AVX-512 BF16); else they are multiplied as floats,
// with the same rounding of operands. Results differ in the last bits of the sum.
bool native_bf16();

}  // namespace cpu
}  // namespace onespike
