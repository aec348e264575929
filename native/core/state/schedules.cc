#include "core/state/schedules.h"

#include <vector>

namespace onespike {
namespace {

int64_t stride(const Plan& plan) { return round_up(plan.spec.timesteps, kLane); }

}  // namespace

Schedules::~Schedules() {
  for (float* memory : {values_, gradients_, average_, slots_[0], slots_[1], slots_[2]}) backend_.release(memory);
}

int64_t Schedules::count() const { return plan_.spec.schedules ? int64_t(plan_.stages.size()) * 2 * stride(plan_) : 0; }

Status Schedules::allocate_one(float** to) {
  if (*to || count() == 0) return Status::success();
  const int64_t size = count() * int64_t(sizeof(float));
  *to = static_cast<float*>(backend_.allocate(size_t(size)));
  if (!*to) return Status::error(Code::kOom, "Not enough memory for " + std::to_string(size) + " bytes of schedules");
  bytes_ += size;
  return Status::success();
}

Status Schedules::allocate() {
  if (Status status = allocate_one(&values_); !status.ok() || !values_) return status;
  const std::vector<float> ones(static_cast<size_t>(count()), 1.0f);
  backend_.upload(values_, ones.data(), ones.size() * sizeof(float));
  return Status::success();
}

Status Schedules::allocate_slots(int count) {
  for (int slot = 0; slot < count; ++slot)
    if (Status status = allocate_one(&slots_[slot]); !status.ok()) return status;
  return Status::success();
}

void Schedules::zero(float* values) {
  if (values) backend_.run(ZeroTask{values, size_t(count()) * sizeof(float)});
}

void Schedules::zero_slots() {
  for (float* slot : slots_) zero(slot);
}

float* Schedules::at(TensorKind kind, size_t stage, Schedule which) const {
  const auto array = [&]() -> float* {
    switch (kind) {
      case TensorKind::kParameter: return values_;
      case TensorKind::kGradient: return gradients_;
      case TensorKind::kSlot0: return slots_[0];
      case TensorKind::kSlot1: return slots_[1];
      case TensorKind::kSlot2: return slots_[2];
      case TensorKind::kAverage: break;
    }
    return average_;
  };
  float* const first = array();
  return first ? first + (2 * int64_t(stage) + int(which)) * stride(plan_) : nullptr;
}

void Schedules::squared_norm(double* total) const {
  if (gradients_) backend_.run(SquaredNormTask{total, gradients_, count()});
}

void Schedules::optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result) {
  if (count() == 0) return;
  backend_.run(UpdateTask{.weight = values_,
                          .gradient = gradients_,
                          .slots = {slots_[0], slots_[1], slots_[2]},
                          .count = count(),
                          .kind = kind,
                          .logarithmic = true,
                          .params = &inputs->neurons,
                          .result = result});
}

Status Schedules::check(const std::string& name, int64_t offset, int64_t count, const float* values) {
  for (int64_t i = 0; i < count; ++i)
    if (!(values[i] >= kMinSchedule && values[i] <= kMaxSchedule))
      return Status::error(Code::kArg, "Expected a number from 2^-20 to 2^20 for " + name + "[" +
                                           std::to_string(offset + i) + "] but received " + std::to_string(values[i]));
  return Status::success();
}

}  // namespace onespike
