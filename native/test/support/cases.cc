#include "test/support/cases.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <sstream>
#include <stdexcept>

#include "core/backend/backend.h"
#include "test/ann/norm_cases.h"
#include "test/code/code_cases.h"
#include "test/support/runner.h"
#include "test/support/subject.h"

namespace onespike::test {
namespace {

// The largest potential that each neuron reaches, so that a quantile of it is a threshold that a known share crosses.
double threshold_for(const NetworkSpec& spec, const oracle::Values& weighted, double leak, double share) {
  const int64_t count = int64_t(weighted.size()) / spec.timesteps;
  oracle::Values peak(count);
  double square = 0.0;
  for (double i : weighted) square += i * i / double(weighted.size());
  for (int64_t j = 0; j < count; ++j) {
    double u = 0.0;
    for (int t = 0; t < spec.timesteps; ++t) {
      u = leak * u + weighted[t * count + j];
      peak[j] = t == 0 ? u : std::max(peak[j], u);
    }
  }
  return std::max({oracle::percentile(peak, 100.0 * (1.0 - share)), 0.2 * std::sqrt(square), 1e-2});
}

// Work of one oracle pass, and how many decisions it takes: many decisions make a tie likely.
bool affordable(const NetworkSpec& spec, int images) {
  const std::vector<oracle::Shape> shapes = oracle::layer_shapes(spec);
  int64_t products = 0, neurons = 0;
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const oracle::Shape &in = shapes[l], &out = shapes[l + 1];
    if (out.channels < 1 || out.height < 1 || out.width < 1) return false;
    if (is_pool(spec.layers[l].type)) continue;
    const int kernel = spec.layers[l].kernel;
    products +=
        spec.layers[l].type == LayerType::kLinear ? in.size() * out.size() : out.size() * in.channels * kernel * kernel;
    neurons += out.size();
  }
  return products * spec.timesteps * images < 6'000'000 && neurons * spec.timesteps * images < 25'000;
}

}  // namespace

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

LayerSpec conv(int out, int kernel, int stride, int padding, bool bias, double leak) {
  LayerSpec layer;
  layer.out = out;
  layer.kernel = kernel;
  layer.stride = stride;
  layer.padding = padding;
  layer.bias = bias;
  layer.leak = float(leak);
  return layer;
}

LayerSpec current_pool(LayerSpec layer, int side) {
  layer.pool = side;
  return layer;
}

LayerSpec pool(int kernel) {
  LayerSpec layer;
  layer.type = LayerType::kAvgPool;
  layer.kernel = kernel;
  return layer;
}

LayerSpec linear(int out, bool bias, double leak) {
  LayerSpec layer;
  layer.type = LayerType::kLinear;
  layer.out = out;
  layer.bias = bias;
  layer.leak = float(leak);
  return layer;
}

LayerSpec output(int classes, bool bias, double leak) {
  LayerSpec layer = linear(classes, bias, leak);
  layer.output = true;
  return layer;
}

CaseSpec network_spec(int channels, int height, int width, int timesteps, std::vector<LayerSpec> layers) {
  CaseSpec spec;
  spec.channels = channels;
  spec.height = height;
  spec.width = width;
  spec.timesteps = timesteps;
  spec.on = subject().on;
  spec.layers = std::move(layers);
  for (int c = 0; c < channels; ++c) {
    spec.mean.push_back(0.5f - 0.03f * float(c % 7));
    spec.std.push_back(0.25f + 0.02f * float(c % 5));
  }
  return spec;
}

