// Steps that are recorded as CUDA graphs and replayed.
#include <new>

#include "core/backend/backend.h"
#include "cuda/device/create.h"
#include "cuda/device/devices.h"
#include "test/emulator/control.h"
#include "test/emulator/test/small.h"
#include "test/emulator/test/tests.h"

namespace onespike::test {
namespace {

// A backend whose steps count 1024 events each.
class Counter {
 public:
  Counter() {
    expect_ok(make_cuda_backend(0, Precision::kFp32, &backend), "backend");
    total_ = static_cast<int64_t*>(backend->allocate(sizeof(int64_t)));
    times_ = static_cast<uint8_t*>(backend->allocate(1024));
    const std::vector<uint8_t> ones(1024, 1);
    backend->upload(times_, ones.data(), ones.size());
  }
  ~Counter() {
    for (void* memory : {static_cast<void*>(total_), static_cast<void*>(times_)}) backend->release(memory);
  }
  Counter(const Counter&) = delete;

  void count() { backend->run(CountEventsTask{total_, times_, 1024}); }
  int64_t counted() const {
    int64_t value = 0;
    backend->download(&value, total_, sizeof value);
    return value;
  }

  std::unique_ptr<Backend> backend;

 private:
  int64_t* total_;
  uint8_t* times_;
};

// The calls of a step are made once as they are and once for the recording, and not again.
void recording() {
  Counter counter;
  int calls = 0;
  const auto step = [&] {
    return counter.backend->replay(7, [&] {
      ++calls;
      counter.count();
      return Status::success();
    });
  };
  for (int i = 1; i <= 5; ++i) {
    expect_ok(step(), "step");
    expect(counter.counted() == 1024 * i, "step " + std::to_string(i) + ": " + std::to_string(counter.counted()));
  }
  expect(calls == 2, "enqueued " + std::to_string(calls) + " times");
  // Addresses may have changed: recorded anew.
  void* more = counter.backend->allocate(10);
  for (int i = 6; i <= 8; ++i) expect_ok(step(), "step");
  expect(calls == 4 && counter.counted() == 8 * 1024,
         "enqueued " + std::to_string(calls) + " times after an allocation");
  // An abort while recording leaves nothing behind.
  int attempts = 0;
  const auto aborting = [&] {
    return counter.backend->replay(8, [&] {
      counter.count();
      return ++attempts == 2 ? Status::error(Code::kAborted, "aborted") : Status::success();
    });
  };
  expect_ok(aborting(), "eager");
  expect(aborting().code == Code::kAborted && counter.counted() == 9 * 1024, "an aborted recording ran nothing");
  expect_ok(aborting(), "recorded");
  expect_ok(aborting(), "replayed");
  expect(counter.counted() == 11 * 1024 && attempts == 3, "recorded and replayed afterwards");
  counter.backend->release(more);
}

// A step whose calls run out of memory: it says so, and what was recorded or enqueued of it is not there for the next.
void unfinished_recordings() {
  for (const int failing : {1, 2}) {
    Counter counter;
    int calls = 0;
    const auto step = [&] {
      return counter.backend->replay(9, [&] {
        if (++calls == failing) throw std::bad_alloc();
        counter.count();
        return Status::success();
      });
    };
    const std::string what = "memory runs out in call " + std::to_string(failing);
    for (int i = 1; i <= 5; ++i) {
      const Status status = step();
      expect(status.code == (i == failing ? Code::kOom : Code::kOk), what + ", step " + std::to_string(i));
    }
    const int64_t counted = counter.counted();
    expect_ok(counter.backend->finish(), what);
    expect(counted == 4 * 1024 && calls == 3, what + ": " + std::to_string(counted) + " in " + std::to_string(calls));
    expect(counter.backend->recorded().recorded, what + ": " + counter.backend->recorded().reason);
  }
}

// Steps of a driver that refuses recordings compute the same, and people can ask why they take longer.
void refused_recordings() {
  const Case c = small_case(BackendKind::kCuda, 6);
  const auto recorded = make_network(c), refused = make_network(c);
  Case profiled = c;
  profiled.spec.profile = true;
  const auto measured = make_network(profiled);
  expect(!refused->recorded().recorded && refused->recorded().reason.find("repeated") != std::string::npos,
         "before a step: " + refused->recorded().reason);
  for (int step = 0; step < 4; ++step)
    for (const auto& network : {recorded.get(), refused.get(), measured.get()}) {
      emulator::refuse_graphs(network == refused.get());
      StepStats stats;
      expect_ok(network->train(c.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats),
                "step " + std::to_string(step));
    }
  expect(recorded->recorded().recorded && recorded->recorded().reason.empty(), recorded->recorded().reason);
  const Recorded why = refused->recorded();
  expect(!why.recorded && why.reason.find("cudaErrorNotSupported") != std::string::npos &&
             why.reason.find("cudaGraphInstantiate") != std::string::npos,
         "refused: " + why.reason);
  expect(!measured->recorded().recorded && !measured->recorded().reason.empty(), "profiled");
  expect(read_bits(*refused, TensorKind::kParameter) == read_bits(*recorded, TensorKind::kParameter),
         "not bit-identical");
}

// The probe says so before a network is there.
void probed_recordings() {
  emulator::refuse_graphs(true);
  std::string why;
  const DeviceInfo device = cuda_devices(1, &why)[1];
  expect(device.usable && !device.graphs && device.graphs_reason.find("cudaGraphInstantiate") != std::string::npos,
         "refused: " + device.graphs_reason);
  emulator::reset();
  const DeviceInfo other = cuda_devices(0, &why)[0];
  expect(other.usable && other.graphs && other.graphs_reason.empty(), "recorded: " + other.graphs_reason);
}

}  // namespace

void add_recording_tests(Tests& tests) {
  tests.push_back({"CUDA backend: a step is recorded when it comes again", recording});
  tests.push_back({"CUDA backend: memory runs out in a step that is recorded", unfinished_recordings});
  tests.push_back({"CUDA backend: a driver that refuses recordings is seen", refused_recordings});
  tests.push_back({"probe: whether kernels can be recorded", probed_recordings});
}

}  // namespace onespike::test
