#include "core/parameters.h"

#include <algorithm>
#include <cmath>

#include "ops/rng.h"

namespace onespike {
namespace {

constexpr float kMinThreshold = 1e-3f;  // SPEC section 6.3

enum class Part { kWeight, kBias, kThreshold, kLeak };

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
  }
  return {0, Part::kWeight};
}

// Calls f(index in PyTorch's (O, I, kh, kw), index in the packed tensor) for every weight. A linear layer's I runs over
// (C, H, W) of the pooled map, which is its kernel.
template <class F>
void each_weight(const StageShape& s, const F& f) {
  for (const Tile& tile : tiles_of(s.out_cs))
    for (int o = tile.begin; o < std::min(tile.begin + tile.width, s.out_c); ++o)
      for (int c = 0; c < s.src_c; ++c)
        for (int tap = 0; tap < s.taps(); ++tap)
          f((int64_t(o) * s.src_c + c) * s.taps() + tap,
            int64_t(tile.begin) * s.taps() * s.src_cs + (int64_t(tap) * s.src_cs + c) * tile.width + (o - tile.begin));
}

}  // namespace

Parameters::~Parameters() {
  for (StageParameters& p : stages_) {
    for (float* memory : {p.weight, p.bias, p.d_weight, p.d_bias}) backend_.release(memory);
    for (int i = 0; i < StageParameters::kSlots; ++i) backend_.release(p.weight_slot[i]), backend_.release(p.bias_slot[i]);
  }
}

Status Parameters::allocate_one(float** to, int64_t count) {
  if (*to) return Status::success();
  *to = static_cast<float*>(backend_.allocate(size_t(count) * sizeof(float)));
  if (!*to) return Status::error(Code::kOom, "Not enough memory for " + std::to_string(count * int64_t(sizeof(float))) + " bytes of parameters");
  bytes_ += count * int64_t(sizeof(float));
  return Status::success();
}

Status Parameters::allocate() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    if (Status status = allocate_one(&stages_[i].weight, s.weights()); !status.ok()) return status;
    if (Status status = allocate_one(&stages_[i].bias, s.out_cs); !status.ok()) return status;
    const LayerSpec& layer = plan_.spec.layers[s.layer];
    stages_[i].neuron[0] = layer.threshold, stages_[i].neuron[1] = layer.leak;
  }
  initialise();
  return Status::success();
}

// Normal with variance 2/fan_in (He et al. 2015), biases zero: one stream per layer of the list.
void Parameters::initialise() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    const Rng rng = Rng::of(plan_.spec.seed, 0x77656967, uint64_t(s.layer));
    const float scale = std::sqrt(2.0f / (float(s.taps()) * float(s.src_c)));
    std::vector<float> packed(size_t(s.weights()), 0.0f);
    each_weight(s, [&](int64_t from, int64_t to) { packed[size_t(to)] = scale * rng.normal(uint64_t(from)); });
    backend_.upload(stages_[i].weight, packed.data(), packed.size() * sizeof(float));
  }
}

Status Parameters::allocate_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (Status status = allocate_one(&stages_[i].d_weight, plan_.stages[i].weights()); !status.ok()) return status;
    if (Status status = allocate_one(&stages_[i].d_bias, plan_.stages[i].out_cs); !status.ok()) return status;
  }
  return Status::success();
}

Status Parameters::allocate_slots(int count) {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < count; ++slot) {
      if (Status status = allocate_one(&stages_[i].weight_slot[slot], plan_.stages[i].weights()); !status.ok()) return status;
      if (Status status = allocate_one(&stages_[i].bias_slot[slot], plan_.stages[i].out_cs); !status.ok()) return status;
    }
  return Status::success();
}

void Parameters::zero_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    backend_.zero(stages_[i].d_weight, size_t(plan_.stages[i].weights()) * sizeof(float));
    backend_.zero(stages_[i].d_bias, size_t(plan_.stages[i].out_cs) * sizeof(float));
    stages_[i].d_neuron[0] = stages_[i].d_neuron[1] = 0;
  }
}

void Parameters::zero_slots() {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < StageParameters::kSlots; ++slot) {
      if (stages_[i].weight_slot[slot]) {
        backend_.zero(stages_[i].weight_slot[slot], size_t(plan_.stages[i].weights()) * sizeof(float));
        backend_.zero(stages_[i].bias_slot[slot], size_t(plan_.stages[i].out_cs) * sizeof(float));
      }
      stages_[i].neuron_slot[slot][0] = stages_[i].neuron_slot[slot][1] = 0;
    }
}

namespace {

// The array that holds a tensor kind; null where nothing was allocated yet, which reads as zeros.
float* array_of(const StageParameters& p, TensorKind kind, Part part) {
  const bool weight = part == Part::kWeight;
  switch (kind) {
    case TensorKind::kParameter: return weight ? p.weight : p.bias;
    case TensorKind::kGradient: return weight ? p.d_weight : p.d_bias;
    default: {
      const int slot = int(kind) - int(TensorKind::kSlot0);
      return weight ? p.weight_slot[slot] : p.bias_slot[slot];
    }
  }
}

const float* scalar_of(const StageParameters& p, TensorKind kind, Part part) {
  const int which = part == Part::kLeak;
  switch (kind) {
    case TensorKind::kParameter: return &p.neuron[which];
    case TensorKind::kGradient: return &p.d_neuron[which];
    default: return &p.neuron_slot[int(kind) - int(TensorKind::kSlot0)][which];
  }
}

}  // namespace

