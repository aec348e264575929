// Tensors of the parameters as callers name them, in PyTorch's layout: where they lie, reading and writing.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/state/parameters.h"
#include "core/tensors/packing.h"

namespace onespike {
namespace {

// First and second are threshold and leak, or what a code has in their place.
enum class Part { kWeight, kBias, kNorm, kFirst, kSecond, kKappa, kTheta, kGene };

struct Where {
  size_t stage;
  Part part;
  int norm = 0;  // of the tensors of the normalisation
  GeneTensor gene = {};
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
    using enum GeneTensor::Part;
    if (plan.expresses(i) && at++ == tensor) return {i, Part::kGene, 0, {kExpression, i}};
    if (plan.genetic(i) && at++ == tensor) return {i, Part::kGene, 0, {kScale, i}};
  }
  return {0, Part::kGene, 0, {GeneTensor::Part::kInteraction, size_t(tensor - at)}};
}

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
  if (at.part == Part::kGene) {
    genes_.read(kind, at.gene, offset, count, into);
    return backend_.finish();
  }
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
  const bool parameter = kind == TensorKind::kParameter, average = kind == TensorKind::kAverage;
  if (at.part == Part::kGene) {
    if (Status status = genes_.write(kind, at.gene, offset, count, from, plan_.tensors[tensor].name); !status.ok())
      return status;
    if (parameter || average) stale_[average] = true;
    return backend_.finish();
  }
  if (at.part == Part::kWeight && plan_.genetic(at.stage)) {
    if (parameter || average) return Status::success();
    return Status::error(Code::kArg, "Expected a trained tensor but received " + plan_.tensors[tensor].name);
  }
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

}  // namespace onespike
