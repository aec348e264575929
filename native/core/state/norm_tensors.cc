#include "core/state/norm_tensors.h"

#include <algorithm>
#include <string>

namespace onespike {
namespace {

bool is_running(int tensor) { return tensor >= 2; }

}  // namespace

NormTensors::NormTensors(const Plan& plan, Backend& backend)
    : plan_(plan), backend_(backend), stages_(plan.stages.size()) {
  for (const StageShape& s : plan.stages) count_ += s.norm ? 2 * s.out_cs : 0;
}

NormTensors::~NormTensors() {
  for (float* memory : {affine_, running_, d_affine_, affine_average_, running_average_}) backend_.release(memory);
  for (float* slot : slots_) backend_.release(slot);
}

template <class F>
void NormTensors::each(const F& f) {
  int64_t offset = 0;
  for (size_t i = 0; i < stages_.size(); ++i) {
    if (!plan_.stages[i].norm) continue;
    f(i, offset);
    offset += 2 * plan_.stages[i].out_cs;
  }
}

Status NormTensors::allocate_one(float** to) {
  if (*to || count_ == 0) return Status::success();
  const int64_t bytes = count_ * int64_t(sizeof(float));
  *to = static_cast<float*>(backend_.allocate(size_t(bytes)));
  if (!*to)
    return Status::error(Code::kOom, "Not enough memory for " + std::to_string(bytes) + " bytes of normalisation");
  bytes_ += bytes;
  return Status::success();
}

Status NormTensors::allocate() {
  if (Status status = allocate_one(&affine_); !status.ok()) return status;
  if (Status status = allocate_one(&running_); !status.ok()) return status;
  each([&](size_t i, int64_t offset) {
    const StageShape& s = plan_.stages[i];
    stages_[i].affine = affine_ + offset, stages_[i].running = running_ + offset;
    std::vector<float> affine(size_t(2 * s.out_cs), 0.0f), running(size_t(2 * s.out_cs), 0.0f);
    std::fill_n(affine.begin(), s.out_c, 1.0f);
    std::fill_n(running.begin() + s.out_cs, s.out_cs, 1.0f);
    backend_.upload(stages_[i].affine, affine.data(), affine.size() * sizeof(float));
    backend_.upload(stages_[i].running, running.data(), running.size() * sizeof(float));
  });
  return Status::success();
}

Status NormTensors::allocate_gradients() {
  if (Status status = allocate_one(&d_affine_); !status.ok()) return status;
  each([&](size_t i, int64_t offset) { stages_[i].d_affine = d_affine_ + offset; });
  return Status::success();
}

Status NormTensors::allocate_slots(int count) {
  for (int slot = 0; slot < count; ++slot) {
    if (Status status = allocate_one(&slots_[slot]); !status.ok()) return status;
    each([&](size_t i, int64_t offset) { stages_[i].affine_slot[slot] = slots_[slot] + offset; });
  }
  return Status::success();
}

void NormTensors::place_averages() {
  each([&](size_t i, int64_t offset) {
    const auto at = [&](float* array) { return array ? array + offset : nullptr; };
    stages_[i].affine = at(affine_), stages_[i].running = at(running_);
    stages_[i].affine_average = at(affine_average_), stages_[i].running_average = at(running_average_);
  });
}

void NormTensors::zero(float* values) {
  if (values) backend_.run(ZeroTask{values, size_t(count_) * sizeof(float)});
}

void NormTensors::zero_gradients() { zero(d_affine_); }

void NormTensors::zero_slots() {
  for (float* slot : slots_) zero(slot);
}

float* NormTensors::array(size_t stage, TensorKind kind, int tensor) const {
  const StageNorm& norm = stages_[stage];
  float* pair = nullptr;
  if (kind == TensorKind::kAverage) pair = is_running(tensor) ? norm.running_average : norm.affine_average;
  else if (is_running(tensor)) pair = kind == TensorKind::kParameter ? norm.running : nullptr;
  else if (kind == TensorKind::kParameter) pair = norm.affine;
  else if (kind == TensorKind::kGradient) pair = norm.d_affine;
  else pair = norm.affine_slot[int(kind) - int(TensorKind::kSlot0)];
  return pair && tensor % 2 == 1 ? pair + plan_.stages[stage].out_cs : pair;
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

void NormTensors::squared_norm(double* total) const {
  if (d_affine_) backend_.run(SquaredNormTask{total, d_affine_, count_});
}

void NormTensors::optimise(OptimizerKind kind, const StepInputs* inputs, const StepResult* result) {
  if (!affine_) return;
  backend_.run(UpdateTask{.weight = affine_,
                          .gradient = d_affine_,
                          .slots = {slots_[0], slots_[1], slots_[2]},
                          .count = count_,
                          .kind = kind,
                          .params = &inputs->biases,
                          .result = result});
}

}  // namespace onespike
