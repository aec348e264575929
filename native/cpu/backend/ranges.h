// Element-wise operations are split into ranges of one length, whatever the number of threads, so that sums over them
// have one order.
#pragma once

#include <cstdint>

namespace onespike::cpu {

constexpr int64_t kRange = 1 << 14;  // elements of one task
inline int64_t ranges(int64_t count) { return (count + kRange - 1) / kRange; }

}  // namespace onespike::cpu
