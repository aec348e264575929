#include "core/state/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/rng.h"

namespace onespike {
namespace {

// First and second are threshold and leak, or what a code has in their place.
enum class Part { kWeight, kBias, kNorm, kFirst, kSecond, kKappa, kTheta };

struct Where {
  size_t stage;
  Part part;
  int norm = 0;  // of the tensors of the normalisation
};

Where locate(const Plan& plan, int tensor) {
  int at = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (at++ == tensor) return {i, Part::kWeight};
    if (plan.stages[i].bias && at++ == tensor) return {i, Part::kBias};
    for (int norm = 0; plan.stages[i].norm && norm < kNormTensorCount; ++norm)
      if (at++ == tensor) return {i, Part::kNorm, norm};
    const int pair = plan.pair_tensors(i);
    if (pair > 0 && at++ == tensor) return {i, Part::kFirst};
    if (pair > 1 && at++ == tensor) return {i, Part::kSecond};
    if (plan.spec.schedules && at++ == tensor) return {i, Part::kKappa};
    if (plan.spec.schedules && at++ == tensor) return {i, Part::kTheta};
  }
  return {0, Part::kWeight};
}

// Calls f(index in PyTorch's (O, I, kh, kw), index in the packed tensor) for the weights of output channels [first,
// last). A linear layer's I runs over (C, H, W) of the pooled map, which is its kernel. Sixteen channels at a time:
// they are one cache line of the packed tensor, and their sixteen lines of the other one stay in the L1 cache.
template <class F>
void each_weight(const StageShape& s, int first, int last, const F& f) {
  for (const Tile& tile : tiles_of(s.out_cs)) {
    const int64_t start = int64_t(tile.begin) * s.parameter_taps() * s.src_cs;
    const int end = std::min({tile.begin + tile.width, s.out_c, last});
    for (int block = std::max(tile.begin, first); block < end; block += kLane)
      for (int c = 0; c < s.src_c; ++c)
        for (int tap = 0; tap < s.parameter_taps(); ++tap)
          for (int o = block; o < std::min(block + kLane, end); ++o)
            f((int64_t(o) * s.src_c + c) * s.parameter_taps() + tap,
              start + (int64_t(tap) * s.src_cs + c) * tile.width + (o - tile.begin));
  }
}

// The packed tiles that hold a range of a weight tensor in PyTorch's order: floats [begin, end) of the packed tensor,
// and its output channels [first, last).
struct PackedRange {
  int first = 0, last = 0;
  int64_t begin = 0, end = 0;
};

PackedRange packed_range(const StageShape& s, int64_t offset, int64_t count) {
  const int64_t row = int64_t(s.src_c) * s.parameter_taps(), packed_row = int64_t(s.src_cs) * s.parameter_taps();
  PackedRange range;
  range.first = int(offset / row);
  range.last = int((offset + count - 1) / row) + 1;
  const Tile front = tile_of(range.first, s.out_cs), back = tile_of(range.last - 1, s.out_cs);
  range.begin = front.begin * packed_row;
  range.end = (back.begin + back.width) * packed_row;
  return range;
}

}  // namespace

Parameters::~Parameters() {
  for (StageParameters& p : stages_) {
    for (float* memory : {p.weight, p.bias, p.d_weight, p.d_bias}) backend_.release(memory);
    for (int i = 0; i < kOptimizerSlots; ++i) backend_.release(p.weight_slot[i]), backend_.release(p.bias_slot[i]);
  }
  drop_average();
}

Status Parameters::allocate_one(float** to, int64_t count) {
  return allocate_array(backend_, to, count, "parameters", &bytes_);
}

// After an array of thresholds and leaks was allocated or exchanged.
void Parameters::place_neurons() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const auto at = [&](TensorKind kind) { return neurons_.at(kind) ? neurons_.at(kind) + 2 * i : nullptr; };
    stages_[i].neuron = at(TensorKind::kParameter), stages_[i].d_neuron = at(TensorKind::kGradient);
  }
}

Status Parameters::allocate() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    if (Status status = allocate_one(&stages_[i].weight, s.parameters()); !status.ok()) return status;
    if (Status status = allocate_one(&stages_[i].bias, s.out_cs); !status.ok()) return status;
  }
  if (Status status = neurons_.allocate(TensorKind::kParameter); !status.ok()) return status;
  if (Status status = schedules_.allocate(); !status.ok()) return status;
  if (Status status = norm_.allocate(); !status.ok()) return status;
  place_neurons();
  initialise();
  return backend_.finish();
}

