#include "core/state/parameters.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "ops/rng.h"

namespace onespike {
namespace {

enum class Part { kWeight, kBias, kThreshold, kLeak, kKappa, kTheta };

struct Where {
  size_t stage;
  Part part;
};

Where locate(const Plan& plan, int tensor) {
  int at = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    if (at++ == tensor) return {i, Part::kWeight};
    if (plan.stages[i].bias && at++ == tensor) return {i, Part::kBias};
    if (at++ == tensor) return {i, Part::kThreshold};
    if (at++ == tensor) return {i, Part::kLeak};
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
    const int64_t start = int64_t(tile.begin) * s.taps() * s.src_cs;
    const int end = std::min({tile.begin + tile.width, s.out_c, last});
    for (int block = std::max(tile.begin, first); block < end; block += kLane)
      for (int c = 0; c < s.src_c; ++c)
        for (int tap = 0; tap < s.taps(); ++tap)
          for (int o = block; o < std::min(block + kLane, end); ++o)
            f((int64_t(o) * s.src_c + c) * s.taps() + tap,
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
  const int64_t row = int64_t(s.src_c) * s.taps(), packed_row = int64_t(s.src_cs) * s.taps();
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
    for (int i = 0; i < StageParameters::kSlots; ++i)
      backend_.release(p.weight_slot[i]), backend_.release(p.bias_slot[i]);
  }
  drop_average();
  backend_.release(neurons_), backend_.release(d_neurons_);
  for (float* slot : neuron_slots_) backend_.release(slot);
}

Status Parameters::allocate_one(float** to, int64_t count) {
  if (*to) return Status::success();
  *to = static_cast<float*>(backend_.allocate(size_t(count) * sizeof(float)));
  if (!*to)
    return Status::error(
        Code::kOom, "Not enough memory for " + std::to_string(count * int64_t(sizeof(float))) + " bytes of parameters");
  bytes_ += count * int64_t(sizeof(float));
  return Status::success();
}

Status Parameters::allocate() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    if (Status status = allocate_one(&stages_[i].weight, s.weights()); !status.ok()) return status;
    if (Status status = allocate_one(&stages_[i].bias, s.out_cs); !status.ok()) return status;
  }
  if (Status status = allocate_one(&neurons_, neurons()); !status.ok()) return status;
  if (Status status = schedules_.allocate(); !status.ok()) return status;
  for (size_t i = 0; i < stages_.size(); ++i) stages_[i].neuron = neurons_ + 2 * i;
  initialise();
  return backend_.finish();
}

// A whole number of vectors; what follows the last stage is zero and of no use.
int64_t Parameters::neurons() const { return round_up(2 * int(stages_.size()), kLane); }

// Normal with variance 2/fan_in (He et al. 2015), biases zero: one stream per layer of the list.
void Parameters::initialise() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    const Rng rng = Rng::of(plan_.spec.seed, Stream::kWeights, s.layer);
    const float scale = std::sqrt(2.0f / (float(s.taps()) * float(s.src_c)));
    std::vector<float> packed(size_t(s.weights()), 0.0f);
    each_weight(s, 0, s.out_c,
                [&](int64_t from, int64_t to) { packed[size_t(to)] = scale * rng.normal(uint64_t(from)); });
    backend_.upload(stages_[i].weight, packed.data(), packed.size() * sizeof(float));
    const LayerSpec& layer = plan_.spec.layers[s.layer];
    const float neuron[2] = {layer.threshold, layer.leak};
    backend_.upload(stages_[i].neuron, neuron, sizeof neuron);
  }
}

Status Parameters::allocate_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (Status status = allocate_one(&stages_[i].d_weight, plan_.stages[i].weights()); !status.ok()) return status;
    if (Status status = allocate_one(&stages_[i].d_bias, plan_.stages[i].out_cs); !status.ok()) return status;
  }
  if (Status status = allocate_one(&d_neurons_, neurons()); !status.ok()) return status;
  for (size_t i = 0; i < stages_.size(); ++i) stages_[i].d_neuron = d_neurons_ + 2 * i;
  return schedules_.allocate_gradients();
}

Status Parameters::allocate_slots(int count) {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < count; ++slot) {
      if (Status status = allocate_one(&stages_[i].weight_slot[slot], plan_.stages[i].weights()); !status.ok())
        return status;
      if (Status status = allocate_one(&stages_[i].bias_slot[slot], plan_.stages[i].out_cs); !status.ok())
        return status;
    }
  for (int slot = 0; slot < count; ++slot) {
    if (Status status = allocate_one(&neuron_slots_[slot], neurons()); !status.ok()) return status;
    for (size_t i = 0; i < stages_.size(); ++i) stages_[i].neuron_slot[slot] = neuron_slots_[slot] + 2 * i;
  }
  return schedules_.allocate_slots(count);
}

void Parameters::zero(float* values, int64_t count) { backend_.run(ZeroTask{values, size_t(count) * sizeof(float)}); }

int Parameters::slots() const {
  return int(std::count_if(std::begin(neuron_slots_), std::end(neuron_slots_), [](const float* slot) { return slot; }));
}

void Parameters::zero_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    zero(stages_[i].d_weight, plan_.stages[i].weights());
    zero(stages_[i].d_bias, plan_.stages[i].out_cs);
  }
  zero(d_neurons_, neurons());
  schedules_.zero_gradients();
}

