#include "core/state/parameters.h"

#include <cmath>

#include "core/tensors/packing.h"
#include "ops/rng.h"

namespace onespike {
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
  if (Status status = genes_.allocate(); !status.ok()) return status;
  place_neurons();
  initialise();
  grow(TensorKind::kParameter);
  return backend_.finish();
}

// Normal with the variance of initial_variance, biases zero: one stream per layer of the list.
void Parameters::initialise() {
  for (size_t i = 0; i < stages_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    const Rng rng = Rng::of(plan_.spec.seed, Stream::kWeights, s.layer);
    const float scale = std::sqrt(initial_variance(s));
    if (!plan_.genetic(i)) {
      std::vector<float> packed(size_t(s.parameters()), 0.0f);
      each_weight(s, 0, s.out_c,
                  [&](int64_t from, int64_t to) { packed[size_t(to)] = scale * rng.normal(uint64_t(from)); });
      backend_.upload(stages_[i].weight, packed.data(), packed.size() * sizeof(float));
    }
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
  Status status = genes_.allocate_gradients();
  each_array([&](ParameterArray& array) {
    if (status.ok()) status = array.allocate(TensorKind::kGradient);
  });
  place_neurons();
  return status;
}

Status Parameters::allocate_slots(int count) {
  for (size_t i = 0; i < stages_.size(); ++i)
    for (int slot = 0; slot < count; ++slot) {
      float*& weight = stages_[i].weight_slot[slot];
      if (!plan_.genetic(i))  // an optimiser updates the genes instead
        if (Status status = allocate_one(&weight, plan_.stages[i].parameters()); !status.ok()) return status;
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
      float *const weight = stages_[i].weight_slot[slot], *const bias = stages_[i].bias_slot[slot];
      if (weight) zero(weight, plan_.stages[i].parameters());
      if (bias) zero(bias, plan_.stages[i].out_cs);
    }
  each_array([](ParameterArray& array) { array.zero_slots(); });
}

void Parameters::squared_norm(double* total) {
  const auto add = [&](const float* values, int64_t count) { backend_.run(SquaredNormTask{total, values, count}); };
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!plan_.genetic(i)) add(stages_[i].d_weight, plan_.stages[i].parameters());
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
    if (!plan_.genetic(i)) update(p.weight, p.d_weight, p.weight_slot, s.parameters(), &inputs->weights);
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
  genes_.optimise(kind, inputs, result);
}

void Parameters::grow(TensorKind kind) {
  for (size_t i = 0; i < stages_.size(); ++i)
    if (plan_.genetic(i))
      genes_.grow(kind, i, kind == TensorKind::kParameter ? stages_[i].weight : stages_[i].weight_average);
}

void Parameters::refresh(TensorKind kind) {
  if (kind != TensorKind::kParameter && kind != TensorKind::kAverage) return;
  bool& stale = stale_[kind == TensorKind::kAverage];
  if (stale) grow(kind);
  stale = false;
}

void Parameters::push_gene_gradients() {
  for (size_t i = 0; i < stages_.size(); ++i)
    if (plan_.genetic(i)) genes_.push(i, stages_[i].d_weight);
}

}  // namespace onespike