// Normal with variance 2/fan_in (He et al. 2015), biases zero: one stream per layer of the list.
void Parameters::initialise() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    const Rng rng = Rng::of(plan_.spec.seed, Stream::kWeights, s.layer);
    const float scale = std::sqrt(2.0f / (float(s.parameter_taps()) * float(s.src_c)));
    std::vector<float> packed(size_t(s.parameters()), 0.0f);
    each_weight(s, 0, s.out_c,
                [&](int64_t from, int64_t to) { packed[size_t(to)] = scale * rng.normal(uint64_t(from)); });
    backend_.upload(stages_[i].weight, packed.data(), packed.size() * sizeof(float));
    const LayerSpec& layer = plan_.spec.layers[s.layer];
    float neuron[2] = {layer.threshold, layer.leak};
    if (plan_.spec.code.kind == CodeKind::kTtfs) neuron[0] = layer.time_constant, neuron[1] = layer.delay;
    if (plan_.spec.code.kind == CodeKind::kRadix) neuron[0] = initial_step(plan_.spec.code);
    backend_.upload(stages_[i].neuron, neuron, sizeof neuron);
  }
}

Status Parameters::allocate_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (Status status = allocate_one(&stages_[i].d_weight, plan_.stages[i].parameters()); !status.ok()) return status;
    if (Status status = allocate_one(&stages_[i].d_bias, plan_.stages[i].out_cs); !status.ok()) return status;
  }
  Status status;
  each_array([&](ParameterArray& array) {
    if (status.ok()) status = array.allocate(TensorKind::kGradient);
  });
  place_neurons();
  return status;
}

Status Parameters::allocate_slots(int count) {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < count; ++slot) {
      if (Status status = allocate_one(&stages_[i].weight_slot[slot], plan_.stages[i].parameters()); !status.ok())
        return status;
      if (Status status = allocate_one(&stages_[i].bias_slot[slot], plan_.stages[i].out_cs); !status.ok())
        return status;
    }
  Status status;
  each_array([&](ParameterArray& array) {
    if (status.ok()) status = array.allocate_slots(count);
  });
  return status;
}

void Parameters::zero(float* values, int64_t count) { backend_.run(ZeroTask{values, size_t(count) * sizeof(float)}); }

int Parameters::slots() const {
  int count = 0;
  while (count < kOptimizerSlots && neurons_.at(slot_kind(count))) ++count;
  return count;
}

void Parameters::zero_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    zero(stages_[i].d_weight, plan_.stages[i].parameters());
    zero(stages_[i].d_bias, plan_.stages[i].out_cs);
  }
  each_array([](ParameterArray& array) { array.zero(TensorKind::kGradient); });
}

void Parameters::zero_slots() {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < kOptimizerSlots; ++slot) {
      if (!stages_[i].weight_slot[slot]) continue;
      zero(stages_[i].weight_slot[slot], plan_.stages[i].parameters());
      zero(stages_[i].bias_slot[slot], plan_.stages[i].out_cs);
    }
  each_array([](ParameterArray& array) { array.zero_slots(); });
}

namespace {

// kArg for a number that no neuron has, or that is out of the range of a code's parameter.
Status check_neuron(const std::string& name, float value) {
  const auto ends = [&](const char* with) { return name.size() > std::strlen(with) && name.ends_with(with); };
  const auto check = [&](bool right, const std::string& what) {
    return right ? Status::success()
                 : Status::error(Code::kArg,
                                 "Expected " + what + " for " + name + " but received " + std::to_string(value));
  };
  const auto within = [&](double low, double high) {
    return check(value >= low && value <= high, "a number from " + std::to_string(low) + " to " + std::to_string(high));
  };
  if (ends(".threshold")) return check(value > 0 && std::isfinite(value), "a positive threshold");
  if (ends(".leak")) return check(value >= 0 && value <= 1, "a leak in [0, 1]");
  if (ends(".time_constant")) return within(kMinTimeConstant, kMaxTimeConstant);
  if (ends(".delay")) return within(limits::kDelay.min, limits::kDelay.max);
  return within(kMinStep, kMaxStep);
}

// The array that holds a tensor kind; null where nothing was allocated yet, which reads as zeros.
float* array_of(const Parameters& parameters, TensorKind kind, const Where& at) {
  const StageParameters& p = parameters[at.stage];
  const Part part = at.part;
  if (part == Part::kNorm) return parameters.norm().array(at.stage, kind, at.norm);
  if (part == Part::kKappa) return parameters.schedules().at(kind, at.stage, Schedule::kKappa);
  if (part == Part::kTheta) return parameters.schedules().at(kind, at.stage, Schedule::kTheta);
  if (part == Part::kFirst || part == Part::kSecond) {
    float* const neurons = parameters.neurons().at(kind);
    return neurons ? neurons + 2 * at.stage + (part == Part::kSecond) : nullptr;
  }
  const auto of = [&](float* weight, float* bias) { return part == Part::kWeight ? weight : bias; };
  const auto slot = [&](int i) { return of(p.weight_slot[i], p.bias_slot[i]); };
  switch (kind) {
    case TensorKind::kParameter: return of(p.weight, p.bias);
    case TensorKind::kGradient: return of(p.d_weight, p.d_bias);
    case TensorKind::kSlot0: return slot(0);
    case TensorKind::kSlot1: return slot(1);
    case TensorKind::kSlot2: return slot(2);
    case TensorKind::kAverage: break;
  }
  return of(p.weight_average, p.bias_average);
}

}  // namespace

