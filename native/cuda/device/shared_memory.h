// How much dynamic shared memory a block may have. Plain integers, for the host's planning as well.
#pragma once

namespace onespike::cuda {

// For the static shared arrays of a kernel, which count towards the limits of a device.
constexpr int kStaticShared = 1 << 10;
// More than 48 KiB in all must be allowed for a kernel (launch.h).
constexpr int kSharedWithoutAsking = (48 << 10) - kStaticShared;
// What every device from sm_80 on gives to one block: 99 KiB on sm_86, sm_89 and sm_120.
constexpr int kMaxShared = (99 << 10) - kStaticShared;

}  // namespace onespike::cuda
