// native_bench MODEL MODE [batch [timesteps [activity [threads [precision [steps]]]]]] [options]: times whole steps of
// a network with random weights and prints milliseconds per image, layer and operation. MODEL vgg6, vgg9, vgg16, or
// tiny (for trying the program itself); MODE train, infer, ann-train, ann-infer. Options: --surrogate NAME, --backend
// cpu|cuda, --device N, --warmup N, --layers (on a GPU every operation is then waited for, so the whole is slower),
// --batches N,N,... (one after the other, exit code 3 at the first that does not fit), --json (a line for each),
// --profile (a profiler that was started with `ncu --profile-from-start off` sees the timed steps alone). A tool for
// work on the kernels, without Node; `onespike bench` is the one for users.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>

#include "backends.h"
#include "core/backend/backend.h"
#include "core/network.h"
#include "ops/rng.h"

namespace {

using namespace onespike;

struct Model {
  int side, hidden;
  std::vector<int> channels;  // 0 = average pool
};
const std::map<std::string, Model> kModels = {
    {"tiny", {8, 32, {16, 0, 16}}},
    {"vgg6", {32, 4096, {64, 0, 128, 128, 0}}},
    {"vgg9", {32, 4096, {64, 0, 128, 256, 0, 256, 512, 0, 512, 0, 512}}},
    {"vgg16", {32, 4096, {64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512}}},
};

const std::map<std::string, Surrogate> kSurrogates = {
    {"triangle", Surrogate::kTriangle},        {"exponential", Surrogate::kExponential},
    {"rectangular", Surrogate::kRectangular},  {"arctan", Surrogate::kArctan},
    {"fast-sigmoid", Surrogate::kFastSigmoid},
};

NetworkSpec vgg(const Model& model) {
  NetworkSpec spec;
  spec.channels = 3, spec.height = spec.width = model.side;
  spec.mean = {0.4914f, 0.4822f, 0.4465f}, spec.std = {0.2023f, 0.1994f, 0.2010f};
  for (int c : model.channels) {
    LayerSpec layer;
    if (c == 0) layer.type = LayerType::kAvgPool, layer.kernel = 2;
    else layer.out = c, layer.leak = 0.9f;
    spec.layers.push_back(layer);
  }
  for (int out : {model.hidden, model.hidden, 10}) {
    LayerSpec layer;
    layer.type = LayerType::kLinear, layer.out = out, layer.leak = 0.9f, layer.output = out == 10;
    spec.layers.push_back(layer);
  }
  return spec;
}

void require(const Status& status) {
  if (!status.ok()) throw std::runtime_error(status.message);
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
  std::vector<int> batches = {64};
  int timesteps = 5, threads = 1, steps = 3, warmup = 1, device = 0;
  double activity = 0.12;
  Surrogate surrogate = Surrogate::kTriangle;
  bool cuda = false, layers = false, json = false, profile = false;

  bool training() const { return mode.find("infer") == std::string::npos; }
};

// "64,128" -> 64, 128; what is no number is 0.
std::vector<int> numbers(const std::string& list) {
  std::vector<int> all;
  for (size_t at = 0; at <= list.size();
       at = list.find(',', at) == std::string::npos ? list.size() + 1 : list.find(',', at) + 1)
    all.push_back(std::atoi(list.c_str() + at));
  return all;
}

// False if the arguments make no sense.
bool read_options(int argc, char** argv, Options* o) {
  std::vector<std::string> words;
  std::string list;
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
    else if (word == "--batches") list = value();
    else if (word == "--layers") o->layers = true;
    else if (word == "--json") o->json = true;
    else if (word == "--profile") o->profile = true;
    else if (word.rfind("--", 0) == 0) return false;
    else words.push_back(word);
  }
  const auto word = [&](size_t i, const std::string& otherwise) { return words.size() > i ? words[i] : otherwise; };
  const auto number = [&](size_t i, int otherwise) {
    return words.size() > i ? std::atoi(words[i].c_str()) : otherwise;
  };
  o->model = word(0, "");
  o->mode = word(1, o->mode);
  o->batches = {number(2, o->batches[0])};
  if (!list.empty()) o->batches = numbers(list);
  o->timesteps = number(3, o->timesteps);
  o->activity = std::atof(word(4, "0.12").c_str());
  o->threads = number(5, o->threads);
  o->precision = word(6, o->precision);
  o->steps = number(7, o->steps);
  const bool known_mode = o->mode == "train" || o->mode == "infer" || o->mode == "ann-train" || o->mode == "ann-infer";
  return kModels.count(o->model) && known_mode && *std::min_element(o->batches.begin(), o->batches.end()) > 0 &&
         o->steps > 0 && o->warmup >= 0 && words.size() <= 8 && (o->precision == "fp32" || o->precision == "mixed");
}

