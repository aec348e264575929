#include "core/plan.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <initializer_list>
#include <string>

namespace onespike {
namespace {

constexpr int64_t kMaxElements = int64_t(limits::kElements.max);

Status wrong(Code code, size_t layer, const std::string& what) {
  return Status::error(code, "layers[" + std::to_string(layer) + "]: " + what);
}

std::string text(double value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.9g", value);
  return digits;
}

struct Checked {
  Limit limit;
  double value;
};

// What is wrong with the first value that is out of range, or ''.
std::string fault(std::initializer_list<Checked> all) {
  for (const auto& [limit, value] : all)
    if (!limit.holds(value))
      return std::string("Expected ") + limit.name + " between " + text(limit.min) + " and " + text(limit.max) +
             " but received " + text(value);
  return "";
}

// The numbers of a layer under the code ttfs, of which one bounds the other.
std::string code_fault(const LayerSpec& layer, const SpikeCode& code) {
  const std::string number = fault({{limits::kTimeConstant, layer.time_constant}, {limits::kDelay, layer.delay}});
  if (!number.empty()) return number;
  const float low = min_delay(code, layer.time_constant), high = max_delay(layer.time_constant);
  if (layer.delay >= low && layer.delay <= high) return "";
  return "Expected delay between " + text(low) + " and " + text(high) + " with timeConstant " +
         text(layer.time_constant) + " but received " + text(layer.delay);
}

Status check_weighted(const LayerSpec& layer, size_t i, bool last, const SpikeCode& code) {
  std::string number = fault({{limits::kOut, double(layer.out)},
                              {limits::kLeak, layer.leak},
                              {limits::kThreshold, layer.threshold},
                              {limits::kDropout, layer.dropout}});
  if (number.empty() && code.kind == CodeKind::kTtfs && !layer.output) number = code_fault(layer, code);
  if (!number.empty()) return wrong(Code::kArg, i, number);
  if (layer.output && layer.type != LayerType::kLinear)
    return wrong(Code::kShape, i, "Expected the output layer to be linear");
  if (layer.output != last)
    return wrong(Code::kShape, i, "Expected the last layer, and it alone, to be the output layer");
  if (layer.norm && layer.output) return wrong(Code::kArg, i, "Expected an output layer without normalisation");
  return Status::success();
}

void add_tensors(const StageShape& s, const NetworkSpec& spec, std::vector<TensorInfo>* tensors) {
  const std::string prefix = "layers." + std::to_string(s.layer) + ".";
  const auto add = [&](const char* name, std::vector<int64_t> shape) {
    int64_t size = 1;
    for (int64_t side : shape) size *= side;
    tensors->push_back({prefix + name, std::move(shape), size});
  };
  if (s.linear) add("weight", {s.out_c, int64_t(s.src_c) * s.in_h * s.in_w});
  else add("weight", {s.out_c, s.src_c, s.parameter_h, s.parameter_w});
  if (s.bias) add("bias", {s.out_c});
  if (s.norm)
    for (const char* name : kNormTensors) add(name, {s.out_c});
  switch (spec.code.kind) {
    case CodeKind::kNone: add("threshold", {}), add("leak", {}); break;
    case CodeKind::kTtfs:
      if (!s.output) add("time_constant", {}), add("delay", {});
      break;
    case CodeKind::kRadix:
      if (!s.output) add("step", {});
      break;
    case CodeKind::kPhase: break;
  }
  if (spec.schedules) add("kappa", {spec.timesteps}), add("theta", {spec.timesteps});
  if (spec.genes == 0 || s.linear) return;
  add("genes", {s.out_c, spec.genes});
  if (!s.first) add("gene_scale", {});
}

// The kernels of genetic layers, and their tensors. Errors: kArg if there is no such layer, or too many numbers.
Status add_gene_kernels(Plan* plan) {
  for (size_t i = 0; i < plan->stages.size(); ++i)
    if (plan->genetic(i)) plan->gene_kernels.push_back(plan->stages[i].parameter_h);
  std::vector<int>& kernels = plan->gene_kernels;
  std::sort(kernels.begin(), kernels.end());
  kernels.erase(std::unique(kernels.begin(), kernels.end()), kernels.end());
  if (kernels.empty())
    return Status::error(Code::kArg, "Expected a second convolution for genes: the first one has weights of its own");
  const int64_t genes = plan->spec.genes, side = round_up(plan->spec.genes, kLane);
  for (const int kernel : kernels) {
    const int64_t taps = int64_t(kernel) * kernel;
    if (taps * side * side > kMaxElements)
      return Status::error(Code::kArg, "Expected at most " + std::to_string(kMaxElements) + " numbers of genes");
    const std::string sides = std::to_string(kernel);
    plan->tensors.push_back({"genes." + sides + "x" + sides, {taps, genes, genes}, taps * genes * genes});
  }
  return Status::success();
}

// The map between two weighted layers, and the pools on the way.
struct Walk {
  int h = 0, w = 0, c = 0, cs = 0;  // after maximum pools
  int below_h = 0, below_w = 0;     // before them
  MaxPool max = {};
  int pool = 1;  // average pools together
};

Status add_pool(const LayerSpec& layer, size_t i, bool coded, Walk* at) {
  const bool max = layer.type == LayerType::kMaxPool;
  if (max && !coded) return wrong(Code::kArg, i, "Expected no maxpool in a network without a code");
  // An average is none of the numbers that a byte stands for.
  if (max && at->pool > 1) return wrong(Code::kArg, i, "Expected no maxpool after an avgpool");
  const double side = double(max ? at->max.side() : at->pool) * layer.kernel;
  const std::string window = fault({{limits::kPool, double(layer.kernel)}, {limits::kPool, side}});
  if (!window.empty()) return wrong(Code::kArg, i, window);
  if (layer.kernel == 1) return Status::success();
  const int together = max ? layer.kernel : at->pool * layer.kernel;
  if (at->h / together < 1 || at->w / together < 1)
    return wrong(Code::kShape, i,
                 "Expected a pool window of at most " + std::to_string(at->h) + "x" + std::to_string(at->w) +
                     " but received " + std::to_string(together));
  if (max) {
    at->max.sides[at->max.count++] = uint8_t(layer.kernel);
    at->h /= layer.kernel, at->w /= layer.kernel;
  } else {
    at->pool = together;
  }
  return Status::success();
}

// Kernel, stride and map of a convolution, in which the average of its currents is included.
Status convolve(const LayerSpec& layer, size_t i, bool coded, StageShape* s) {
  const int kernel = layer.kernel + (layer.pool - 1) * layer.stride, stride = layer.pool * layer.stride;
  const std::string window = fault({{limits::kPool, double(layer.pool)},
                                    {limits::kKernel, double(layer.kernel)},
                                    {limits::kStride, double(layer.stride)},
                                    {limits::kPadding, double(layer.padding)},
                                    {limits::kKernel, double(kernel)},
                                    {limits::kStride, double(stride)}});
  if (!window.empty()) return wrong(Code::kArg, i, window);
  if (coded && layer.pool > 1)
    return wrong(Code::kArg, i, "Expected no pool before the neurons of a network with a code");
  s->parameter_h = s->parameter_w = layer.kernel;
  s->kernel_h = s->kernel_w = kernel, s->stride = stride, s->pad = layer.padding, s->average = layer.pool;
  if (s->in_h + 2 * s->pad < kernel || s->in_w + 2 * s->pad < kernel)
    return wrong(Code::kShape, i,
                 "Expected a padded input of at least " + std::to_string(kernel) + "x" + std::to_string(kernel) +
                     " for the kernel but received " + std::to_string(s->in_h + 2 * s->pad) + "x" +
                     std::to_string(s->in_w + 2 * s->pad));
  s->out_h = (s->in_h + 2 * s->pad - kernel) / stride + 1;
  s->out_w = (s->in_w + 2 * s->pad - kernel) / stride + 1;
  if (limits::kSide.holds(s->out_h) && limits::kSide.holds(s->out_w)) return Status::success();
  return wrong(Code::kShape, i,
               "Expected a map of at most " + text(limits::kSide.max) + " pixels a side but received " +
                   std::to_string(s->out_h) + "x" + std::to_string(s->out_w));
}

// A power of two, so that batches as people choose them leave no small chunk over.
int training_chunk(int64_t image_bytes, const ChunkLimits& chunk_limits) {
  int chunk = 1;
  while (2 * chunk <= chunk_limits.images && 2 * chunk * image_bytes <= chunk_limits.training) chunk *= 2;
  return chunk;
}

// How many images pass together, from the bytes that one of them keeps.
void choose_chunks(const ChunkLimits& chunk_limits, Plan* plan) {
  const int64_t T = plan->spec.timesteps, size = int64_t(sizeof(float));
  int64_t potentials = 0, gradient = 0, maps = 0, waiting = 0, activations = 0, largest = 0;
  for (size_t i = 0; i < plan->stages.size(); ++i) {
    const StageShape& s = plan->stages[i];
    if (s.max.count > 0) activations += 2 * s.src_size() * size;  // after the maximum, and its gradient
    potentials += s.out_size() * T * size * (plan->keeps_potential(i) ? 2 : 1);
    gradient = std::max(gradient, s.grad_step() * T * size);     // one buffer for all stages
    maps += s.out_size() + (s.first ? s.out_size() * size : 0);  // spike times, and the analog current
    activations += (s.padded_size() + s.out_size()) * size;
    largest = std::max(largest, s.out_size() * size);
    if (s.linear && !s.first) waiting += s.src_size() + s.out_size() * T * size;
  }
  plan->chunk = training_chunk(potentials + gradient, chunk_limits);
  plan->inference_chunk = int(std::clamp<int64_t>(chunk_limits.inference / maps, 1, chunk_limits.images));
  plan->ann_chunk = int(std::clamp<int64_t>(chunk_limits.ann / (activations + 2 * largest), 1, chunk_limits.images));
  const int64_t block = waiting > 0 ? std::min<int64_t>(chunk_limits.block / waiting, chunk_limits.block_images) : 0;
  plan->block = int(std::max<int64_t>(block / plan->chunk, 1)) * plan->chunk;
}

Status check_code(const NetworkSpec& spec) {
  const SpikeCode& code = spec.code;
  std::string number;
  switch (code.kind) {
    case CodeKind::kNone: break;
    case CodeKind::kTtfs: number = fault({{limits::kWindow, double(code.window)}}); break;
    case CodeKind::kRadix:
      number = fault({{limits::kBits, double(code.bits)}});
      if (number.empty() && code.weight_bits != 0) number = fault({{limits::kWeightBits, double(code.weight_bits)}});
      break;
    case CodeKind::kPhase:
      number = fault({{limits::kBase, code.base}, {limits::kPeriod, double(code.period)}});
      if (number.empty() && !((code.period - 0.5) * std::log(double(code.base)) <= double(kMaxExponent)))
        number = "Expected base^(period - 1/2) of at most e^" + text(kMaxExponent);
      break;
  }
  if (number.empty() && code.kind != CodeKind::kNone && spec.schedules) number = "Expected no schedules with a code";
  if (number.empty() && code.kind != CodeKind::kNone && spec.initial_potential != 0)
    number = "Expected no initialPotential with a code";
  return number.empty() ? Status::success() : Status::error(Code::kArg, number);
}

}  // namespace

Status check_spec(const NetworkSpec& spec) {
  std::string number = fault({{limits::kTimesteps, double(spec.timesteps)},
                              {limits::kSide, double(spec.channels)},
                              {limits::kSide, double(spec.height)},
                              {limits::kSide, double(spec.width)},
                              {limits::kLayers, double(spec.layers.size())},
                              {limits::kAlpha, spec.alpha},
                              {limits::kBeta, spec.beta},
                              {limits::kGamma, spec.gamma},
                              {limits::kSurrogateScale, spec.surrogate_scale},
                              {limits::kInitialPotential, spec.initial_potential},
                              {limits::kLo, spec.lo},
                              {limits::kHi, spec.hi},
                              {limits::kNormGroup, double(spec.norm_group)}});
  if (!number.empty()) return Status::error(Code::kArg, number);
  if (Status status = check_code(spec); !status.ok()) return status;
  if (spec.genes != 0) number = fault({{limits::kGenes, double(spec.genes)}});
  if (!number.empty()) return Status::error(Code::kArg, number);
  if (!(spec.lo < spec.hi)) return Status::error(Code::kArg, "Expected lo below hi");
  if (spec.encoder == Encoder::kRadix) number = fault({{limits::kRadixTimesteps, double(spec.timesteps)}});
  if (!number.empty()) return Status::error(Code::kArg, number);
  if (int(spec.mean.size()) != spec.channels || int(spec.std.size()) != spec.channels)
    return Status::error(
        Code::kShape, "Expected mean and std with one value per input channel (" + std::to_string(spec.channels) + ")");
  for (int c = 0; c < spec.channels; ++c) {
    number = fault({{limits::kMean, spec.mean[c]}, {limits::kStd, spec.std[c]}});
    if (!number.empty()) return Status::error(Code::kArg, number + " for channel " + std::to_string(c));
  }
  return Status::success();
}

Status make_plan(const NetworkSpec& spec, const ChunkLimits& chunk_limits, Plan* plan) {
  if (Status status = check_spec(spec); !status.ok()) return status;
  plan->spec = spec;
  // A radix network reads integers; a coded network has no steps.
  if (spec.code.kind == CodeKind::kRadix || !encoder_entry(spec.encoder).normalised) {
    plan->spec.mean.assign(spec.mean.size(), 0.0f);
    plan->spec.std.assign(spec.std.size(), 1.0f);
  }
  if (plan->coded()) plan->spec.timesteps = 1;
  const int timesteps = plan->spec.timesteps;
  Walk at{spec.height, spec.width, spec.channels, spec.channels, spec.height, spec.width};
  bool flat = false;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    const LayerSpec& layer = spec.layers[i];
    const bool last = i + 1 == spec.layers.size();
    if (is_pool(layer.type)) {
      if (flat) return wrong(Code::kShape, i, "Expected a map before a pool but a linear layer came before");
      if (last) return wrong(Code::kShape, i, "Expected the last layer to be a linear output layer");
      if (Status status = add_pool(layer, i, plan->coded(), &at); !status.ok()) return status;
      continue;
    }
    if (Status status = check_weighted(layer, i, last, spec.code); !status.ok()) return status;
    StageShape s;
    s.layer = int(i);
    s.first = plan->stages.empty();
    s.linear = layer.type == LayerType::kLinear;
    s.output = layer.output, s.bias = layer.bias, s.dropout = layer.output ? 0 : layer.dropout;
    s.norm = layer.norm;
    s.max = at.max, s.below_h = at.below_h, s.below_w = at.below_w;
    s.pool = at.pool;
    s.src_h = at.h, s.src_w = at.w, s.src_c = at.c, s.src_cs = at.cs;
    s.in_h = at.h / at.pool, s.in_w = at.w / at.pool;
    if (s.linear) {
      s.parameter_h = s.kernel_h = s.in_h, s.parameter_w = s.kernel_w = s.in_w;
      s.out_h = s.out_w = 1;
      flat = true;
    } else {
      if (flat) return wrong(Code::kShape, i, "Expected a map before conv but a linear layer came before");
      if (Status status = convolve(layer, i, plan->coded(), &s); !status.ok()) return status;
    }
    s.out_c = layer.out, s.out_cs = round_up(layer.out, kLane);
    // Factors one by one: none of these products can overflow 64 bits.
    const int64_t fan_in = int64_t(s.kernel_h) * s.kernel_w * s.src_cs;
    if (fan_in > kMaxElements || fan_in * s.out_cs > kMaxElements)
      return wrong(Code::kShape, i, "Expected at most " + std::to_string(kMaxElements) + " weights");
    if (s.out_cells() > kMaxElements / s.out_cs || s.grad_step() > kMaxElements / timesteps ||
        s.padded_size() > kMaxElements || s.below_size() * timesteps > kMaxElements)
      return wrong(
          Code::kShape, i,
          "Expected at most " + std::to_string(kMaxElements) + " values per image in a map over all time steps");
    add_tensors(s, spec, &plan->tensors);
    plan->sources.push_back(s.first ? kPixels : int(plan->stages.size()) - 1);
    plan->stages.push_back(s);
    at = {s.out_h, s.out_w, s.out_c, s.out_cs, s.out_h, s.out_w};
  }
  if (plan->stages.empty() || !plan->stages.back().output)
    return Status::error(Code::kShape, "Expected the last layer to be a linear output layer");
  if (spec.genes > 0)
    if (Status status = add_gene_kernels(plan); !status.ok()) return status;
  choose_chunks(chunk_limits, plan);
  return Status::success();
}

}  // namespace onespike
