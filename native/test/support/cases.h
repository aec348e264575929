// Random networks with their data, and the bridge between the oracle's parameters and a Network's tensors.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends.h"
#include "core/backend/backend.h"
#include "core/network.h"
#include "ops/shape.h"
#include "test/support/oracle.h"

namespace onespike::test {

// Repeatable on every platform, unlike the distributions of <random>.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  int between(int low, int high) { return low + int(engine_() % uint64_t(high - low + 1)); }  // both included
  double uniform() { return double(engine_() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal();
  bool chance(double probability) { return uniform() < probability; }
  template <class T>
  T pick(std::initializer_list<T> choices) {
    return choices.begin()[between(0, int(choices.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

// A network and where it computes: on the subject, unless a test says otherwise.
struct CaseSpec : NetworkSpec {
  BackendSpec on;
};

LayerSpec conv(int out, int kernel = 3, int stride = 1, int padding = 1, bool bias = false, double leak = 0.9);
LayerSpec current_pool(LayerSpec layer, int side);  // the same convolution, its currents averaged before the neuron
LayerSpec pool(int kernel = 2);
LayerSpec linear(int out, bool bias = false, double leak = 0.9);
LayerSpec output(int classes, bool bias = false, double leak = 0.9);
CaseSpec network_spec(int channels, int height, int width, int timesteps, std::vector<LayerSpec> layers);

// An odd network: any kernel, stride, padding, pools anywhere before the first linear layer, any encoder but `rate`,
// any surrogate, small enough for the oracle.
CaseSpec random_spec(Random& random);
std::string describe(const NetworkSpec& spec, int64_t images);

// One stage alone, for kernels called without a network. Of a linear one kernel, stride and pad do not matter.
StageShape shape_of(int height, int width, int channels, int out, int kernel, int stride, int pad, int pool,
                    bool linear);

// A network with parameters that float32 holds exactly, thresholds at which a share of the neurons fires, and a batch.
struct Case {
  CaseSpec spec;
  oracle::Parameters parameters;
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
  std::vector<int32_t> others = {};  // of mixed images
  std::vector<float> shares = {};
  std::vector<float> teacher = {};  // logits (N, K), or empty
  Batch batch() const {
    const bool mixed = !others.empty();
    return {pixels.data(),
            labels.data(),
            int64_t(labels.size()),
            nullptr,
            mixed ? others.data() : nullptr,
            mixed ? shares.data() : nullptr,
            teacher.empty() ? nullptr : teacher.data()};
  }
  std::string text() const {
    return describe(spec, int64_t(labels.size())) + " threads " + std::to_string(spec.on.threads);
  }
};
Case make_case(const CaseSpec& spec, int images, Random& random);

// Draws parameters and batch again, and changes them if wanted, until no decision of the oracle is nearer to a tie than
// `margin`.
Case decided_case(const CaseSpec& spec, int images, Mode mode, Random& random, double margin = 1e-5,
                  const oracle::Options& options = {}, const std::function<void(Case&)>& change = {});

Status create_network(const CaseSpec& spec, std::unique_ptr<Network>* network);
// A Network of the case's specification holding the case's parameters. Throws what failed.
std::unique_ptr<Network> make_network(const Case& c);
std::unique_ptr<Network> make_network(const Case& c, std::unique_ptr<Backend> backend);
void write_parameters(Network& network, oracle::Parameters& parameters);
// Any kind of tensor in the oracle's shape.
oracle::Parameters read_parameters(const Network& network, TensorKind kind);
std::vector<float> read_bits(const Network& network, TensorKind kind);  // all tensors of a kind, one after the other

void expect_ok(const Status& status, const std::string& what);

// Relative distance of two tensors, ||a - b|| / max(||b||, tiny).
double distance(const double* a, const double* b, int64_t size, double tiny);
// Fails unless every tensor is within `tolerance` of the reference.
void expect_tensors(const Network& network, oracle::Parameters value, oracle::Parameters reference, double tolerance,
                    double tiny, const std::string& what);
// The gradients of `batch` against the oracle's: 1e-4 of a tensor's norm, and for thresholds and leaks, where large
// terms cancel, 1e-5 of the sum of their magnitudes besides.
void expect_gradient(const Network& network, const Case& c, Mode mode, const oracle::Forward& trace,
                     const oracle::Options& options = {});
// Runs the gradient pass of `network` on the batch: its loss within 1e-4 of the oracle's, its gradients as
// expect_gradient holds them. Returns what the pass reports.
StepStats expect_step(Network& network, const Case& c, Mode mode, const oracle::Forward& trace,
                      const oracle::Options& options = {}, const LossOptions& loss = {});

// `run` with an instruction set of cpu_targets() as the best one; afterwards all of them are allowed again.
std::function<void()> on_cpu_target(size_t target, std::function<void()> run);

// Never raised: for calls that nobody aborts.
const std::atomic<bool>& no_stop();

// ---- several networks in one process, on several threads

// Runs each on a thread of its own, and throws what one of them threw.
void on_threads(const std::vector<std::function<void()>>& bodies);

// A small network in mixed precision. On a GPU the products of its inner stage take more shared memory than a kernel
// has without asking, and how much depends on `side` and `kernel`.
Case mixed_case(int side, int kernel, BackendKind backend, int device = 0);

// Its parameters after some steps of training: on a GPU the first ones are made call by call, the others replayed.
std::vector<float> trained(Network& network, const Case& c);

// Fails unless two networks that train at the same time have the parameters of each trained alone.
void two_networks_at_once(BackendKind backend);

}  // namespace onespike::test