Status Parameters::read(TensorKind kind, int tensor, int64_t offset, int64_t count, float* into) const {
  const Where at = locate(plan_, tensor);
  const StageShape& s = plan_.stages[at.stage];
  const float* from = array_of(*this, kind, at);
  if (!from) {
    std::fill(into, into + count, 0.0f);
  } else if (at.part != Part::kWeight) {
    backend_.download(into, from + offset, size_t(count) * sizeof(float));
  } else {
    const PackedRange range = packed_range(s, offset, count);
    std::vector<float> packed(static_cast<size_t>(range.end - range.begin));
    backend_.download(packed.data(), from + range.begin, packed.size() * sizeof(float));
    each_weight(s, range.first, range.last, [&](int64_t torch, int64_t at) {
      if (torch >= offset && torch < offset + count) into[torch - offset] = packed[size_t(at - range.begin)];
    });
  }
  return backend_.finish();
}

Status Parameters::write(TensorKind kind, int tensor, int64_t offset, int64_t count, const float* from) {
  const Where at = locate(plan_, tensor);
  const StageShape& s = plan_.stages[at.stage];
  if (kind == TensorKind::kGradient) {
    if (Status status = allocate_gradients(); !status.ok()) return status;
  } else if (kind == TensorKind::kAverage) {
    if (Status status = allocate_average(); !status.ok()) return status;
  } else if (kind != TensorKind::kParameter) {
    if (Status status = allocate_slots(int(kind) - int(TensorKind::kSlot0) + 1); !status.ok()) return status;
  }
  const bool parameter = kind == TensorKind::kParameter;
  if (parameter && (at.part == Part::kFirst || at.part == Part::kSecond))
    if (Status status = check_neuron(plan_.tensors[tensor].name, *from); !status.ok()) return status;
  if (at.part == Part::kNorm)
    if (Status status = norm_.check(kind, at.norm, plan_.tensors[tensor].name, from, count); !status.ok())
      return status;
  if (parameter && (at.part == Part::kKappa || at.part == Part::kTheta))
    if (Status status = Schedules::check(plan_.tensors[tensor].name, offset, count, from); !status.ok()) return status;
  float* to = array_of(*this, kind, at);
  if (at.part != Part::kWeight) {
    backend_.upload(to + offset, from, size_t(count) * sizeof(float));
  } else {
    const PackedRange range = packed_range(s, offset, count);
    std::vector<float> packed(static_cast<size_t>(range.end - range.begin));
    backend_.download(packed.data(), to + range.begin, packed.size() * sizeof(float));  // what a part leaves as it is
    each_weight(s, range.first, range.last, [&](int64_t torch, int64_t at) {
      if (torch >= offset && torch < offset + count) packed[size_t(at - range.begin)] = from[torch - offset];
    });
    backend_.upload(to + range.begin, packed.data(), packed.size() * sizeof(float));
  }
  return backend_.finish();
}

void Parameters::squared_norm(double* total) {
  const auto add = [&](const float* values, int64_t count) { backend_.run(SquaredNormTask{total, values, count}); };
  for (size_t i = 0; i < stages_.size(); ++i) {
    add(stages_[i].d_weight, plan_.stages[i].parameters());
    if (plan_.stages[i].bias) add(stages_[i].d_bias, plan_.stages[i].out_cs);
  }
  each_array([&](const ParameterArray& array) { array.squared_norm(total); });
}

void Parameters::optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result) {
  const auto update = [&](float* weight, const float* gradient, float* const* slots, int64_t count,
                          const UpdateParams* params) {
    backend_.run(UpdateTask{.weight = weight,
                            .gradient = gradient,
                            .slots = {slots[0], slots[1], slots[2]},
                            .count = count,
                            .kind = kind,
                            .params = params,
                            .result = result});
  };
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageParameters& p = stages_[i];
    const StageShape& s = plan_.stages[i];
    update(p.weight, p.d_weight, p.weight_slot, s.parameters(), &inputs->weights);
    if (s.bias) update(p.bias, p.d_bias, p.bias_slot, s.out_cs, &inputs->biases);
  }
  // The step of radix is positive, and what is updated is its logarithm.
  neurons_.optimise(kind, &inputs->neurons, result, plan_.spec.code.kind == CodeKind::kRadix);
  backend_.run(ClampNeuronsTask{.neurons = neurons_.at(TensorKind::kParameter),
                                .count = int(stages_.size()),
                                .code = plan_.spec.code,
                                .result = result});
  norm_.optimise(kind, inputs, result);
  schedules_.optimise(kind, inputs, result);
}

}  // namespace onespike
