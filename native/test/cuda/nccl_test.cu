// Ranks whose GPUs are linked: the bits of one rank, and of ranks that add through their hosts. On several GPUs with
// NCCL itself, on the emulator with the stand-in of native/test/nccl.
#include <cstdio>
#include <memory>

#include "comm/nccl_link.h"
#include "cuda/device/devices.h"
#include "test/cuda/tests.h"
#include "test/shards/shard_cases.h"
#include "test/shards/thread_ranks.h"
#include "test/support/cases.h"
#include "test/training/steps.h"

#ifndef ONESPIKE_NCCL_LIBRARY
#define ONESPIKE_NCCL_LIBRARY "libnccl.so.2"
#endif

namespace onespike::test {
namespace {

Training on_gpu(Training training, int device) {
  training.spec.on.kind = BackendKind::kCuda, training.spec.on.device = device;
  return training;
}

// What every rank is left with.
std::vector<std::vector<float>> train_linked(const Training& training, int size) {
  ThreadRanks ranks(size);
  std::vector<std::vector<float>> left(static_cast<size_t>(size));
  ranks.run([&](Communicator& rank) {
    expect_ok(use_cuda_device(rank.rank()), "device");
    std::unique_ptr<NcclLink> link;
    expect_ok(NcclLink::open(ONESPIKE_NCCL_LIBRARY, 20, rank, &link), "link");
    left[static_cast<size_t>(rank.rank())] = train_rank(on_gpu(training, rank.rank()), &rank, 1, link.get());
  });
  return left;
}

// Every `nth` training.
void same_bits_on(int size, size_t nth) {
  const std::vector<Training> all = trainings();
  for (size_t i = 0; i < all.size(); i += nth) {
    const Training& training = all[i];
    const std::vector<float> one = train_rank(on_gpu(training, 0), nullptr, 1);
    const auto linked = train_linked(training, size);
    for (size_t rank = 0; rank < linked.size(); ++rank)
      expect(same_bits(linked[rank], one),
             training.name + ": rank " + std::to_string(rank) + " of " + std::to_string(size));
  }
}

// They add in another order than one rank does, but in that of ranks that add through their hosts.
void three_ranks() {
  const Training training = trainings().front();
  const auto linked = train_linked(training, 3);
  ThreadRanks ranks(3);
  ranks.run([&](Communicator& rank) {
    const auto hosts = train_rank(on_gpu(training, rank.rank()), &rank, 1);
    expect(same_bits(linked[static_cast<size_t>(rank.rank())], hosts), "rank " + std::to_string(rank.rank()));
  });
}

}  // namespace

void add_link_tests(Tests& tests) {
  std::string reason, version;
  const size_t devices = cuda_devices(0, &reason).size();
  const Status status = nccl_version(ONESPIKE_NCCL_LIBRARY, &version);
  if (!status.ok() || devices < 2) {
    std::printf("skip GPUs that are linked: %s\n", status.ok() ? "there is one GPU" : status.message.c_str());
    return;
  }
  tests.push_back({"linked GPUs: two ranks have the bits of one", [] { same_bits_on(2, 1); }});
  if (devices >= 3) tests.push_back({"linked GPUs: three ranks have the bits of their hosts' sums", three_ranks});
  if (devices >= 4) tests.push_back({"linked GPUs: four ranks have the bits of one", [] { same_bits_on(4, 3); }});
}

}  // namespace onespike::test
