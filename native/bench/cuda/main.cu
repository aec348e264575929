// cuda_bench --layers|--crossing [--json] [--batch N] [--timesteps T] [--activity A] [--device N] [--small], on the
// layers of VGG-16 for images of 32 x 32. `--layers` times every tensor-core product against the peak of the tensor
// cores and the bandwidth of the memory, both measured here. `--crossing` times the kernels that follow events and
// their dense twins at several activities, whichever would be chosen, so that the constants of cuda/choice/crossing.h
// can be corrected. `--json` prints a line for each, as it comes. `--small` is a few tiny layers, once each, for a look
// at the program itself.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "bench/cuda/device.h"
#include "bench/cuda/layers.h"
#include "cuda/device/devices.h"
#include "cuda/tensor/tensor_core.h"

namespace {

using namespace onespike;

struct Options {
  bool layers = false, crossing = false, json = false, small = false;
  int batch = 256, timesteps = 5, device = 0;
  double activity = 0.12;
};

bool read_options(int argc, char** argv, Options* o) {
  for (int i = 1; i < argc; ++i) {
    const char* word = argv[i];
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    if (!std::strcmp(word, "--layers")) o->layers = true;
    else if (!std::strcmp(word, "--crossing")) o->crossing = true;
    else if (!std::strcmp(word, "--json")) o->json = true;
    else if (!std::strcmp(word, "--small")) o->small = true;
    else if (!std::strcmp(word, "--batch")) o->batch = std::atoi(value), ++i;
    else if (!std::strcmp(word, "--timesteps")) o->timesteps = std::atoi(value), ++i;
    else if (!std::strcmp(word, "--activity")) o->activity = std::atof(value), ++i;
    else if (!std::strcmp(word, "--device")) o->device = std::atoi(value), ++i;
    else return false;
  }
  return o->layers != o->crossing && o->batch > 0 && o->timesteps > 0 && o->activity > 0 && o->activity <= 1;
}

StageShape stage(int side, int pool, int channels, int out, bool linear) {
  StageShape s;
  s.linear = linear, s.pool = pool, s.pad = linear ? 0 : 1;
  s.src_h = s.src_w = side * pool, s.in_h = s.in_w = side;
  s.src_c = channels, s.src_cs = round_up(channels, kLane);
  s.kernel_h = s.kernel_w = linear ? side : 3;
  s.out_h = s.out_w = linear ? 1 : side;
  s.out_c = out, s.out_cs = round_up(out, kLane);
  return s;
}

// Every shape of VGG-16 once, but the first layer, which stays in 32 bits.
std::vector<StageShape> stages(bool small) {
  if (small) return {stage(4, 1, 32, 16, false), stage(2, 2, 16, 32, false), stage(2, 1, 32, 32, true)};
  return {stage(32, 1, 64, 64, false),  stage(16, 2, 64, 128, false),  stage(16, 1, 128, 128, false),
          stage(8, 2, 128, 256, false), stage(8, 1, 256, 256, false),  stage(4, 2, 256, 512, false),
          stage(4, 1, 512, 512, false), stage(2, 2, 512, 512, false),  stage(2, 1, 512, 512, false),
          stage(2, 1, 512, 4096, true), stage(1, 1, 4096, 4096, true), stage(1, 1, 4096, 10, true)};
}

std::string text(const StageShape& s) {
  char line[80];
  std::snprintf(line, sizeof line, "%s%dx%dx%d -> %d", s.pool > 1 ? "pool, " : "", s.in_h, s.in_w, s.src_c, s.out_c);
  return line;
}

void run(const Options& o, const std::string& device) {
  cuda::Stream stream;
  const bench::Peaks peaks = bench::measure_peaks(stream, o.small);
  if (o.json)
    std::printf(
        "{\"bench\": \"layers\", \"device\": \"%s\", \"batch\": %d, \"timesteps\": %d, \"activity\": %g, "
        "\"peakTflops\": %.2f, \"bandwidthGigabytes\": %.1f}\n",
        device.c_str(), o.batch, o.timesteps, o.activity, peaks.flops / 1e12, peaks.bandwidth / 1e9);
  else
    std::printf(
        "%s, batch %d, T = %d, activity %g. Peak of mma.sync in bf16 %.1f TFLOP/s, copy %.0f GB/s. FLOP count every "
        "step as dense, bytes every input and output once.\n\n"
        "| layer | operation | ms | operands, ms | TFLOP/s | of peak | GB/s | of bandwidth | of roofline "
        "|\n|---|---|---|---|---|---|---|---|---|\n",
        device.c_str(), o.batch, o.timesteps, o.activity, peaks.flops / 1e12, peaks.bandwidth / 1e9);
  for (const StageShape& s : stages(o.small))
    for (const bench::Timing& t : bench::time_stage(stream, s, o.batch, o.timesteps, o.activity, o.small ? 0 : 20)) {
      const double seconds = std::max(t.ms, 1e-6) * 1e-3, flops = t.flops / seconds, bandwidth = t.bytes / seconds;
      const double least = std::max(t.flops / peaks.flops, t.bytes / peaks.bandwidth);
      if (o.json)
        std::printf(
            "{\"bench\": \"layers\", \"layer\": \"%s\", \"operation\": \"%s\", \"milliseconds\": %.5f, "
            "\"operandMilliseconds\": %.5f, \"tflops\": %.3f, \"ofPeak\": %.4f, \"gigabytesPerSecond\": %.2f, "
            "\"ofRoofline\": %.4f}\n",
            text(s).c_str(), t.operation.c_str(), t.ms, t.operands_ms, flops / 1e12, flops / peaks.flops,
            bandwidth / 1e9, least / seconds);
      else
        std::printf("| %s | %s | %.4f | %.4f | %.1f | %.0f %% | %.0f | %.0f %% | %.0f %% |\n", text(s).c_str(),
                    t.operation.c_str(), t.ms, t.operands_ms, flops / 1e12, 100 * flops / peaks.flops, bandwidth / 1e9,
                    100 * bandwidth / peaks.bandwidth, 100 * least / seconds);
      std::fflush(stdout);
    }
}

constexpr double kActivities[] = {0.02, 0.06, 0.12, 0.25};

void run_crossing(const Options& o, const std::string& device) {
  cuda::Stream stream;
  if (o.json)
    std::printf("{\"bench\": \"crossing\", \"device\": \"%s\", \"batch\": %d, \"timesteps\": %d}\n", device.c_str(),
                o.batch, o.timesteps);
  else
    std::printf(
        "%s, batch %d, T = %d. Chosen: by the constants of cuda/choice/crossing.h.\n\n| layer | operation | activity | "
        "dense, "
        "ms | events, ms | faster | crossing | chosen |\n|---|---|---|---|---|---|---|---|\n",
        device.c_str(), o.batch, o.timesteps);
  for (const StageShape& s : stages(o.small))
    for (double activity : kActivities)
      for (const bench::VariantTiming& t :
           bench::time_variants(stream, s, o.batch, o.timesteps, activity, o.small ? 0 : 5)) {
        const char* faster = t.events_ms < t.dense_ms ? "events" : "dense";
        if (o.json)
          std::printf(
              "{\"bench\": \"crossing\", \"layer\": \"%s\", \"operation\": \"%s\", \"activity\": %g, "
              "\"denseMilliseconds\": %.5f, \"eventsMilliseconds\": %.5f, \"faster\": \"%s\", \"crossing\": %.4f, "
              "\"chosen\": \"%s\"}\n",
              text(s).c_str(), t.operation.c_str(), activity, t.dense_ms, t.events_ms, faster, t.crossing,
              t.chosen(activity));
        else
          std::printf("| %s | %s | %g | %.4f | %.4f | %s | %.3f | %s |\n", text(s).c_str(), t.operation.c_str(),
                      activity, t.dense_ms, t.events_ms, faster, t.crossing, t.chosen(activity));
        std::fflush(stdout);
      }
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  if (!read_options(argc, argv, &o)) {
    std::fprintf(stderr,
                 "Usage: cuda_bench --layers|--crossing [--json] [--batch N] [--timesteps T] [--activity A] [--device "
                 "N] [--small]\n");
    return 2;
  }
  try {
    if (const Status status = probe_cuda_device(o.device); !status.ok()) throw std::runtime_error(status.message);
    if (const cudaError_t error = cudaSetDevice(o.device); error != cudaSuccess)
      throw std::runtime_error(cudaGetErrorName(error));
    std::string why;
    (o.crossing ? run_crossing : run)(o, cuda_devices(o.device, &why)[size_t(o.device)].name);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return 0;
}