Status Parameters::read(TensorKind kind, int tensor, float* into) const {
  const Where at = locate(plan_, tensor);
  const StageParameters& p = stages_[at.stage];
  const StageShape& s = plan_.stages[at.stage];
  if (at.part == Part::kThreshold || at.part == Part::kLeak) {
    *into = *scalar_of(p, kind, at.part);
    return Status::success();
  }
  const float* from = array_of(p, kind, at.part);
  if (!from) {
    std::fill(into, into + plan_.tensors[tensor].size, 0.0f);
  } else if (at.part == Part::kBias) {
    backend_.download(into, from, size_t(s.out_c) * sizeof(float));
  } else {
    std::vector<float> packed(static_cast<size_t>(s.weights()));
    backend_.download(packed.data(), from, packed.size() * sizeof(float));
    each_weight(s, [&](int64_t torch, int64_t at) { into[torch] = packed[size_t(at)]; });
  }
  return Status::success();
}

Status Parameters::write(TensorKind kind, int tensor, const float* from) {
  const Where at = locate(plan_, tensor);
  StageParameters& p = stages_[at.stage];
  const StageShape& s = plan_.stages[at.stage];
  if (kind == TensorKind::kGradient) {
    if (Status status = allocate_gradients(); !status.ok()) return status;
  } else if (kind != TensorKind::kParameter) {
    if (Status status = allocate_slots(int(kind) - int(TensorKind::kSlot0) + 1); !status.ok()) return status;
  }
  if (at.part == Part::kThreshold || at.part == Part::kLeak) {
    const float value = *from;
    const bool parameter = kind == TensorKind::kParameter;
    if (parameter && at.part == Part::kThreshold && !(value > 0 && std::isfinite(value)))
      return Status::error(Code::kArg, "Expected a positive threshold for " + plan_.tensors[tensor].name + " but received " + std::to_string(value));
    if (parameter && at.part == Part::kLeak && !(value >= 0 && value <= 1))
      return Status::error(Code::kArg, "Expected a leak in [0, 1] for " + plan_.tensors[tensor].name + " but received " + std::to_string(value));
    *const_cast<float*>(scalar_of(p, kind, at.part)) = value;
    return Status::success();
  }
  float* to = array_of(p, kind, at.part);
  if (at.part == Part::kBias) {
    backend_.upload(to, from, size_t(s.out_c) * sizeof(float));
  } else {
    std::vector<float> packed(size_t(s.weights()), 0.0f);
    each_weight(s, [&](int64_t torch, int64_t at) { packed[size_t(at)] = from[torch]; });
    backend_.upload(to, packed.data(), packed.size() * sizeof(float));
  }
  return Status::success();
}

double Parameters::squared_norm() const {
  double sum = 0;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageParameters& p = stages_[i];
    sum += backend_.squared_norm(p.d_weight, plan_.stages[i].weights());
    if (plan_.stages[i].bias) sum += backend_.squared_norm(p.d_bias, plan_.stages[i].out_cs);
    for (float g : p.d_neuron) sum += double(g) * g;
  }
  return sum;
}

void Parameters::optimise(const OptimizerOptions& o, int64_t step, double gradient_scale) {
  UpdateParams base;
  base.learning_rate = o.learning_rate, base.momentum = o.momentum;
  base.beta1 = o.beta1, base.beta2 = o.beta2, base.epsilon = o.epsilon;
  base.gradient_scale = float(gradient_scale);
  base.correction1 = float(1 - std::pow(double(o.beta1), double(step)));
  base.correction2 = float(1 - std::pow(double(o.beta2), double(step)));
  base.decoupled = o.kind == OptimizerKind::kAdamW, base.amsgrad = o.amsgrad;
  UpdateParams weights = base, neurons = base;
  weights.weight_decay = o.weight_decay;
  neurons.learning_rate = o.neuron_learning_rate;

  for (size_t i = 0; i < stages_.size(); ++i) {
    StageParameters& p = stages_[i];
    const StageShape& s = plan_.stages[i];
    backend_.update(p.weight, p.d_weight, p.weight_slot[0], p.weight_slot[1], p.weight_slot[2], s.weights(), o.kind, weights);
    if (s.bias) backend_.update(p.bias, p.d_bias, p.bias_slot[0], p.bias_slot[1], p.bias_slot[2], s.out_cs, o.kind, base);
    for (int j = 0; j < 2; ++j) {
      struct ScalarSqrt : ScalarMath<float> {
        static float sqrt(float x) { return std::sqrt(x); }
      };
      auto& slot = p.neuron_slot;
      if (o.kind == OptimizerKind::kSgd) sgd_update<ScalarSqrt>(p.neuron[j], p.d_neuron[j], slot[0][j], neurons);
      else adam_update<ScalarSqrt>(p.neuron[j], p.d_neuron[j], slot[0][j], slot[1][j], slot[2][j], neurons);
    }
    p.neuron[0] = std::max(p.neuron[0], kMinThreshold);
    p.neuron[1] = std::clamp(p.neuron[1], 0.0f, 1.0f);
  }
}

}  // namespace onespike
