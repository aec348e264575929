// How much dynamic shared memory a block may have. Plain integers, for the host's planning as well.
#pragma once

namespace onespike::cuda {

constexpr int kSharedWithoutAsking = 48 << 10;  // more must be allowed for a kernel (launch.h)
// What every device from sm_80 on gives to one block (sm_86, sm_89 and sm_120: 99 KiB), less 1 KiB for the static
// shared arrays of a kernel.
constexpr int kMaxShared = 98 << 10;

}  // namespace onespike::cuda