void Parameters::zero_slots() {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < StageParameters::kSlots; ++slot) {
      if (!stages_[i].weight_slot[slot]) continue;
      zero(stages_[i].weight_slot[slot], plan_.stages[i].weights());
      zero(stages_[i].bias_slot[slot], plan_.stages[i].out_cs);
    }
  for (float* slot : neuron_slots_)
    if (slot) zero(slot, neurons());
  schedules_.zero_slots();
}

namespace {

// The array that holds a tensor kind; null where nothing was allocated yet, which reads as zeros.
float* array_of(const Parameters& parameters, TensorKind kind, const Where& at) {
  const StageParameters& p = parameters[at.stage];
  const Part part = at.part;
  if (part == Part::kKappa) return parameters.schedules().at(kind, at.stage, Schedule::kKappa);
  if (part == Part::kTheta) return parameters.schedules().at(kind, at.stage, Schedule::kTheta);
  const auto of = [&](float* weight, float* bias, float* neuron) {
    if (part == Part::kWeight) return weight;
    if (part == Part::kBias) return bias;
    return neuron && part == Part::kLeak ? neuron + 1 : neuron;
  };
  const auto slot = [&](int i) { return of(p.weight_slot[i], p.bias_slot[i], p.neuron_slot[i]); };
  switch (kind) {
    case TensorKind::kParameter: return of(p.weight, p.bias, p.neuron);
    case TensorKind::kGradient: return of(p.d_weight, p.d_bias, p.d_neuron);
    case TensorKind::kSlot0: return slot(0);
    case TensorKind::kSlot1: return slot(1);
    case TensorKind::kSlot2: return slot(2);
    case TensorKind::kAverage: break;
  }
  return of(p.weight_average, p.bias_average, p.neuron_average);
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
  if (parameter && at.part == Part::kThreshold && !(*from > 0 && std::isfinite(*from)))
    return Status::error(Code::kArg, "Expected a positive threshold for " + plan_.tensors[tensor].name +
                                         " but received " + std::to_string(*from));
  if (parameter && at.part == Part::kLeak && !(*from >= 0 && *from <= 1))
    return Status::error(Code::kArg, "Expected a leak in [0, 1] for " + plan_.tensors[tensor].name + " but received " +
                                         std::to_string(*from));
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

void Parameters::squared_norm(double* total) const {
  const auto add = [&](const float* values, int64_t count) { backend_.run(SquaredNormTask{total, values, count}); };
  for (size_t i = 0; i < stages_.size(); ++i) {
    add(stages_[i].d_weight, plan_.stages[i].weights());
    if (plan_.stages[i].bias) add(stages_[i].d_bias, plan_.stages[i].out_cs);
  }
  add(d_neurons_, neurons());
  schedules_.squared_norm(total);
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
    update(p.weight, p.d_weight, p.weight_slot, s.weights(), &inputs->weights);
    if (s.bias) update(p.bias, p.d_bias, p.bias_slot, s.out_cs, &inputs->biases);
  }
  update(neurons_, d_neurons_, neuron_slots_, neurons(), &inputs->neurons);
  backend_.run(ClampNeuronsTask{neurons_, int(stages_.size()), result});
  schedules_.optimise(kind, inputs, result);
}

namespace {

// Every factor is computed in double precision and rounded once.
UpdateParams update_params(const OptimizerOptions& o, int64_t step, float learning_rate, float weight_decay) {
  const double rate = learning_rate;
  const float correction1 = float(1 - std::pow(double(o.beta1), double(step)));
  const float correction2 = float(1 - std::pow(double(o.beta2), double(step)));
  UpdateParams p;
  p.learning_rate = learning_rate, p.momentum = o.momentum;
  p.weight_decay = weight_decay, p.shrink = float(1 - rate * weight_decay);
  p.beta1 = o.beta1, p.beta2 = o.beta2, p.epsilon = o.epsilon;
  p.rest1 = float(1 - double(o.beta1)), p.rest2 = float(1 - double(o.beta2));
  p.corrected_rate = float(rate / correction1);
  p.inverse_root = float(1 / std::sqrt(double(correction2)));
  p.nesterov = o.nesterov, p.decoupled = o.kind == OptimizerKind::kAdamW, p.amsgrad = o.amsgrad;
  return p;
}

// The first step replaces the average, and those after it average over so many steps that those of the beginning are
// soon forgotten, until the decay that was asked for is reached: 1/11 after 2 steps, 0.9 after 91.
double average_decay(float asked, int64_t step) { return std::min(double(asked), double(step - 1) / double(step + 9)); }

}  // namespace

StepInputs update_inputs(const OptimizerOptions& o, int64_t step) {
  StepInputs inputs;
  inputs.weights = update_params(o, step, o.learning_rate, o.weight_decay);
  inputs.biases = update_params(o, step, o.learning_rate, 0);
  inputs.neurons = update_params(o, step, o.neuron_learning_rate, 0);
  inputs.clip_norm = o.clip_norm;
  const double decay = average_decay(o.average, step);
  inputs.average_decay = float(decay), inputs.average_rest = float(1 - decay);
  return inputs;
}

}  // namespace onespike
