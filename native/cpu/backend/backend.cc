// Memory of the CPU backend, and what a chunk may hold.
#include "cpu/backend/backend.h"

#include <algorithm>
#include <cstring>

#include "cpu/backend/ranges.h"

namespace onespike::cpu {
namespace {

// Images pass in chunks so that potentials stay within this, whatever the batch: the peak of training follows the
// chunk. Every chunk reads all weights and their gradients again, 440 MB of vgg16: 128 MiB trains it 4 % faster than 64
// on two threads, whose memory is the limit, and as fast on one.
constexpr int64_t kChunkBytes = 128ll << 20;
// An activation of the ANN is T times smaller than a potential, so more images fit; every chunk reads all weights
// again.
constexpr int64_t kAnnChunkBytes = 128ll << 20;
constexpr int kMaxChunkImages = 64;
// Inference keeps byte maps alone: the weights of a linear layer of 4096 x 4096 are read once for 64 images, not
// for 10.
constexpr int64_t kInferenceBytes = 64ll << 20;

// The weight gradient of a linear layer is a pass over all its weights, and needs little of an image: spike times and
// g. So it waits for several chunks, whose times and g stay within this: all of a batch of 64 at T = 5 with two layers
// of 4096.
constexpr int64_t kBlockBytes = 16ll << 20;
constexpr int kMaxBlockImages = 256;

}  // namespace

CpuBackend::CpuBackend(const CpuOptions& options)
    : pool_(options.threads),
      precision_(options.precision),
      gradient_kernel_(options.gradient),
      amx_(dense_takes_amx()) {
  for (int i = 0; i < pool_.threads(); ++i) workers_.emplace_back(scratch_);
}

ChunkLimits CpuBackend::limits() const {
  return {kChunkBytes, kInferenceBytes, kAnnChunkBytes, kBlockBytes, kMaxChunkImages, kMaxBlockImages};
}

void* CpuBackend::allocate(size_t bytes) { return allocate_aligned(bytes, true); }
void CpuBackend::release(void* memory) {
  filter_.release(memory);
  free_aligned(memory);
}
void CpuBackend::upload(void* to, const void* from_host, size_t bytes) {
  filter_.forget(to, bytes);
  std::memcpy(to, from_host, bytes);
}
void CpuBackend::download(void* to_host, const void* from, size_t bytes) { std::memcpy(to_host, from, bytes); }
void CpuBackend::copy(void* to, const void* from, size_t bytes) { upload(to, from, bytes); }
KernelChoice CpuBackend::execute(const ZeroTask& task) {
  filter_.forget(task.memory, task.bytes);
  const int64_t block = kRange * int64_t(sizeof(float)) * 8, count = int64_t(task.bytes);
  pool_.parallel_for((count + block - 1) / block, [&](int64_t i) {
    std::memset(static_cast<char*>(task.memory) + i * block, 0, size_t(std::min(block, count - i * block)));
  });
  return {};
}

void CpuBackend::release_scratch() {
  scratch_.release();
  filter_.clear();
}

}  // namespace onespike::cpu

namespace onespike {

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  return std::make_unique<cpu::CpuBackend>(options);
}

}  // namespace onespike
