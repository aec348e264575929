// GPUs that are linked by the stand-in for NCCL: why they may not be, what becomes of a rank that is silent, and when
// numbers travel.
#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <memory>

#include "comm/nccl_link.h"
#include "core/backend/backend.h"
#include "cuda/device/devices.h"
#include "test/emulator/control.h"
#include "test/emulator/cuda_runtime.h"
#include "test/emulator/foreign.h"
#include "test/emulator/test/small.h"
#include "test/emulator/test/tests.h"
#include "test/shards/shard_cases.h"
#include "test/shards/thread_ranks.h"

namespace onespike::test {
namespace {

const char kStandin[] = ONESPIKE_NCCL_LIBRARY;

// What the next calls of the stand-in on this thread answer.
void pretend(int version, int init) {
  void* const standin = dlopen(kStandin, RTLD_NOW);
  const auto set = reinterpret_cast<void (*)(int, int)>(dlsym(standin, "standin_pretend"));
  expect(set != nullptr, "the stand-in has no standin_pretend");
  set(version, init);
}

// What two ranks answer to opening a link, each after `before`, with the library that it names.
void refused(const std::string& words, const std::function<std::string(int rank)>& before) {
  ThreadRanks ranks(2);
  ranks.run([&](Communicator& rank) {
    std::unique_ptr<NcclLink> link;
    const std::string library = before(rank.rank());
    const std::string message = message_of(NcclLink::open(library, 0.3, rank, &link), Code::kNoBackend);
    expect(message.find(words) != std::string::npos && !link, message);
  });
}

void refusals() {
  refused("rank 1: NCCL does not load: libnccl-of-nobody.so.2",
          [](int rank) { return rank == 1 ? "libnccl-of-nobody.so.2" : kStandin; });
  refused("rank 0: libm.so.6 has no ncclGetVersion: NCCL 2.14 or newer",
          [](int rank) { return rank == 0 ? "libm.so.6" : kStandin; });
  refused("NCCL is 2.28.3 on rank 0 and 2.27.5 on rank 1", [](int rank) {
    if (rank == 1) pretend(22705, 0);
    return kStandin;
  });
  // Rank 0 waits in vain for rank 1 and says so, but rank 1 knows why.
  refused("rank 1: NCCL failed to start: unhandled system error (of the stand-in)", [](int rank) {
    pretend(22803, rank == 1 ? 2 : 0);
    return kStandin;
  });
}

Training small_training() {
  Training training{"ann", network_spec(1, 4, 4, 2, {conv(16), linear(6), output(kShardClasses)}), Mode::kAnn,
                    shard_sgd()};
  training.spec.on.kind = BackendKind::kCuda;
  return training;
}

// One step of this rank, and what it answers.
Status one_step(Network& network, const Training& training, Communicator& rank, DeviceLink& link) {
  const Part part = part_of(training.spec, {2, 2}, size_t(rank.rank()), size_t(rank.rank()) + 1, 1);
  StepStats stats;
  return train_part(network, training, part, &rank, &stats, &link);
}

// Rank 1 begins the step and sends nothing.
void silent_rank() {
  ThreadRanks ranks(2);
  ranks.run([](Communicator& rank) {
    expect_ok(use_cuda_device(rank.rank()), "device");
    std::unique_ptr<NcclLink> link;
    expect_ok(NcclLink::open(kStandin, 0.3, rank, &link), "link");
    if (rank.rank() == 1) {
      int64_t groups = 0, received = 0;
      expect_ok(rank.exchange(0, &groups, &received, sizeof groups), "begin");
      return;
    }
    const Training training = small_training();
    std::unique_ptr<Network> network;
    expect_ok(create_network(training.spec, &network), "create");
    const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
    const std::string message = message_of(one_step(*network, training, rank, *link), Code::kIo);
    expect(message.find("the GPU of rank 1 to answer within 0.3 s") != std::string::npos, message);
    expect(same_bits(read_bits(*network, TensorKind::kParameter), before), "nothing was updated");
  });
}

// Two ranks as one of them sees it, whose peer says what it says itself.
class Mirror final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  Status broadcast(void*, size_t, int) override { return Status::success(); }
  Status exchange(int, const void* send, void* receive, size_t bytes) override {
    return std::memcpy(receive, send, bytes), Status::success();
  }
  Status barrier() override { return Status::success(); }
};

// Transfers nothing, and notes how many kernels each transfer comes behind.
class Witness final : public DeviceLink {
 public:
  Status transfer(const std::vector<Transfer>&, void* queue) override {
    if (failing) return Status::error(Code::kIo, "Another rank has failed: rank 1");
    expect(cudaStreamQuery(static_cast<cudaStream_t>(queue)) == cudaSuccess, "the queue");
    launched.push_back(emulator::launches());
    return Status::success();
  }
  Status await(int, double) override { return Status::success(); }
  void arrived() override { ++arrivals; }
  void give_up() override { ++aborts; }

