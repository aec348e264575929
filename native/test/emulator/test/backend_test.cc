// What only a device that obeys can show: out of memory, a device that fails, launches, waits, memory freed.
#include "core/backend/backend.h"
#include "cuda/device/create.h"
#include "test/emulator/control.h"
#include "test/emulator/test/small.h"
#include "test/emulator/test/tests.h"

namespace onespike::test {
namespace {

void out_of_memory() {
  const Case c = small_case(BackendKind::kCuda, 64), few = small_case(BackendKind::kCuda, 8);
  const auto network = make_network(c), other = make_network(c);
  StepStats stats;
  for (const auto& n : {network.get(), other.get()})
    expect_ok(n->train(few.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), "train");
  const std::vector<float> before = read_bits(*network, TensorKind::kParameter);
  emulator::set_memory(emulator::memory_in_use() + (200 << 10));
  const std::string message =
      message_of(network->train(c.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), Code::kOom);
  const size_t at = message.find("the largest batch that fits has ");
  expect(at != std::string::npos && message.find(" bytes and ") != std::string::npos, message);
  expect(read_bits(*network, TensorKind::kParameter) == before, "nothing is lost");
  // What it says fits, fits, and the step is bit-identical to one where memory was never short.
  const int fits = std::stoi(message.substr(at + 32));
  expect(fits >= 8 && fits < 64, message);
  const Batch most{c.pixels.data(), c.labels.data(), fits};
  expect_ok(network->gradients(most, Mode::kSnn, no_stop(), &stats), "a batch of " + std::to_string(fits));
  emulator::reset();
  for (const auto& n : {network.get(), other.get()})
    expect_ok(n->train(few.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), "train");
  expect(read_bits(*network, TensorKind::kParameter) == read_bits(*other, TensorKind::kParameter),
         "trains on as if nothing had been");
}

void failing_device() {
  const Case c = small_case(BackendKind::kCuda, 6);
  const auto network = make_network(c);
  StepStats stats;
  expect_ok(network->train(c.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), "train");
  for (int when : {0, 9, 40}) {
    emulator::reset();
    const auto failing = make_network(c);
    emulator::fail_launch(emulator::launches() + when);
    const std::string message =
        message_of(failing->train(c.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), Code::kCuda);
    expect(message.find("cudaErrorLaunchFailure") != std::string::npos &&
               message.find("last kernel was ") != std::string::npos,
           message);
    std::vector<float> values(failing->tensors()[0].size);
    expect(message_of(failing->forward(c.batch(), Mode::kSnn, {}, no_stop(), &stats), Code::kCuda) == message,
           "the same status again");
    expect(message_of(failing->read(TensorKind::kParameter, 0, values.data()), Code::kCuda) == message, "reading");
    expect(message_of(failing->write(TensorKind::kParameter, 0, values.data()), Code::kCuda) == message, "writing");
    expect(message_of(failing->calibrate(c.batch(), 99, 1, no_stop()), Code::kCuda) == message, "calibrating");
    const Case on_cpu = small_case(BackendKind::kCpu, 6);
    expect_ok(make_network(on_cpu)->train(on_cpu.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats),
              "the CPU still works");
  }
}

// However many steps a call makes, the host waits as often as for one.
void waits_of_a_group() {
  const Case c = small_case(BackendKind::kCuda, 6);
  const auto network = make_network(c);
  expect(network->steps_at_once() > 1, "a device takes several steps at once");
  const auto waits = [&](size_t count) {
    const StepGroup group{count, 6, [&](size_t, Batch* batch) { return *batch = c.batch(), Status::success(); },
                          std::vector<OptimizerOptions>(count, clipped_adam())};
    std::vector<StepStats> stats;
    const int64_t before = emulator::waits(), launched = emulator::launches();
    expect_ok(network->train(group, Mode::kSnn, no_stop(), &stats), "train");
    expect(stats.size() == count && emulator::launches() - launched >= int64_t(20 * count),
           std::to_string(count) + " steps were made");
    return emulator::waits() - before;
  };
  // The first allocates, the second records.
  for (size_t count : {12, 12}) (void)waits(count);
  const int64_t one = waits(1), many = waits(12);
  // Two downloads, each a copy that waits and a call that waits, and the end.
  expect(one == many && one == 5, "waits for one step: " + std::to_string(one) + ", for 12: " + std::to_string(many));
}

// However many images a chunk has, early exit launches the same kernels.
void launches_of_early_exit() {
  const Case many = small_case(BackendKind::kCuda, 9);
  const auto network = make_network(many);
  const auto launches = [&](int64_t images) {
    std::vector<uint8_t> steps(static_cast<size_t>(images));
    ForwardOutputs out;
    out.decision_steps = steps.data();
    StepStats stats;
    const int64_t before = emulator::launches();
    expect_ok(network->forward({many.pixels.data(), nullptr, images}, Mode::kSnn, out, no_stop(), &stats), "forward");
    return emulator::launches() - before;
  };
  const int64_t few = launches(2), all = launches(9);
  expect(few == all, "launches for 2 images: " + std::to_string(few) + ", for 9: " + std::to_string(all));
}

// Measuring an operation waits for it: waiting for the step must still return the error of what failed, and nothing
// that follows may run on numbers that were not computed.
void profiled_failure() {
  std::unique_ptr<Backend> backend;
  expect_ok(make_cuda_backend(0, Precision::kFp32, &backend), "backend");
  Profile profile;
  backend->measure(&profile);
  auto* total = static_cast<int64_t*>(backend->allocate(sizeof(int64_t)));
  auto* times = static_cast<uint8_t*>(backend->allocate(1024));
  const auto counted = [&] {
    int64_t value = 0;
    backend->download(&value, total, sizeof value);
    return value;
  };
  // Counting wants a workspace, and setting bytes does not.
  emulator::set_memory(emulator::memory_in_use());
  backend->run(CountEventsTask{total, times, 1024});
  backend->run(ZeroTask{times, 1024});
  std::vector<uint8_t> ones(1024, 1);
  backend->upload(times, ones.data(), ones.size());
  backend->run(ZeroTask{times, 1024});
  (void)message_of(backend->finish(), Code::kOom);
  emulator::reset();
  expect_ok(backend->finish(), "the failure was told once");
  backend->run(CountEventsTask{total, times, 1024});
  expect_ok(backend->finish(), "with memory again");
  expect(counted() == 1024, "nothing was set after the failure: " + std::to_string(counted()));
  for (void* memory : {static_cast<void*>(total), static_cast<void*>(times)}) backend->release(memory);
}

void memory_comes_back() {
  const size_t before = emulator::memory_in_use();
  {
    const Case c = small_case(BackendKind::kCuda, 6);
    const auto network = make_network(c);
    StepStats stats;
    for (int i = 0; i < 3; ++i)
      expect_ok(network->train(c.batch(), Mode::kSnn, clipped_adam(), no_stop(), &stats), "train");
    expect_ok(network->train(c.batch(), Mode::kAnn, clipped_adam(), no_stop(), &stats), "train");
    expect(emulator::memory_in_use() > before, "memory is in use");
  }
  expect(emulator::memory_in_use() == before, "all of it came back");
}

// An upload larger than the staging memory, from an array that changes at once.
void large_uploads() {
  std::unique_ptr<Backend> backend;
  expect_ok(make_cuda_backend(0, Precision::kFp32, &backend), "backend");
  std::vector<uint32_t> values((23 << 20) / sizeof(uint32_t) + 5);
  for (size_t i = 0; i < values.size(); ++i) values[i] = uint32_t(i * 2654435761u);
  void* memory = backend->allocate(values.size() * sizeof(uint32_t));
  std::vector<uint32_t> sent = values, read(values.size());
  backend->upload(memory, sent.data(), sent.size() * sizeof(uint32_t));
  std::fill(sent.begin(), sent.end(), 0u);
  for (uint32_t i = 0; i < 3000; ++i) backend->upload(static_cast<uint32_t*>(memory) + i, &i, sizeof i), values[i] = i;
  backend->download(read.data(), memory, read.size() * sizeof(uint32_t));
  expect(read == values, "what was sent arrived");
  backend->release(memory);
}

}  // namespace

void add_backend_tests(Tests& tests) {
  tests.push_back({"CUDA backend: out of memory says what fits, and loses nothing", out_of_memory});
  tests.push_back({"CUDA backend: a device that fails stays failed, and alone", failing_device});
  tests.push_back({"CUDA backend: the host waits for a group as often as for a step", waits_of_a_group});
  tests.push_back({"CUDA backend: early exit launches as often for many images as for few", launches_of_early_exit});
  tests.push_back({"CUDA backend: a profile loses no failure", profiled_failure});
  tests.push_back({"CUDA backend: memory comes back", memory_comes_back});
  tests.push_back({"CUDA backend: uploads of any size", large_uploads});
}

}  // namespace onespike::test
