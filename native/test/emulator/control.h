// What a test sets and asks of the emulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onespike::emulator {

// As after a reset of the process: four devices without a context, no error, 4 GiB of memory, compute capability 8.6
// (the smallest shared memory of all that are supported). Memory, streams and attributes of kernels that exist stay.
void reset();
void set_memory(size_t bytes);
void set_devices(int count);                                  // 0: as without a driver
void set_capability(int major, int minor, int shared_bytes);  // the largest dynamic shared memory of a block
// The launch that comes after `count` others since reset() fails on the device, and so does all that follows; -1: none.
void fail_launch(int64_t count);
// Recorded steps cannot be made into graphs, as where a driver does not support what they hold.
void refuse_graphs(bool refuse);
// What the last failure was, with kernel, block, thread and place.
std::string last_failure();
size_t memory_in_use();
// Devices whose primary context exists, in ascending order.
std::vector<int> contexts();
// Attributes of kernels for dynamic shared memory: the most that one kernel's was set on one device, and how often one
// was set to less than it was.
int most_limits_set();
int lowered_limits();
// Lets other threads of the host come in between setting such an attribute and the launch that needs it.
void lose_turns(bool lose);
int64_t launches();  // kernels that ran since reset()
int64_t waits();     // times that the host waited for the device since reset()

}  // namespace onespike::emulator