  std::vector<int64_t> launched;
  int arrivals = 0, aborts = 0;
  bool failing = false;
};

// A stage's numbers travel before the backward pass of the stages below it has been told to the device.
void overlap() {
  const Training training = small_training();
  std::unique_ptr<Network> network;
  expect_ok(create_network(training.spec, &network), "create");
  Mirror ranks;
  Witness link;
  expect_ok(one_step(*network, training, ranks, link), "step");
  expect(link.launched.size() == 4 && link.arrivals == 1 && link.aborts == 0, "three stages, and what they share");
  // Beside the sums of the stage before: those of its weight and bias.
  for (size_t i = 1; i < 3; ++i)
    expect(link.launched[i] > link.launched[i - 1] + 2, "kernels between transfers " + std::to_string(i));
  link.failing = true;
  expect(one_step(*network, training, ranks, link).code == Code::kIo && link.aborts == 1, "given up");
}

// What a stream that waits for another one's event does not see before.
void streams() {
  cudaStream_t first = nullptr, second = nullptr;
  cudaEvent_t event = nullptr;
  int* memory = nullptr;
  expect(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking) == cudaSuccess &&
             cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking) == cudaSuccess &&
             cudaEventCreate(&event) == cudaSuccess && cudaMalloc(&memory, 2 * sizeof(int)) == cudaSuccess,
         "create");
  const auto read = [&](cudaStream_t stream) {
    int value = 0;
    expect(cudaMemcpyAsync(&value, memory, sizeof value, cudaMemcpyDeviceToHost, stream) == cudaSuccess, "read");
    return value;
  };
  expect(cudaMemsetAsync(memory, 0, sizeof(int), second) == cudaSuccess && read(second) == 0, "zero");
  expect(cudaMemsetAsync(memory, 1, sizeof(int), first) == cudaSuccess, "set");
  expect(read(second) == 0, "a stream that does not wait");
  expect(cudaEventRecord(event, first) == cudaSuccess && cudaStreamWaitEvent(second, event) == cudaSuccess &&
             cudaEventDestroy(event) == cudaSuccess && read(second) == 0x01010101,
         "one that waits");
  // An operation of another library, which ends when it likes.
  static std::atomic<bool> ready;
  ready = false;
  auto* const foreign = reinterpret_cast<emulator::ForeignStream*>(second);
  foreign->add(foreign, [](void*) { return bool(ready); }, nullptr);
  expect(cudaStreamQuery(second) == cudaErrorNotReady && cudaGetLastError() == cudaErrorNotReady, "not yet");
  expect(cudaStreamQuery(first) == cudaSuccess, "the other stream");
  ready = true;
  expect(cudaStreamQuery(second) == cudaSuccess && cudaStreamDestroy(first) == cudaSuccess &&
             cudaStreamDestroy(second) == cudaSuccess && cudaFree(memory) == cudaSuccess,
         "ended");
}

}  // namespace

void add_link_failure_tests(Tests& tests) {
  tests.push_back({"emulator: streams and events", streams});
  tests.push_back({"linked GPUs: without a library, a function, one version or a start there is none", refusals});
  tests.push_back({"linked GPUs: a rank that is silent is named", silent_rank});
  tests.push_back({"linked GPUs: gradients travel beside the backward pass", overlap});
}

}  // namespace onespike::test
