// native_bench MODEL MODE [batch [timesteps [activity [threads [precision [steps]]]]]] [options]: times whole steps of
// a network with random weights and prints milliseconds per image, layer and operation. MODEL vgg6, vgg9, vgg16; MODE
// train, infer, ann-train, ann-infer. Options: --surrogate NAME, --backend cpu|cuda, --device N, --warmup N, --layers
// (on a GPU every operation is then waited for, so the whole is slower), --json (one object). A tool for work on the
// kernels, without Node; `onespike bench` is the one for users.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>

#include "backends.h"
#include "core/backend/backend.h"
#include "core/network.h"
#include "ops/rng.h"

namespace {

using namespace onespike;

const std::map<std::string, std::vector<int>> kModels = {
    // channels, 0 = average pool
    {"vgg6", {64, 0, 128, 128, 0}},
    {"vgg9", {64, 0, 128, 256, 0, 256, 512, 0, 512, 0, 512}},
    {"vgg16", {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512}},
};

const std::map<std::string, Surrogate> kSurrogates = {
    {"triangle", Surrogate::kTriangle},        {"exponential", Surrogate::kExponential},
    {"rectangular", Surrogate::kRectangular},  {"arctan", Surrogate::kArctan},
    {"fast-sigmoid", Surrogate::kFastSigmoid},
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

struct Options {
  std::string model, mode = "train", precision = "fp32";
  int batch = 64, timesteps = 5, threads = 1, steps = 3, warmup = 1, device = 0;
  double activity = 0.12;
  Surrogate surrogate = Surrogate::kTriangle;
  bool cuda = false, layers = false, json = false;

  bool training() const { return mode.find("infer") == std::string::npos; }
};

// False if the arguments make no sense.
bool read_options(int argc, char** argv, Options* o) {
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (word == "--backend") {
      const std::string name = value();
      if (name != "cpu" && name != "cuda") return false;
      o->cuda = name == "cuda";
    } else if (word == "--surrogate") {
      const auto named = kSurrogates.find(value());
      if (named == kSurrogates.end()) return false;
      o->surrogate = named->second;
    } else if (word == "--device") o->device = std::atoi(value());
    else if (word == "--warmup") o->warmup = std::atoi(value());
    else if (word == "--layers") o->layers = true;
    else if (word == "--json") o->json = true;
    else if (word.rfind("--", 0) == 0) return false;
    else words.push_back(word);
  }
  const auto word = [&](size_t i, const std::string& otherwise) { return words.size() > i ? words[i] : otherwise; };
  const auto number = [&](size_t i, int otherwise) {
    return words.size() > i ? std::atoi(words[i].c_str()) : otherwise;
  };
  o->model = word(0, "");
  o->mode = word(1, o->mode);
  o->batch = number(2, o->batch);
  o->timesteps = number(3, o->timesteps);
  o->activity = std::atof(word(4, "0.12").c_str());
  o->threads = number(5, o->threads);
  o->precision = word(6, o->precision);
  o->steps = number(7, o->steps);
  const bool known_mode = o->mode == "train" || o->mode == "infer" || o->mode == "ann-train" || o->mode == "ann-infer";
  return kModels.count(o->model) && known_mode && o->batch > 0 && o->steps > 0 && o->warmup >= 0 && words.size() <= 8 &&
         (o->precision == "fp32" || o->precision == "mixed");
}

void print_profile(Network& network, const Options& o, int steps) {
  std::map<std::string, double> totals;
  double sum = 0;
  for (const ProfileEntry& e : network.take_profile()) {
    const double ms = e.milliseconds / steps / o.batch;
    std::printf("%3d %-22s %8.3f ms/image  %5.0f calls  %s %.3f\n", e.layer, e.operation.c_str(), ms,
                double(e.calls) / steps, e.choice.kernel, e.choice.density);
    totals[e.operation] += ms;
    sum += ms;
  }
  for (const auto& [operation, ms] : totals) std::printf("sum %-22s %8.3f ms/image\n", operation.c_str(), ms);
  std::printf("measured inside operations %.3f ms/image\n", sum);
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
  Options o;
  if (!read_options(argc, argv, &o)) {
    std::fprintf(
        stderr,
        "Usage: native_bench vgg6|vgg9|vgg16 [train|infer|ann-train|ann-infer [batch [timesteps [activity [threads "
        "[fp32|mixed [steps]]]]]]]\n"
        "                    [--surrogate NAME] [--backend cpu|cuda] [--device N] [--warmup N] [--layers] [--json]\n");
    return 2;
  }
  NetworkSpec spec = vgg(kModels.at(o.model));
  spec.timesteps = o.timesteps;
  spec.surrogate = o.surrogate;
  spec.profile = o.layers || (!o.cuda && !o.json);
  const BackendSpec on{.kind = o.cuda ? BackendKind::kCuda : BackendKind::kCpu,
                       .device = o.device,
                       .threads = o.threads,
                       .precision = o.precision == "mixed" ? Precision::kMixed : Precision::kFp32};
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Network> network;
  require(make_backend(on, &backend));
  require(Network::create(spec, std::move(backend), &network));

  const Rng random = Rng::of(1);
  const auto data = std::make_shared<Dataset>();
  data->channels = 3, data->height = data->width = 32, data->count = std::max(o.batch, 8);
  data->pixels.resize(size_t(data->count) * 3072);
  for (size_t i = 0; i < data->pixels.size(); ++i) data->pixels[i] = uint8_t(random.bits(i));
  for (int i = 0; i < data->count; ++i) data->labels.push_back(i % 10);
  set_activity(*network, data->pixels, o.activity);

  // As in training: a backend that keeps the images gets their numbers.
  Rows rows{data, {}, {}};
  for (int i = 0; i < o.batch; ++i) rows.indices.push_back(uint32_t(i));
  Batch images{data->pixels.data(), data->labels.data(), o.batch};
  if (network->draws(*data)) images = {nullptr, nullptr, o.batch, &rows};

  const std::atomic<bool> stop{false};
  OptimizerOptions sgd;
  sgd.learning_rate = sgd.neuron_learning_rate = 1e-6f;
  const Mode kind = o.mode.rfind("ann", 0) == 0 ? Mode::kAnn : Mode::kSnn;
  // As in training again: so many steps before anybody waits.
  const int at_once = o.training() ? network->steps_at_once() : 1;
  const StepGroup group{size_t(at_once), o.batch,
                        [&](size_t, Batch* batch) { return *batch = images, Status::success(); },
                        std::vector<OptimizerOptions>(size_t(at_once), sgd)};
  std::vector<StepStats> made(1);
  const auto call = [&] {
    if (o.training()) require(network->train(group, kind, stop, &made));
    else require(network->forward(images, kind, {}, stop, &made[0]));
  };
  for (int i = 0; i < o.warmup; i += at_once) call();
  (void)network->take_profile();
  std::vector<double> seconds;  // of a step, by call
  for (int i = 0; i < o.steps; i += at_once) {
    const auto start = std::chrono::steady_clock::now();
    call();
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / at_once);
  }
  const StepStats& stats = made.back();
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];

  std::string processor = cpu_target_name(), why;
  if (o.cuda) processor = cuda_devices(o.device, &why)[size_t(o.device)].name;
  if (o.json) {
    std::string activity;
    for (int i = 0; i + 1 < network->spiking_layers(); ++i)
      activity += (i ? ", " : "") + std::to_string(stats.spikes[i] / o.batch / double(network->neurons(i)));
    std::printf(
        "{\"model\": \"%s\", \"mode\": \"%s\", \"batch\": %d, \"timesteps\": %d, \"backend\": \"%s\", \"device\": %d, "
        "\"processor\": \"%s\", \"precision\": \"%s\", "
        "\"threads\": %d, \"imagesPerSecond\": %.2f, \"best\": %.2f, \"milliseconds\": %.5f, \"networkBytes\": %lld, "
        "\"spikesPerNeuron\": [%s]}\n",
        o.model.c_str(), o.mode.c_str(), o.batch, o.timesteps, o.cuda ? "cuda" : "cpu", o.device, processor.c_str(),
        o.precision.c_str(), o.threads, o.batch / median, o.batch / seconds[0], median * 1e3,
        static_cast<long long>(network->memory_bytes()), activity.c_str());
    return 0;
  }
  if (spec.profile) print_profile(*network, o, int(seconds.size()) * at_once);
  std::printf(
      "%s %s T=%d %s on %s, %d threads: %.1f images/s (best %.1f), %.3f ms/image, %.1f MB, peak of the process %.1f "
      "MB\n",
      o.model.c_str(), o.mode.c_str(), o.timesteps, o.precision.c_str(), processor.c_str(), o.threads, o.batch / median,
      o.batch / seconds[0], median / o.batch * 1e3, double(network->memory_bytes()) / 1e6, peak_megabytes());
  return 0;
}