CaseSpec random_spec(Random& r) {
  for (;;) {
    std::vector<LayerSpec> layers;
    const auto channels = [&] { return r.pick({1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 67}); };
    const auto leak = [&] { return r.pick({1.0, 0.95, 0.9, 0.7, 0.5, 0.0}); };
    const auto pools = [&](double probability) {
      for (int i = 0; i < 2; ++i)
        if (r.chance(probability)) layers.push_back(pool(r.pick({2, 2, 3})));
    };
    if (r.chance(0.15)) pools(0.8);
    const int convs = r.pick({0, 1, 1, 2, 2, 3});
    // One draw per declarator: the order of arguments is the compiler's, and cases must not depend on it.
    for (int i = 0; i < convs; ++i) {
      const int out = channels(), kernel = r.pick({1, 3, 3, 3, 5}), stride = r.pick({1, 1, 1, 2, 2, 3}),
                padding = r.between(0, 2);
      const bool bias = r.chance(0.5);
      layers.push_back(conv(out, kernel, stride, padding, bias, leak()));
      pools(0.25);
    }
    const int linears = r.between(0, 2);
    for (int i = 0; i <= linears; ++i) {
      const int out = i < linears ? channels() : r.pick({2, 3, 5, 7, 10, 16, 17, 33});
      const bool bias = r.chance(0.5);
      layers.push_back(linear(out, bias, leak()));
    }
    layers.back().output = true;
    const int channel_count = r.pick({1, 1, 2, 3, 3, 3, 4, 17}), height = r.between(3, 13), width = r.between(3, 13);
    CaseSpec spec =
        network_spec(channel_count, height, width, r.pick({1, 2, 3, 4, 5, 5, 6, 8, 11, 16}), std::move(layers));
    spec.alpha = float(r.pick({1.0, 1.0, 0.0, 0.7, 1.6}));
    spec.beta = float(r.pick({1.0, 1.0, 0.0, 0.5, 0.25}));
    spec.gamma = float(r.pick({0.3, 0.5, 1.0}));
    spec.surrogate_scale = float(r.pick({1.0, 0.5, 2.0}));
    spec.surrogate = r.pick({Surrogate::kTriangle, Surrogate::kTriangle, Surrogate::kExponential,
                             Surrogate::kRectangular, Surrogate::kArctan, Surrogate::kFastSigmoid});
    spec.encoder = r.pick({Encoder::kHybrid, Encoder::kHybrid, Encoder::kHybrid, Encoder::kDirect, Encoder::kTtfs,
                           Encoder::kPhase, Encoder::kBurst, Encoder::kRadix});
    if (spec.encoder == Encoder::kRadix) spec.timesteps = std::min(spec.timesteps, int(limits::kRadixTimesteps.max));
    // One step of these codes shows nearly every pixel alike, and the terms of the first layer's gradient cancel: in
    // bf16 1.8 % were left of the norm.
    if (!encoder_entry(spec.encoder).normalised) spec.timesteps = std::max(spec.timesteps, 2);
    if (r.chance(0.3)) {
      spec.lo = 0.1;
      spec.hi = 0.8;
    }
    spec.on.threads = r.between(1, 3);
    if (affordable(spec, 5)) return spec;
  }
}

std::string describe(const NetworkSpec& spec, int64_t images) {
  std::ostringstream text;
  text << "[" << spec.channels << "x" << spec.height << "x" << spec.width << " T" << spec.timesteps << " N" << images
       << " " << encoder_entry(spec.encoder).name << " " << surrogate_name(spec.surrogate) << " alpha " << spec.alpha
       << " beta " << spec.beta << " gamma " << spec.gamma << " surrogate scale " << spec.surrogate_scale << " lo "
       << spec.lo << " hi " << spec.hi << " code " << int(spec.code.kind) << "/" << spec.code.levels()
       << (spec.schedules ? " schedules" : "") << " U(0)/V " << spec.initial_potential << " group " << spec.norm_group
       << ":";
  for (const LayerSpec& l : spec.layers) {
    if (is_pool(l.type)) {
      text << (l.type == LayerType::kMaxPool ? " maxpool" : " pool") << l.kernel;
      continue;
    }
    text << (l.type == LayerType::kConv ? " conv" : l.output ? " output" : " linear") << l.out;
    if (l.type == LayerType::kConv) text << "/k" << l.kernel << "s" << l.stride << "p" << l.padding;
    if (l.pool > 1) text << "/pool" << l.pool;
    text << (l.norm ? "/norm" : "") << (l.bias ? "/bias" : "") << "/leak" << l.leak;
    if (l.dropout > 0) text << "/dropout" << l.dropout;
  }
  text << "]";
  return text.str();
}

StageShape shape_of(int height, int width, int channels, int out, int kernel, int stride, int pad, int pool,
                    bool linear) {
  StageShape s;
  s.linear = linear, s.pool = pool;
  s.src_h = height, s.src_w = width, s.src_c = channels, s.src_cs = round_up(channels, kLane);
  s.in_h = height / pool, s.in_w = width / pool;
  s.kernel_h = linear ? s.in_h : kernel, s.kernel_w = linear ? s.in_w : kernel;
  s.stride = linear ? 1 : stride, s.pad = linear ? 0 : pad;
  s.out_h = linear ? 1 : (s.in_h + 2 * s.pad - kernel) / s.stride + 1,
  s.out_w = linear ? 1 : (s.in_w + 2 * s.pad - kernel) / s.stride + 1;
  s.out_c = out, s.out_cs = round_up(out, kLane);
  return s;
}

