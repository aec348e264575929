// native_bench MODEL MODE [batch [timesteps [activity [threads [precision [steps]]]]]]: times whole steps of a network with
// random weights and prints milliseconds per image, layer and operation. MODEL vgg6, vgg9, vgg16; MODE train, infer,
// ann-train, ann-infer. A tool for work on the kernels, without Node; `onespike bench` is the one for users.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "core/network.h"
#include "ops/rng.h"

namespace {

using namespace onespike;

const std::map<std::string, std::vector<int>> kModels = {  // channels, 0 = average pool
    {"vgg6", {64, 0, 128, 128, 0}},
    {"vgg9", {64, 0, 128, 256, 0, 256, 512, 0, 512, 0, 512}},
    {"vgg16", {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512}},
};

NetworkSpec vgg(const std::vector<int>& channels) {
  NetworkSpec spec;
  spec.channels = 3, spec.height = spec.width = 32;
  spec.mean = {0.4914f, 0.4822f, 0.4465f}, spec.std = {0.2023f, 0.1994f, 0.2010f};
  for (int c : channels) {
    LayerSpec layer;
    if (c == 0) layer.type = LayerType::kAvgPool, layer.kernel = 2;
    else layer.out = c, layer.leak = 0.9f;
    spec.layers.push_back(layer);
  }
  for (int out : {4096, 4096, 10}) {
    LayerSpec layer;
    layer.type = LayerType::kLinear, layer.out = out, layer.leak = 0.9f, layer.output = out == 10;
    spec.layers.push_back(layer);
  }
  return spec;
}

void require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message.c_str());
  std::exit(1);
}

// Bisects each threshold, first layer first, until the share `activity` of its neurons fires.
void set_activity(Network& network, const std::vector<uint8_t>& pixels, double activity) {
  const std::atomic<bool> stop{false};
  const Batch sample{pixels.data(), nullptr, 8};
  StepStats stats;
  for (int layer = 0; layer + 1 < network.spiking_layers(); ++layer) {
    const std::string name = "layers." + std::to_string(network.layer_index(layer)) + ".threshold";
    int tensor = 0;
    while (network.tensors()[tensor].name != name) ++tensor;
    float low = 0.01f, high = 100;
    for (int i = 0; i < 16; ++i) {
      const float middle = std::sqrt(low * high);
      require(network.write(TensorKind::kParameter, tensor, &middle));
      require(network.forward(sample, Mode::kSnn, {}, stop, &stats));
      (stats.spikes[layer] / 8 / double(network.neurons(layer)) > activity ? low : high) = middle;
    }
  }
}

// Most memory that the process has held, in MB of 10^6 bytes; 0 where /proc is missing.
double peak_megabytes() {
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (!file) return 0;
  char line[256];
  long kibibytes = 0;
  while (std::fgets(line, sizeof line, file))
    if (std::sscanf(line, "VmHWM: %ld", &kibibytes) == 1) break;
  std::fclose(file);
  return double(kibibytes) * 1024 / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, const char* otherwise) { return argc > i ? argv[i] : otherwise; };
  const auto model = kModels.find(argument(1, ""));
  const std::string mode = argument(2, "train");
  if (model == kModels.end()) {
    std::fprintf(stderr, "Usage: native_bench vgg6|vgg9|vgg16 [train|infer|ann-train|ann-infer [batch [timesteps [activity [threads [fp32|mixed [steps]]]]]]]\n");
    return 2;
  }
  const int batch = std::atoi(argument(3, "64")), steps = std::atoi(argument(8, "3"));
  NetworkSpec spec = vgg(model->second);
  spec.timesteps = std::atoi(argument(4, "5"));
  spec.threads = std::atoi(argument(6, "1"));
  spec.precision = std::strcmp(argument(7, "fp32"), "mixed") == 0 ? Precision::kMixed : Precision::kFp32;
  spec.profile = true;
  std::unique_ptr<Network> network;
  require(Network::create(spec, &network));

  const Rng random = Rng::of(1);
  std::vector<uint8_t> pixels(size_t(std::max(batch, 8)) * 3072);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = uint8_t(random.bits(i));
  std::vector<int32_t> labels;
  for (int i = 0; i < batch; ++i) labels.push_back(i % 10);
  const Batch images{pixels.data(), labels.data(), batch};
  set_activity(*network, pixels, std::atof(argument(5, "0.12")));

  const std::atomic<bool> stop{false};
  OptimizerOptions sgd;
  sgd.learning_rate = sgd.neuron_learning_rate = 1e-6f;
  const Mode kind = mode.rfind("ann", 0) == 0 ? Mode::kAnn : Mode::kSnn;
  StepStats stats;
  const auto step = [&] {
    if (mode.find("infer") != std::string::npos) require(network->forward(images, kind, {}, stop, &stats));
    else require(network->train(images, kind, sgd, stop, &stats));
  };
  step();
  (void)network->take_profile();
  std::vector<double> seconds;
  for (int i = 0; i < steps; ++i) {
    const auto start = std::chrono::steady_clock::now();
    step();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(seconds.begin(), seconds.end());

  std::map<std::string, double> totals;
  double sum = 0;
  for (const ProfileEntry& e : network->take_profile()) {
    const double ms = e.milliseconds / steps / batch;
    std::printf("%3d %-22s %8.3f ms/image  %5.0f calls  %s %.3f\n", e.layer, e.operation.c_str(), ms, double(e.calls) / steps, e.choice.kernel, e.choice.density);
    totals[e.operation] += ms;
    sum += ms;
  }
  for (const auto& [operation, ms] : totals) std::printf("sum %-22s %8.3f ms/image\n", operation.c_str(), ms);
  std::printf("%s %s T=%d %s, %d threads: %.1f images/s (best %.1f), %.3f ms/image, measured inside operations %.3f\n", argv[1], mode.c_str(), spec.timesteps,
              argument(7, "fp32"), spec.threads, batch / seconds[seconds.size() / 2], batch / seconds[0], seconds[seconds.size() / 2] / batch * 1e3, sum);
  std::printf("memory: parameters and buffers %.1f MB, peak of the process %.1f MB\n", double(network->memory_bytes()) / 1e6, peak_megabytes());
  return 0;
}
