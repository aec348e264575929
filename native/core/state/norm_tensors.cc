#include "core/state/norm_tensors.h"

#include <algorithm>
#include <string>

namespace onespike {
namespace {

bool is_running(int tensor) { return tensor >= 2; }

int64_t numbers_of(const Plan& plan) {
  int64_t count = 0;
  for (const StageShape& s : plan.stages) count += s.norm ? 2 * s.out_cs : 0;
  return count;
}

}  // namespace

NormTensors::NormTensors(const Plan& plan, Backend& backend)
    : plan_(plan),
      backend_(backend),
      affine_(backend, numbers_of(plan), "normalisation"),
      running_(backend, numbers_of(plan), "normalisation") {
  int64_t offset = 0;
  for (const StageShape& s : plan.stages) {
    offsets_.push_back(offset);
    offset += s.norm ? 2 * s.out_cs : 0;
  }
}

Status NormTensors::allocate() {
  if (Status status = affine_.allocate(TensorKind::kParameter); !status.ok()) return status;
  if (Status status = running_.allocate(TensorKind::kParameter); !status.ok()) return status;
  for (size_t i = 0; i < offsets_.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    if (!s.norm) continue;
    const StageNorm norm = (*this)[i];
    std::vector<float> affine(size_t(2 * s.out_cs), 0.0f), running(size_t(2 * s.out_cs), 0.0f);
    std::fill_n(affine.begin(), s.out_c, 1.0f);
    std::fill_n(running.begin() + s.out_cs, s.out_cs, 1.0f);
    backend_.upload(norm.affine, affine.data(), affine.size() * sizeof(float));
    backend_.upload(norm.running, running.data(), running.size() * sizeof(float));
  }
  return Status::success();
}

StageNorm NormTensors::operator[](size_t stage) const {
  return {array(stage, TensorKind::kParameter, 0), array(stage, TensorKind::kParameter, 2),
          array(stage, TensorKind::kGradient, 0)};
}

float* NormTensors::array(size_t stage, TensorKind kind, int tensor) const {
  float* const all = (is_running(tensor) ? running_ : affine_).at(kind);
  if (!all || !plan_.stages[stage].norm) return nullptr;
  return all + offsets_[stage] + (tensor % 2 == 1 ? plan_.stages[stage].out_cs : 0);
}

Status NormTensors::check(TensorKind kind, int tensor, const std::string& name, const float* values,
                          int64_t count) const {
  if (kind != TensorKind::kParameter && kind != TensorKind::kAverage)
    return is_running(tensor) ? Status::error(Code::kArg, "Expected a trained tensor but received " + name)
                              : Status::success();
  const float* wrong = std::find_if(values, values + count, [](float value) { return !(value >= 0); });
  if (tensor != kNormTensorCount - 1 || wrong == values + count) return Status::success();
  return Status::error(Code::kArg,
                       "Expected a variance of at least 0 for " + name + " but received " + std::to_string(*wrong));
}

}  // namespace onespike