Case make_case(const CaseSpec& spec, int images, Random& random) {
  Case c{spec, oracle::Parameters(spec.layers.size()), {}, {}};
  const std::vector<oracle::Shape> shapes = oracle::layer_shapes(spec);
  c.pixels.resize(images * shapes[0].size());
  for (uint8_t& p : c.pixels) p = uint8_t(random.between(0, 255));
  for (int n = 0; n < images; ++n) c.labels.push_back(random.between(0, spec.layers.back().out - 1));
  for (size_t l = 0; l < spec.layers.size(); ++l) {
    const LayerSpec& layer = spec.layers[l];
    if (is_pool(layer.type)) continue;
    const int64_t fan_in =
        layer.type == LayerType::kLinear ? shapes[l].size() : int64_t(shapes[l].channels) * layer.kernel * layer.kernel;
    c.parameters[l].weight.resize(layer.out * fan_in);
    for (double& w : c.parameters[l].weight) w = float(random.normal() * std::sqrt(2.0 / double(fan_in)));
    if (layer.bias) c.parameters[l].bias.resize(layer.out);
    for (double& b : c.parameters[l].bias) b = float(random.normal() * 0.05);
    if (layer.norm) draw_norm(c.parameters[l], layer.out, random);
    c.parameters[l].leak = layer.leak;
    if (!spec.schedules) continue;
    // Most fall, as those that make an early spike count more; some rise.
    const double decay = random.uniform(-0.1, 0.4);
    for (int t = 0; t < spec.timesteps; ++t) {
      c.parameters[l].kappa.push_back(float(std::exp2(-decay * t) * random.uniform(0.8, 1.25)));
      c.parameters[l].theta.push_back(float(std::exp2(-decay / 2 * t) * random.uniform(0.8, 1.25)));
    }
  }
  if (spec.code.kind != CodeKind::kNone) {
    settle_codes(spec, c.parameters, random);
    return c;
  }
  oracle::settle_thresholds(spec, c.parameters, c.batch(),
                            [&](int, const oracle::Values& weighted, oracle::LayerParameters& p) {
                              const double reached = threshold_for(spec, weighted, p.leak, random.uniform(0.15, 0.6));
                              p.threshold = float(reached / (1 - double(spec.initial_potential)));
                            });
  return c;
}

Case decided_case(const CaseSpec& spec, int images, Mode mode, Random& random, double margin,
                  const oracle::Options& options, const std::function<void(Case&)>& change) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    Case c = make_case(spec, images, random);
    if (change) change(c);
    if (oracle::forward(spec, c.parameters, mode, c.batch(), options).margin >= margin) return c;
  }
  throw std::runtime_error("no case without a tie in 200 attempts " + describe(spec, images));
}

void expect_ok(const Status& status, const std::string& what) {
  expect(status.ok(), what + ": " + code_name(status.code) + " " + status.message);
}

Status create_network(const CaseSpec& spec, std::unique_ptr<Network>* network) {
  std::unique_ptr<Backend> backend;
  if (Status status = make_backend(spec.on, &backend); !status.ok()) return status;
  return Network::create(spec, std::move(backend), network);
}

std::unique_ptr<Network> make_network(const Case& c) {
  std::unique_ptr<Backend> backend;
  expect_ok(make_backend(c.spec.on, &backend), "backend " + c.text());
  return make_network(c, std::move(backend));
}

std::unique_ptr<Network> make_network(const Case& c, std::unique_ptr<Backend> backend) {
  std::unique_ptr<Network> network;
  expect_ok(Network::create(c.spec, std::move(backend), &network), "create " + c.text());
  oracle::Parameters parameters = c.parameters;
  write_parameters(*network, parameters);
  return network;
}

void write_parameters(Network& network, oracle::Parameters& parameters) {
  for (size_t i = 0; i < network.tensors().size(); ++i) {
    const TensorInfo& info = network.tensors()[i];
    const oracle::Slice from = oracle::find(parameters, info.name);
    expect(from.size == info.size, info.name + ": expected " + std::to_string(from.size) + " elements but received " +
                                       std::to_string(info.size));
    const std::vector<float> values(from.data, from.data + from.size);
    expect_ok(network.write(TensorKind::kParameter, int(i), values.data()), "write " + info.name);
  }
}

oracle::Parameters read_parameters(const Network& network, TensorKind kind) {
  const NetworkSpec& spec = network.spec();
  oracle::Parameters parameters(spec.layers.size());
  for (size_t i = 0; i < network.tensors().size(); ++i) {
    const TensorInfo& info = network.tensors()[i];
    if (oracle::Values* sized = oracle::values_of(parameters, info.name)) sized->resize(size_t(info.size));
    std::vector<float> values(info.size);
    expect_ok(network.read(kind, int(i), values.data()), "read " + info.name);
    std::copy(values.begin(), values.end(), oracle::find(parameters, info.name).data);
  }
  return parameters;
}

std::vector<float> read_bits(const Network& network, TensorKind kind) {
  std::vector<float> all;
  for (size_t i = 0; i < network.tensors().size(); ++i) {
    const size_t at = all.size();
    all.resize(at + network.tensors()[i].size);
    expect_ok(network.read(kind, int(i), &all[at]), "read " + network.tensors()[i].name);
  }
  return all;
}

std::function<void()> on_cpu_target(size_t target, std::function<void()> run) {
  return [target, run = std::move(run)] {
    limit_cpu_target(target);
    const std::shared_ptr<void> restore(nullptr, [](void*) { limit_cpu_target(0); });
    run();
  };
}

const std::atomic<bool>& no_stop() {
  static const std::atomic<bool> never{false};
  return never;
}

}  // namespace onespike::test
