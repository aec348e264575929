#include "core/state/parameter_array.h"

#include <string>

namespace onespike {

Status allocate_array(Backend& backend, float** to, int64_t count, const char* what, int64_t* bytes) {
  if (*to) return Status::success();
  const int64_t size = count * int64_t(sizeof(float));
  *to = static_cast<float*>(backend.allocate(size_t(size)));
  if (!*to) return Status::error(Code::kOom, "Not enough memory for " + std::to_string(size) + " bytes of " + what);
  *bytes += size;
  return Status::success();
}

ParameterArray::~ParameterArray() {
  for (float* array : arrays_) backend_.release(array);
}

Status ParameterArray::allocate(TensorKind kind) {
  if (count_ == 0) return Status::success();
  return allocate_array(backend_, &arrays_[size_t(kind)], count_, what_, &bytes_);
}

Status ParameterArray::allocate_slots(int slots) {
  for (int slot = 0; slot < slots; ++slot)
    if (Status status = allocate(slot_kind(slot)); !status.ok()) return status;
  return Status::success();
}

void ParameterArray::zero(TensorKind kind) {
  if (float* array = at(kind)) backend_.run(ZeroTask{array, size_t(count_) * sizeof(float)});
}

void ParameterArray::zero_slots() {
  for (int slot = 0; slot < kOptimizerSlots; ++slot) zero(slot_kind(slot));
}

void ParameterArray::squared_norm(double* total) const {
  if (const float* gradient = at(TensorKind::kGradient)) backend_.run(SquaredNormTask{total, gradient, count_});
}

void ParameterArray::optimise(OptimizerKind kind, const UpdateParams* params, const StepResult* result,
                              bool logarithmic) {
  if (count_ == 0) return;
  backend_.run(UpdateTask{.weight = at(TensorKind::kParameter),
                          .gradient = at(TensorKind::kGradient),
                          .slots = {at(TensorKind::kSlot0), at(TensorKind::kSlot1), at(TensorKind::kSlot2)},
                          .count = count_,
                          .kind = kind,
                          .logarithmic = logarithmic,
                          .params = params,
                          .result = result});
}

}  // namespace onespike
