// Memory of the CPU backend, aligned for the widest vector.
#pragma once

#include <cstddef>

namespace onespike::cpu {

constexpr size_t kAlignment = 64;

// Of a large block: fast ones, or those that take no more memory than is touched. What is reserved for the worst case
// wants the latter.
enum class Pages { kLarge, kAsTouched };

// Null when the machine has no memory for it now. Large blocks are the system's own pages: they go back to it when
// freed, and a zeroed one takes no memory before it is touched.
void* allocate_aligned(size_t bytes, bool zeroed = false, Pages pages = Pages::kLarge);
void free_aligned(void* memory);

}  // namespace onespike::cpu
