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
enum class Part { kWeight, kBias, kNorm, kFirst, kSecond, kKappa, kTheta, kGenes, kGeneScale };

struct Where {
  size_t stage;
  Part part;
  int norm = 0;  // of the tensors of the normalisation
  GeneMatrix genes = {};

  // Whether the array has padding within the tensor.
  bool padded() const { return part == Part::kWeight || part == Part::kGenes; }
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
    if (plan.expresses(i) && at++ == tensor) return {i, Part::kGenes, 0, {GeneMatrix::Part::kExpression, i}};
    if (plan.genetic(i) && at++ == tensor) return {i, Part::kGeneScale};
  }
  return {0, Part::kGenes, 0, {GeneMatrix::Part::kInteraction, size_t(tensor - at)}};
}

// kArg for a number that no neuron has, or that is out of the range of a code's parameter or of a scale of genes.
Status check_number(const std::string& name, float value) {
  const auto ends = [&](const char* with) { return name.size() > std::strlen(with) && name.ends_with(with); };
  const auto check = [&](bool right, const std::string& what) {
    return right ? Status::success()
                 : Status::error(Code::kArg,
                                 "Expected " + what + " for " + name + " but received " + std::to_string(value));
  };
  const auto within = [&](const Limit& limit) {
    return check(limit.holds(value), "a number from " + std::to_string(limit.min) + " to " + std::to_string(limit.max));
  };
  if (ends(".threshold")) return check(value > 0 && std::isfinite(value), "a positive threshold");
  if (ends(".leak")) return check(value >= 0 && value <= 1, "a leak in [0, 1]");
  if (ends(".time_constant")) return within(limits::kTimeConstant);
  if (ends(".delay")) return within(limits::kDelay);
  if (ends(".gene_scale")) return check(limits::kSchedule.holds(value), "a number from 2^-20 to 2^20");
  return within(limits::kStep);
}

// The array that holds a tensor kind; null where nothing was allocated yet, which reads as zeros.
float* array_of(const Parameters& parameters, TensorKind kind, const Where& at) {
  const StageParameters& p = parameters[at.stage];
  const Part part = at.part;
  if (part == Part::kNorm) return parameters.norm().array(at.stage, kind, at.norm);
  if (part == Part::kKappa) return parameters.schedules().at(kind, at.stage, Schedule::kKappa);
  if (part == Part::kTheta) return parameters.schedules().at(kind, at.stage, Schedule::kTheta);
  if (part == Part::kGenes) return parameters.genes().matrix(kind, at.genes);
  if (part == Part::kGeneScale) return parameters.genes().scale(kind, at.stage);
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

// What numbers [offset, offset + count) of a padded tensor take of its array: floats [begin, end).
struct Span {
  int64_t begin = 0, end = 0;
  size_t size() const { return size_t(end - begin); }
};

Span span_of(const Parameters& parameters, const StageShape& s, const Where& at, int64_t offset, int64_t count) {
  if (at.part == Part::kGenes) {
    const Genes& genes = parameters.genes();
    return {genes.place(at.genes, offset), genes.place(at.genes, offset + count - 1) + 1};
  }
  const PackedRange range = packed_range(s, offset, count);
  return {range.begin, range.end};
}

// Calls f(place after `offset`, place in the array) for each of these numbers.
template <class F>
void each_padded(const Parameters& parameters, const StageShape& s, const Where& at, int64_t offset, int64_t count,
                 const F& f) {
  if (at.part == Part::kGenes) {
    for (int64_t i = 0; i < count; ++i) f(i, parameters.genes().place(at.genes, offset + i));
    return;
  }
  const PackedRange range = packed_range(s, offset, count);
  each_weight(s, range.first, range.last, [&](int64_t torch, int64_t packed) {
    if (torch >= offset && torch < offset + count) f(torch - offset, packed);
  });
}

}  // namespace

Status Parameters::read(TensorKind kind, int tensor, int64_t offset, int64_t count, float* into) const {
  const Where at = locate(plan_, tensor);
  const StageShape& s = plan_.stages[at.stage];
  const float* from = array_of(*this, kind, at);
  if (!from) {
    std::fill(into, into + count, 0.0f);
  } else if (!at.padded()) {
    backend_.download(into, from + offset, size_t(count) * sizeof(float));
  } else {
    const Span span = span_of(*this, s, at, offset, count);
    std::vector<float> padded(span.size());
    backend_.download(padded.data(), from + span.begin, padded.size() * sizeof(float));
    each_padded(*this, s, at, offset, count,
                [&](int64_t i, int64_t place) { into[i] = padded[size_t(place - span.begin)]; });
  }
  return backend_.finish();
}

Status Parameters::write(TensorKind kind, int tensor, int64_t offset, int64_t count, const float* from) {
  const Where at = locate(plan_, tensor);
  const StageShape& s = plan_.stages[at.stage];
  const std::string& name = plan_.tensors[size_t(tensor)].name;
  BegunAverage begun(*this);
  if (kind == TensorKind::kGradient) {
    if (Status status = allocate_gradients(); !status.ok()) return status;
  } else if (kind == TensorKind::kAverage) {
    if (Status status = allocate_average(); !status.ok()) return status;
  } else if (kind != TensorKind::kParameter) {
    if (Status status = allocate_slots(int(kind) - int(TensorKind::kSlot0) + 1); !status.ok()) return status;
  }
  const bool parameter = kind == TensorKind::kParameter, average = kind == TensorKind::kAverage;
  if (at.part == Part::kWeight && plan_.genetic(at.stage)) {
    if (parameter || average) return Status::success();
    if (kind != TensorKind::kGradient)
      return Status::error(Code::kArg, "Expected a trained tensor but received " + name);
  }
  if (parameter && (at.part == Part::kFirst || at.part == Part::kSecond || at.part == Part::kGeneScale))
    if (Status status = check_number(name, *from); !status.ok()) return status;
  if (at.part == Part::kNorm)
    if (Status status = norm_.check(kind, at.norm, name, from, count); !status.ok()) return status;
  if (parameter && (at.part == Part::kKappa || at.part == Part::kTheta))
    if (Status status = Schedules::check(name, offset, count, from); !status.ok()) return status;
  float* to = array_of(*this, kind, at);
  if (!at.padded()) {
    backend_.upload(to + offset, from, size_t(count) * sizeof(float));
  } else {
    const Span span = span_of(*this, s, at, offset, count);
    std::vector<float> padded(span.size());
    backend_.download(padded.data(), to + span.begin, padded.size() * sizeof(float));  // what a part leaves as it is
    each_padded(*this, s, at, offset, count,
                [&](int64_t i, int64_t place) { padded[size_t(place - span.begin)] = from[i]; });
    backend_.upload(to + span.begin, padded.data(), padded.size() * sizeof(float));
  }
  if ((parameter || average) && (at.part == Part::kGenes || at.part == Part::kGeneScale)) stale_[average] = true;
  const Status status = backend_.finish();
  if (status.ok()) begun.stays();
  return status;
}

}  // namespace onespike
