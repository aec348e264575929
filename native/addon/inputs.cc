#include "addon/inputs.h"

#include "addon/support/check.h"
#include "addon/support/instance.h"

namespace onespike::addon {
namespace {

// Properties of one object, by name; messages carry the path of the property.
class Reader {
 public:
  Reader(Napi::Value value, std::string path) : object_(read_object(value, path)), path_(std::move(path)) {}

  Napi::Value get(const char* key) const { return object_.Get(key); }
  std::string path(const char* key) const { return path_ + "." + key; }
  bool has(const char* key) const { return !is_absent(get(key)); }
  // Within the range of core/limits.h.
  double number(const char* key, const Limit& limit) const { return read_number(get(key), path(key), limit); }
  float real(const char* key, const Limit& limit) const {
    return read_float(get(key), path(key), limit.min, limit.max);
  }
  int integer(const char* key, const Limit& limit) const { return int(read_integer(get(key), path(key), limit)); }
  uint64_t counter(const char* key) const { return uint64_t(read_integer(get(key), path(key), 0, kMaxSafeInteger)); }
  bool boolean(const char* key) const { return read_boolean(get(key), path(key)); }

 private:
  Napi::Object object_;
  std::string path_;
};

LayerSpec read_layer(Napi::Value value, const std::string& path, bool coded) {
  const Reader layer(value, path);
  LayerSpec spec;
  spec.type = read_choice<LayerType>(layer.get("type"), layer.path("type"),
                                     {{"conv", LayerType::kConv},
                                      {"avgpool", LayerType::kAvgPool},
                                      {"maxpool", LayerType::kMaxPool},
                                      {"linear", LayerType::kLinear}});
  const bool pool = is_pool(spec.type), conv = spec.type == LayerType::kConv;
  spec.out = pool ? 0 : layer.integer("out", limits::kOut);
  if (pool) spec.kernel = layer.integer("kernel", limits::kPool);
  if (conv) {
    spec.kernel = layer.integer("kernel", limits::kKernel);
    spec.stride = layer.integer("stride", limits::kStride);
    spec.padding = layer.integer("padding", limits::kPadding);
    spec.pool = layer.integer("pool", limits::kPool);
  }
  spec.bias = layer.boolean("bias");
  spec.norm = read_choice<bool>(layer.get("norm"), layer.path("norm"), {{"none", false}, {"batch", true}});
  spec.output = layer.boolean("output");
  if (!coded || layer.has("leak")) spec.leak = layer.real("leak", limits::kLeak);
  if (!coded || layer.has("threshold")) spec.threshold = layer.real("threshold", limits::kThreshold);
  if (layer.has("timeConstant")) spec.time_constant = layer.real("timeConstant", limits::kTimeConstant);
  if (layer.has("delay")) spec.delay = layer.real("delay", limits::kDelay);
  spec.dropout = layer.real("dropout", limits::kDropout);
  return spec;
}

SpikeCode read_code(Napi::Value value, const std::string& path) {
  const Reader reader(value, path);
  SpikeCode code;
  code.kind = read_choice<CodeKind>(
      reader.get("kind"), reader.path("kind"),
      {{"ttfs", CodeKind::kTtfs}, {"radix", CodeKind::kRadix}, {"one-spike-phase", CodeKind::kPhase}});
  if (code.kind == CodeKind::kTtfs) code.window = reader.integer("window", limits::kWindow);
  if (code.kind == CodeKind::kRadix) {
    code.bits = reader.integer("bits", limits::kBits);
    if (reader.has("weightBits")) code.weight_bits = reader.integer("weightBits", limits::kWeightBits);
  }
  if (code.kind == CodeKind::kPhase) {
    code.base = reader.real("base", limits::kBase);
    code.period = reader.integer("period", limits::kPeriod);
  }
  return code;
}

Augment read_augment(Napi::Value value, const std::string& name) {
  Augment augment;
  if (is_absent(value)) return augment;
  const Reader reader(value, name);
  augment.padding = reader.integer("padding", limits::kCrop);
  augment.flip = reader.boolean("flip");
  augment.seed = reader.counter("seed");
  augment.step = reader.counter("step");
  augment.reflect = reader.boolean("reflect");
  augment.cutout = reader.integer("cutout", limits::kCutout);
  augment.trivial = reader.boolean("trivial");
  augment.mixup = reader.real("mixup", limits::kMix);
  augment.cutmix = reader.real("cutmix", limits::kMix);
  return augment;
}

BatchShards read_shards(Napi::Value value, const std::string& name) {
  BatchShards shards;
  if (is_absent(value)) return shards;
  const Reader reader(value, name);
  const std::string path = reader.path("counts");
  const Napi::Array counts =
      read_array(reader.get("counts"), path, uint32_t(limits::kShards.min), uint32_t(limits::kShards.max));
  for (uint32_t i = 0; i < counts.Length(); ++i)
    shards.counts.push_back(
        read_integer(counts.Get(i), path + "[" + std::to_string(i) + "]", 0, int64_t(limits::kImages.max)));
  shards.first = int64_t(reader.counter("first"));
  shards.images = int64_t(reader.counter("images"));
  return shards;
}

void check_label(int32_t label, int64_t classes, const std::string& name, int64_t position) {
  if (label >= 0 && label < classes) return;
  fail(Code::kArg, "Expected a class from 0 to " + std::to_string(classes - 1) + " for " + name + "[" +
                       std::to_string(position) + "] but received " + std::to_string(label));
}

BatchInput read_rows(Instance& instance, const Reader& reader, const NetworkShape& shape, Labels labels,
                     const std::string& name) {
  BatchInput batch;
  const Napi::Value indices = reader.get("indices");
  batch.rows.augment = read_augment(reader.get("augment"), reader.path("augment"));
  batch.rows.shards = read_shards(reader.get("shards"), reader.path("shards"));
  batch.rows.data = dataset_entry(instance, reader.get("dataset"))->open();
  const Dataset& data = *batch.rows.data;
  if (data.channels != shape.channels || data.height != shape.height || data.width != shape.width) {
    const auto text = [](int c, int h, int w) {
      return "(" + std::to_string(c) + ", " + std::to_string(h) + ", " + std::to_string(w) + ")";
    };
    fail(Code::kShape, "Expected images " + text(shape.channels, shape.height, shape.width) + " for " + name +
                           ".dataset but received " + text(data.channels, data.height, data.width));
  }
  if (labels == Labels::kRequired && data.labels.empty())
    fail(Code::kArg, "Expected a data set with labels for " + name + ".dataset but received one without");

  const ArrayView<uint32_t> rows = view_of<uint32_t>(indices, reader.path("indices"));
  const bool divided = !batch.rows.shards.none();
  if (rows.length < 1 && !divided)
    fail(Code::kShape, "Expected at least one index for " + name + ".indices but received none");
  batch.rows.indices.assign(rows.data, rows.data + rows.length);
  batch.count = rows.length;
  if (divided)
    if (Status status = batch.rows.shards.check(batch.count); !status.ok()) fail(status.code, status.message);
  const std::string label = "the label of " + name + ".indices";
  for (int64_t i = 0; i < batch.count; ++i) {
    const uint32_t row = batch.rows.indices[i];
    if (row >= data.count) {
      fail(Code::kArg, "Expected a row from 0 to " + std::to_string(data.count - 1) + " for " + name + ".indices[" +
                           std::to_string(i) + "] but received " + std::to_string(row));
    }
    if (!data.labels.empty()) check_label(data.labels[row], shape.classes, label, i);
  }
  return batch;
}

}  // namespace

std::vector<float> read_channels(Napi::Value value, const std::string& name, int channels, const Limit& limit) {
  const Napi::Array array = read_array(value, name, uint32_t(channels), uint32_t(channels));
  std::vector<float> numbers;
  for (uint32_t i = 0; i < uint32_t(channels); ++i) {
    numbers.push_back(read_float(array.Get(i), name + "[" + std::to_string(i) + "]", limit.min, limit.max));
  }
  return numbers;
}

Encoder read_encoder(Napi::Value value, const std::string& name) {
  return read_named(value, name, kEncoders, [](Encoder encoder) { return encoder_entry(encoder).name; });
}

NetworkSpec read_spec(Napi::Value value) {
  const Reader reader(value, "spec");
  NetworkSpec spec;
  const Napi::Array input = read_array(reader.get("input"), "spec.input", 3, 3);
  const auto side = [&input](uint32_t i) {
    return int(read_integer(input.Get(i), "spec.input[" + std::to_string(i) + "]", limits::kSide));
  };
  spec.channels = side(0);
  spec.height = side(1);
  spec.width = side(2);
  spec.timesteps = reader.integer("timesteps", limits::kTimesteps);

  if (reader.has("code")) spec.code = read_code(reader.get("code"), "spec.code");
  const Napi::Array layers = read_array(reader.get("layers"), "spec.layers", 1, uint32_t(limits::kLayers.max));
  const uint32_t count = layers.Length();
  for (uint32_t i = 0; i < count; ++i)
    spec.layers.push_back(
        read_layer(layers.Get(i), "spec.layers[" + std::to_string(i) + "]", spec.code.kind != CodeKind::kNone));

  spec.mean = read_channels(reader.get("mean"), "spec.mean", spec.channels, limits::kMean);
  spec.std = read_channels(reader.get("std"), "spec.std", spec.channels, limits::kStd);
  spec.alpha = reader.real("alpha", limits::kAlpha);
  spec.beta = reader.real("beta", limits::kBeta);
  spec.gamma = reader.real("gamma", limits::kGamma);
  spec.surrogate_scale = reader.real("surrogateScale", limits::kSurrogateScale);
  spec.surrogate = read_named(reader.get("surrogate"), "spec.surrogate", kSurrogates, surrogate_name);
  if (reader.has("initialPotential"))
    spec.initial_potential = reader.real("initialPotential", limits::kInitialPotential);
  spec.schedules = reader.boolean("schedules");
  if (reader.has("genes")) spec.genes = Reader(reader.get("genes"), "spec.genes").integer("count", limits::kGenes);
  spec.encoder = read_encoder(reader.get("encoder"), "spec.encoder");
  spec.lo = reader.number("lo", limits::kLo);
  spec.hi = reader.number("hi", limits::kHi);
  if (!(spec.lo < spec.hi)) fail_expected("a number above lo", "spec.hi", reader.get("hi"));
  spec.norm_group = reader.integer("normGroup", limits::kNormGroup);
  spec.seed = reader.counter("seed");
  spec.profile = reader.boolean("profile");
  return spec;
}

BackendSpec read_backend(Napi::Value value) {
  const Reader reader(value, "spec");
  BackendSpec spec;
  spec.kind = read_choice<BackendKind>(reader.get("backend"), "spec.backend",
                                       {{"cpu", BackendKind::kCpu}, {"cuda", BackendKind::kCuda}});
  spec.device = reader.integer("device", limits::kDevice);
  spec.threads = reader.integer("threads", limits::kThreads);
  spec.precision = read_choice<Precision>(reader.get("precision"), "spec.precision",
                                          {{"fp32", Precision::kFp32}, {"mixed", Precision::kMixed}});
  return spec;
}

Mode read_mode(Napi::Value value) {
  return read_choice<Mode>(value, "mode", {{"ann", Mode::kAnn}, {"snn", Mode::kSnn}, {"binary", Mode::kBinary}});
}

TensorKind read_tensor_kind(Napi::Value value, const std::string& name) {
  return read_choice<TensorKind>(value, name,
                                 {{"parameter", TensorKind::kParameter},
                                  {"gradient", TensorKind::kGradient},
                                  {"slot0", TensorKind::kSlot0},
                                  {"slot1", TensorKind::kSlot1},
                                  {"slot2", TensorKind::kSlot2},
                                  {"average", TensorKind::kAverage}});
}

OptimizerOptions read_optimizer(Napi::Value value, const std::string& name) {
  const Reader reader(value, name);
  OptimizerOptions options;
  options.kind = read_choice<OptimizerKind>(
      reader.get("kind"), reader.path("kind"),
      {{"sgd", OptimizerKind::kSgd}, {"adam", OptimizerKind::kAdam}, {"adamw", OptimizerKind::kAdamW}});
  options.learning_rate = reader.real("learningRate", limits::kRate);
  options.neuron_learning_rate = reader.real("neuronLearningRate", limits::kRate);
  options.momentum = reader.real("momentum", limits::kDecay);
  options.nesterov = reader.boolean("nesterov");
  options.weight_decay = reader.real("weightDecay", limits::kRate);
  options.beta1 = reader.real("beta1", limits::kDecay);
  options.beta2 = reader.real("beta2", limits::kDecay);
  options.epsilon = reader.real("epsilon", limits::kRate);
  options.amsgrad = reader.boolean("amsgrad");
  options.clip_norm = reader.real("clipNorm", limits::kRate);
  options.average = reader.real("ema", limits::kEma);
  return options;
}

namespace {

std::shared_ptr<NetworkEntry> read_teacher(Instance& instance, Napi::Value value, const NetworkEntry& student,
                                           const std::string& name) {
  auto teacher = network_entry(instance, value);
  const NetworkShape &own = student.shape, &other = teacher->shape;
  if (teacher.get() == &student) fail_expected("another network than the one that learns", name, value);
  if (other.channels != own.channels || other.height != own.height || other.width != own.width ||
      other.classes != own.classes)
    fail(Code::kShape, "Expected a network with the input and the classes of the one that learns for " + name);
  teacher->require_idle();
  return teacher;
}

}  // namespace

LossInput read_loss(Instance& instance, Napi::Value value, const NetworkEntry& student, const std::string& name) {
  const Reader reader(value, name);
  LossInput input;
  LossOptions& options = input.options;
  options.label_smoothing = reader.real("labelSmoothing", limits::kLabelSmoothing);
  if (reader.has("quantised")) options.quantised = reader.real("quantised", limits::kQuantised);
  if (reader.has("kernelPenalty")) options.kernel_penalty = reader.real("kernelPenalty", limits::kPenalty);
  if (reader.has("spikePenalty")) options.spike_penalty = reader.real("spikePenalty", limits::kPenalty);
  if (const Napi::Value activity = reader.get("activity"); !is_absent(activity)) {
    const Reader part(activity, reader.path("activity"));
    options.activity = {part.real("target", limits::kActivityTarget), part.real("strength", limits::kActivityStrength)};
  }
  if (const Napi::Value weights = reader.get("timeWeights"); !is_absent(weights))
    options.time_weights = read_channels(weights, reader.path("timeWeights"), student.shape.timesteps, limits::kShare);
  if (const Napi::Value distillation = reader.get("distillation"); !is_absent(distillation)) {
    const Reader part(distillation, reader.path("distillation"));
    options.distillation = {part.real("weight", limits::kDistillation), part.real("temperature", limits::kTemperature)};
    input.teacher_mode = read_mode(part.get("mode"));
    input.teacher = read_teacher(instance, part.get("teacher"), student, part.path("teacher"));
  }
  return input;
}

BatchInput read_batch(Instance& instance, Napi::Value value, const NetworkShape& shape, Labels required,
                      const std::string& name) {
  const Reader reader(value, name);
  if (!is_absent(reader.get("dataset"))) return read_rows(instance, reader, shape, required, name);

  BatchInput batch;
  const Napi::Value pixels = reader.get("pixels"), labels = reader.get("labels");
  const ArrayView<uint8_t> bytes = view_of<uint8_t>(pixels, reader.path("pixels"));
  batch.count = bytes.length / shape.image_size;
  if (batch.count < 1 || batch.count > int64_t(limits::kImages.max) || batch.count * shape.image_size != bytes.length) {
    fail(Code::kShape, "Expected a positive multiple of " + std::to_string(shape.image_size) + " bytes (C*H*W) for " +
                           name + ".pixels but received " + std::to_string(bytes.length));
  }
  batch.pixels.assign(bytes.data, bytes.data + bytes.length);
  if (is_absent(labels)) {
    if (required == Labels::kRequired) fail_expected("an Int32Array", reader.path("labels"), labels);
    return batch;
  }
  const ArrayView<int32_t> classes = view_of<int32_t>(labels, reader.path("labels"), batch.count);
  batch.labels.assign(classes.data, classes.data + classes.length);
  for (int64_t i = 0; i < batch.count; ++i) check_label(batch.labels[i], shape.classes, reader.path("labels"), i);
  return batch;
}

}  // namespace onespike::addon
