#include "core/state/schedules.h"

#include <vector>

namespace onespike {

Schedules::Schedules(const Plan& plan, Backend& backend)
    : stride_(round_up(plan.spec.timesteps, kLane)),
      backend_(backend),
      array_(backend, plan.spec.schedules ? int64_t(plan.stages.size()) * 2 * stride_ : 0, "schedules") {}

Status Schedules::allocate() {
  if (Status status = array_.allocate(TensorKind::kParameter); !status.ok() || array_.count() == 0) return status;
  const std::vector<float> ones(static_cast<size_t>(array_.count()), 1.0f);
  backend_.upload(array_.at(TensorKind::kParameter), ones.data(), ones.size() * sizeof(float));
  return Status::success();
}

float* Schedules::at(TensorKind kind, size_t stage, Schedule which) const {
  float* const first = array_.at(kind);
  return first ? first + (2 * int64_t(stage) + int(which)) * stride_ : nullptr;
}

Status Schedules::check(const std::string& name, int64_t offset, int64_t count, const float* values) {
  for (int64_t i = 0; i < count; ++i)
    if (!limits::kSchedule.holds(values[i]))
      return Status::error(Code::kArg, "Expected a number from 2^-20 to 2^20 for " + name + "[" +
                                           std::to_string(offset + i) + "] but received " + std::to_string(values[i]));
  return Status::success();
}

}  // namespace onespike
