// gradient_bench [fp32|mixed [T...]]: times the input gradient of single convolutions both ways, along the gradient
// events and as a dense product, from the same random a(t). Columns: layer, T, density (pairs (neuron, step) within the
// events' ranges), events per neuron, milliseconds per image of either, and their ratio. The thresholds of
// cpu/events/gradient_choice.cc are read off this.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "core/backend/backend.h"
#include "cpu/backend/create.h"
#include "ops/rng.h"

namespace {

using namespace onespike;

struct Layer {
  int side, channels, out, kernel, stride;
  StageShape shape() const {
    StageShape s;
    s.src_h = s.src_w = s.in_h = s.in_w = side;
    s.src_c = s.src_cs = channels, s.out_c = s.out_cs = out;
    s.kernel_h = s.kernel_w = kernel, s.stride = stride, s.pad = kernel / 2;
    s.out_h = s.out_w = (side + 2 * s.pad - kernel) / stride + 1;
    return s;
  }
};

constexpr Layer kLayers[] = {{32, 16, 16, 3, 1},   {32, 32, 32, 3, 1},  {32, 64, 64, 3, 1},   {16, 64, 128, 3, 1},
                             {16, 128, 128, 3, 1}, {8, 256, 256, 3, 1}, {4, 512, 512, 3, 1},  {2, 512, 512, 3, 1},
                             {16, 96, 48, 3, 1},   {16, 64, 64, 5, 1},  {16, 128, 128, 3, 2}, {16, 128, 256, 1, 1}};

// How a(t) is spread over the steps of a neuron: each pair for itself, or all steps up to a random one.
enum class Pattern { kScattered, kRuns };

class Bench {
 public:
  Bench(const Layer& layer, int timesteps, Precision precision)
      : s_(layer.shape()),
        T_(timesteps),
        events_(make_cpu_backend({.precision = precision, .gradient = GradientKernel::kEvents})),
        dense_(make_cpu_backend({.precision = precision, .gradient = GradientKernel::kDense})) {
    for (Backend* backend : {events_.get(), dense_.get()}) backend->measure(&profile_);
    n_ = int(std::clamp<int64_t>((8 << 20) / (T_ * (s_.src_size() + s_.out_size()) * int64_t(sizeof(float))), 1, 64));
    a_ = hold<float>(n_ * T_ * s_.out_size()), below_ = hold<float>(n_ * T_ * s_.src_size()),
    g_ = hold<float>(n_ * T_ * s_.grad_step());
    weight_ = hold<float>(s_.weights()), neuron_ = hold<float>(2), times_ = hold<uint8_t>(n_ * s_.src_size());
    backward_ = hold<uint8_t>(int64_t(events_->backward_bytes(false, s_)));
    neuron_[0] = 1, neuron_[1] = 0.9f;
    for (int64_t i = 0; i < s_.weights(); ++i) weight_[i] = uniform() - 0.5f;
    events_->run(PackBackwardTask{.to = backward_, .weight = weight_, .shape = s_});
  }
  ~Bench() {
    for (void* memory : held_) events_->release(memory);
  }

  void draw(Pattern pattern, double share) {
    for (int64_t image = 0; image < n_; ++image)
      for (int64_t i = 0; i < s_.out_size(); ++i) {
        // The mean length of a run is `share` of all steps.
        const int length = int(double(T_) * share + uniform());
        for (int t = 0; t < T_; ++t)
          a_[(image * T_ + t) * s_.out_size() + i] =
              (pattern == Pattern::kRuns ? t < length : uniform() < share) ? uniform() + 0.1f : 0;
      }
  }

  void compare() {
    std::vector<double> events, dense;
    KernelChoice choice;
    for (int round = 0; round < 5; ++round) {
      events.push_back(time(*events_, &choice));
      dense.push_back(time(*dense_, &choice));
    }
    const double e = *std::min_element(events.begin(), events.end()), d = *std::min_element(dense.begin(), dense.end());
    std::printf("%dx%dx%d->%d/%d/%d T %d density %.3f events %.4f dense %.4f ratio %.3f\n", s_.in_h, s_.in_w, s_.src_cs,
                s_.out_cs, s_.kernel_h, s_.stride, T_, choice.density, e, d, e / d);
    std::fflush(stdout);
  }

 private:
  template <class T>
  T* hold(int64_t count) {
    held_.push_back(events_->allocate(size_t(std::max<int64_t>(count, 1)) * sizeof(T)));
    return static_cast<T*>(held_.back());
  }
  float uniform() { return random_.uniform(drawn_++); }

  // Milliseconds of an image, without the gradient events that either way needs: the profile has them apart.
  double time(Backend& backend, KernelChoice* choice) {
    const NeuronParams p{T_, neuron_, true, {}};
    float d_neuron[2] = {};
    profile_.take();
    *choice = backend.run(SpikingBackwardTask{
        .gradient = g_,
        .below = {.a = below_, .d_neuron = d_neuron, .potential = below_, .times = times_, .neuron = p},
        .a = a_,
        .weight = weight_,
        .weight_backward = backward_,
        .neuron = p,
        .n = n_,
        .shape = s_});
    return profile_.take().front().milliseconds / n_;
  }

  StageShape s_;
  int T_, n_ = 1;
  Profile profile_;
  std::unique_ptr<Backend> events_, dense_;
  std::vector<void*> held_;
  float *a_, *below_, *g_, *weight_, *neuron_;
  uint8_t *times_, *backward_;
  Rng random_ = Rng::of(1);
  uint64_t drawn_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const bool mixed = argc > 1 && std::strcmp(argv[1], "mixed") == 0;
  std::vector<int> steps;
  for (int i = 2; i < argc; ++i) steps.push_back(std::atoi(argv[i]));
  if (steps.empty()) steps = {1, 2, 3, 4, 5, 6};
  for (const Layer& layer : kLayers)
    for (int T : steps) {
      Bench bench(layer, T, mixed ? Precision::kMixed : Precision::kFp32);
      for (Pattern pattern : {Pattern::kScattered, Pattern::kRuns})
        for (double share : {0.25, 0.5, 0.75, 1.0}) {
          if (pattern == Pattern::kRuns && (share == 1.0 || T == 1)) continue;
          bench.draw(pattern, share);
          bench.compare();
        }
    }
  return 0;
}
