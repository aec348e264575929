// Early exit (docs/MATHEMATICS.md, "Anytime decision and early exit"): an image is decided at the first step at which
// an output neuron fires.
//
// A forward pass computes all steps of a layer at once, so it cannot stop in the middle. Instead the images of a chunk
// pass through the first s steps alone; those that are decided by then are done, the others begin again with all T.
// That pays when few begin again, which is learnt from the images before: s minimises the expected number of steps
// computed, and is T where nothing is gained. What is returned does not depend on s. On a backend with memory of its
// own s is always T: there an image that begins again would have to be copied.
#include <algorithm>

#include "core/passes/passes.h"

namespace onespike {
namespace {

// Decisions are remembered of about this many images.
constexpr double kMemory = 2048;

int steps_worth_trying(const std::vector<double>& decisions) {
  const int T = int(decisions.size()) - 1;
  double all = 0, decided = 0;
  for (double count : decisions) all += count;
  if (all == 0) return T;
  int best = T;
  // The first step has the analog input and what every pass costs: it counts twice.
  double least = T + 1;
  for (int s = 1; s < T; ++s) {
    decided += decisions[size_t(s - 1)];
    const double cost = s + 1 + (1 - decided / all) * (T + 1);
    if (cost < least) least = cost, best = s;
  }
  return best;
}

// Sets the steps of a pass for as long as it lives.
struct StepsOf {
  NetworkState& net;
  const int before = net.steps;
  StepsOf(NetworkState& state, int steps) : net(state) { net.steps = steps; }
  ~StepsOf() { net.steps = before; }
};

// Neighbouring images of a pass.
struct Run {
  int begin, end;
};

// Adds the spikes of the decided images. One call per layer and run, not per image: on a GPU a launch takes longer than
// an image, and there all images of a pass are decided, one run.
void count_spikes(NetworkState& net, const std::vector<Run>& decided) {
  for (const Run& run : decided)
    for (size_t layer = 0; layer + 1 < net.plan.stages.size(); ++layer) {
      const int64_t size = net.plan.stages[layer].out_size();
      net.backend->run(CountEventsTask{.total = net.spikes.data() + layer,
                                       .times = net.times(layer) + run.begin * size,
                                       .count = (run.end - run.begin) * size});
    }
}

// What n images from `first` on are compared with; none without labels.
std::vector<Target> targets_of(Backend& backend, const StagedBatch& batch, int64_t first, int n) {
  if (!batch.labels) return {};
  std::vector<int32_t> labels(static_cast<size_t>(n)), others(labels.size());
  std::vector<float> shares(labels.size(), 1.0f);
  backend.download(labels.data(), batch.labels + first, labels.size() * sizeof(int32_t));
  if (batch.others) {
    backend.download(others.data(), batch.others + first, others.size() * sizeof(int32_t));
    backend.download(shares.data(), batch.shares + first, shares.size() * sizeof(float));
  }
  std::vector<Target> targets;
  for (size_t i = 0; i < labels.size(); ++i)
    targets.push_back({labels[i], batch.others ? others[i] : labels[i], shares[i], 0, 1});
  return targets;
}

}  // namespace

Status snn_early_exit(NetworkState& net, const StagedBatch& batch, int64_t first, int n, const ForwardOutputs& out,
                      const Stop& stop, StepResult* sums) {
  const Plan& plan = net.plan;
  Backend& backend = *net.backend;
  const int T = plan.spec.timesteps, K = plan.classes();
  const int64_t pixels = plan.stages[0].src_size();
  const StageShape& s = plan.stages.back();
  ReadoutParams readout;
  readout.alpha = plan.spec.alpha, readout.beta = plan.spec.beta;
  float neuron[2];
  backend.download(neuron, net.parameters[plan.stages.size() - 1].neuron, sizeof neuron);
  readout.threshold = neuron[0], readout.leak = neuron[1];
  std::vector<float> theta(plan.spec.schedules ? size_t(T) : 0);
  if (!theta.empty()) {
    backend.download(theta.data(), net.neuron(plan.stages.size() - 1).theta, theta.size() * sizeof(float));
    readout.theta = theta.data();
  }
  const std::vector<Target> targets = targets_of(backend, batch, first, n);
  const auto remember = [&](int step) {
    net.decisions[size_t(step - 1)] += 1;
    double all = 0;
    for (double count : net.decisions) all += count;
    if (all > kMemory)
      for (double& count : net.decisions) count /= 2;
  };
  std::vector<uint8_t> left;                        // pixels of the images that begin again
  std::vector<int> images(static_cast<size_t>(n));  // positions in the chunk, of the images of a pass
  for (int i = 0; i < n; ++i) images[size_t(i)] = i;
  std::vector<float> host, logits(static_cast<size_t>(K));
  // A random encoder draws by position in the chunk, so its images stay together.
  const bool together = plan.encoder().random() || !backend.host_memory();
  for (int steps = together ? T : steps_worth_trying(net.decisions);; steps = T) {
    const int count = int(images.size());
    const StepsOf pass(net, steps);
    const uint8_t* from = left.empty() ? batch.pixels + first * pixels : left.data();
    if (Status status = snn_forward(net, from, count, first, false, plan.stages.size(), stop); !status.ok())
      return status;
    host.resize(size_t(count * steps * s.out_size()));
    backend.download(host.data(), net.stages.back().potential.data(), host.size() * sizeof(float));
    std::vector<int> again;
    std::vector<Run> decided;
    std::vector<uint8_t> pixels_again;
    for (int i = 0; i < count; ++i) {
      const float* u = host.data() + i * steps * s.out_size();
      const int chunk_image = images[size_t(i)];
      readout.timesteps = steps;
      int step = steps + 1;
      for (int k = 0; k < K; ++k) step = std::min(step, readout_time(u + k, s.out_cs, readout));
      if (step > steps && steps < T) {
        again.push_back(chunk_image);
        const uint8_t* image = batch.pixels + (first + chunk_image) * pixels;
        pixels_again.insert(pixels_again.end(), image, image + pixels);
        continue;
      }
      remember(step);
      if (decided.empty() || decided.back().end != i) decided.push_back({i, i});
      ++decided.back().end;
      const int decision = std::min(step, T);
      readout.timesteps = decision;
      for (int k = 0; k < K; ++k)
        logits[size_t(k)] = readout_logit(u + k, s.out_cs, readout_time(u + k, s.out_cs, readout), readout);
      const int64_t image = first + chunk_image;
      out.decision_steps[image] = uint8_t(decision);
      if (out.logits) std::copy(logits.begin(), logits.end(), out.logits + image * K);
      if (targets.empty()) continue;
      const Target& target = targets[size_t(chunk_image)];
      sums->loss += cross_entropy(logits.data(), K, target, nullptr) / double(batch.count);
      sums->correct += argmax(logits.data(), K) == target.label;
    }
    count_spikes(net, decided);
    if (again.empty()) return Status::success();
    images = std::move(again);
    left = std::move(pixels_again);
  }
}

}  // namespace onespike