void print_profile(Network& network, int batch, int steps) {
  std::map<std::string, double> totals;
  double sum = 0;
  for (const ProfileEntry& e : network.take_profile()) {
    const double ms = e.milliseconds / steps / batch;
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

std::shared_ptr<Dataset> random_images(const NetworkSpec& spec, int count) {
  const Rng random = Rng::of(1);
  auto data = std::make_shared<Dataset>();
  data->channels = spec.channels, data->height = spec.height, data->width = spec.width, data->count = count;
  data->pixels.resize(size_t(count) * size_t(spec.channels * spec.height * spec.width));
  for (size_t i = 0; i < data->pixels.size(); ++i) data->pixels[i] = uint8_t(random.bits(i));
  for (int i = 0; i < count; ++i) data->labels.push_back(i % 10);
  return data;
}

// What a profiler of the GPU is shown, where there is one.
class ProfiledRange {
 public:
  explicit ProfiledRange(bool shown) : shown_(shown) {
    if (shown_) show_cuda_profiler(true);
  }
  ~ProfiledRange() {
    if (shown_) show_cuda_profiler(false);
  }

 private:
  const bool shown_;
};

struct Timed {
  std::vector<double> seconds;  // of a step, by call, ascending
  int steps = 0;
  StepStats stats;  // of the last
  double median() const { return seconds[seconds.size() / 2]; }
};

// Steps of one batch, after some for warming up.
Status time_steps(Network& network, const std::shared_ptr<const Dataset>& data, int batch, const Options& o,
                  Timed* timed) {
  // As in training: a backend that keeps the images gets their numbers.
  Rows rows{data, {}, {}};
  for (int i = 0; i < batch; ++i) rows.indices.push_back(uint32_t(i));
  Batch images{data->pixels.data(), data->labels.data(), batch};
  if (network.draws(*data)) images = {nullptr, nullptr, batch, &rows};

  const std::atomic<bool> stop{false};
  OptimizerOptions sgd;
  sgd.learning_rate = sgd.neuron_learning_rate = 1e-6f;
  const Mode kind = o.mode.rfind("ann", 0) == 0 ? Mode::kAnn : Mode::kSnn;
  // As in training again: so many steps before anybody waits.
  const int at_once = o.training() ? network.steps_at_once() : 1;
  const StepGroup group{size_t(at_once), batch, [&](size_t, Batch* to) { return *to = images, Status::success(); },
                        std::vector<OptimizerOptions>(size_t(at_once), sgd)};
  std::vector<StepStats> made(1);
  const auto call = [&] {
    return o.training() ? network.train(group, kind, stop, &made) : network.forward(images, kind, {}, stop, &made[0]);
  };
  for (int i = 0; i < o.warmup; i += at_once)
    if (Status status = call(); !status.ok()) return status;
  (void)network.take_profile();
  const ProfiledRange range(o.profile);
  for (int i = 0; i < o.steps; i += at_once, timed->steps += at_once) {
    const auto start = std::chrono::steady_clock::now();
    if (Status status = call(); !status.ok()) return status;
    timed->seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / at_once);
  }
  std::sort(timed->seconds.begin(), timed->seconds.end());
  timed->stats = made.back();
  return Status::success();
}

void print_json(const Network& network, const Options& o, int batch, const Timed& timed, const std::string& processor) {
  std::string activity;
  for (int i = 0; i + 1 < network.spiking_layers(); ++i)
    activity += (i ? ", " : "") + std::to_string(timed.stats.spikes[i] / batch / double(network.neurons(i)));
  const Recorded recorded = network.recorded();
  std::printf(
      "{\"model\": \"%s\", \"mode\": \"%s\", \"batch\": %d, \"timesteps\": %d, \"backend\": \"%s\", \"device\": %d, "
      "\"processor\": \"%s\", \"precision\": \"%s\", \"threads\": %d, \"imagesPerSecond\": %.2f, \"best\": %.2f, "
      "\"milliseconds\": %.5f, \"networkBytes\": %lld, \"recorded\": %s, \"spikesPerNeuron\": [%s]}\n",
      o.model.c_str(), o.mode.c_str(), batch, o.timesteps, o.cuda ? "cuda" : "cpu", o.device, processor.c_str(),
      o.precision.c_str(), o.threads, batch / timed.median(), batch / timed.seconds[0], timed.median() * 1e3,
      static_cast<long long>(network.memory_bytes()), recorded.recorded ? "true" : "false", activity.c_str());
  std::fflush(stdout);  // who reads it may not see the end of this program
}

int run(int argc, char** argv) {
  Options o;
  if (!read_options(argc, argv, &o)) {
    std::fprintf(
        stderr,
        "Usage: native_bench tiny|vgg6|vgg9|vgg16 [train|infer|ann-train|ann-infer [batch [timesteps [activity "
        "[threads "
        "[fp32|mixed [steps]]]]]]]\n"
        "                    [--surrogate NAME] [--backend cpu|cuda] [--device N] [--warmup N] [--batches N,N,...] "
        "[--layers] [--json] [--profile]\n");
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
  const auto data = random_images(spec, std::max(8, *std::max_element(o.batches.begin(), o.batches.end())));
  set_activity(*network, data->pixels, o.activity);

  std::string processor = cpu_target_name(), why;
  if (o.cuda) processor = cuda_devices(o.device, &why)[size_t(o.device)].name;
  for (const int batch : o.batches) {
    Timed timed;
    if (const Status status = time_steps(*network, data, batch, o, &timed); !status.ok()) {
      std::fprintf(stderr, "batch %d: %s\n", batch, status.message.c_str());
      return status.code == Code::kOom ? 3 : 1;
    }
    if (o.json) {
      print_json(*network, o, batch, timed, processor);
      continue;
    }
    if (spec.profile) print_profile(*network, batch, timed.steps);
    std::printf(
        "%s %s T=%d %s on %s, %d threads: %.1f images/s (best %.1f), %.3f ms/image, %.1f MB, peak of the process %.1f "
        "MB\n",
        o.model.c_str(), o.mode.c_str(), o.timesteps, o.precision.c_str(), processor.c_str(), o.threads,
        batch / timed.median(), batch / timed.seconds[0], timed.median() / batch * 1e3,
        double(network->memory_bytes()) / 1e6, peak_megabytes());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
