#include "core/backend/profile.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace onespike {
namespace {

constexpr int kWholeNetwork = -1;

}  // namespace

template <class F>
void ProfiledBackend::timed(const char* operation, int layer, const F& call) {
  if (!failed_.ok()) return;  // as without a profiler: nothing runs after an error until somebody has heard of it
  const auto start = std::chrono::steady_clock::now();
  call();
  failed_ = inner_->finish();
  const double milliseconds =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  auto entry = std::find_if(entries_.begin(), entries_.end(),
                            [&](const ProfileEntry& e) { return e.layer == layer && e.operation == operation; });
  if (entry == entries_.end()) entry = entries_.insert(entries_.end(), ProfileEntry{layer, operation, {}, 0, 0});
  entry->choice = inner_->last_choice();
  entry->milliseconds += milliseconds;
  ++entry->calls;
}

// The backend forgets that memory ran out as soon as it has said so, and timed() was the one to hear it.
Status ProfiledBackend::finish() {
  const Status status = inner_->finish();
  const Status earlier = std::exchange(failed_, Status::success());
  return earlier.ok() ? status : earlier;
}

std::vector<ProfileEntry> ProfiledBackend::take() { return std::exchange(entries_, {}); }

void ProfiledBackend::zero(void* memory, size_t bytes) {
  timed("zero", kWholeNetwork, [&] { inner_->zero(memory, bytes); });
}

void ProfiledBackend::encode(float* analog, uint8_t* times, int8_t* rate, const uint8_t* pixels, int n,
                             int64_t first_image, const EncodeParams& p) {
  timed("encode", kWholeNetwork, [&] { inner_->encode(analog, times, rate, pixels, n, first_image, p); });
}

void ProfiledBackend::sort_events(const SpikeSource& source, int n, int timesteps, const StageShape& s) {
  timed("sort_events", s.layer, [&] { inner_->sort_events(source, n, timesteps, s); });
}

void ProfiledBackend::draw_batch(const DrawTask& task) {
  timed("draw_batch", kWholeNetwork, [&] { inner_->draw_batch(task); });
}

void ProfiledBackend::count_events(int64_t* total, const uint8_t* times, int64_t count) {
  timed("count_events", kWholeNetwork, [&] { inner_->count_events(total, times, count); });
}

void ProfiledBackend::spiking_forward(uint8_t* times, float* potential, const float* weight, const void* weight_forward,
                                      const float* bias, const float* current, bool current_always, int n,
                                      const NeuronParams& p, const StageShape& s) {
  timed("spiking_forward", s.layer, [&] {
    inner_->spiking_forward(times, potential, weight, weight_forward, bias, current, current_always, n, p, s);
  });
}

void ProfiledBackend::accumulate_gradient(float* gradient, const float* potential, int n, bool keep_events,
                                          const NeuronParams& p, const StageShape& s) {
  timed("accumulate_gradient", s.layer,
        [&] { inner_->accumulate_gradient(gradient, potential, n, keep_events, p, s); });
}

void ProfiledBackend::weight_gradient(float* d_weight, const SpikeSource& source, const float* gradient, int n,
                                      int timesteps, const StageShape& s) {
  timed("weight_gradient", s.layer, [&] { inner_->weight_gradient(d_weight, source, gradient, n, timesteps, s); });
}

void ProfiledBackend::bias_gradient(float* d_bias, const float* gradient, int n, int timesteps, const StageShape& s) {
  timed("bias_gradient", s.layer, [&] { inner_->bias_gradient(d_bias, gradient, n, timesteps, s); });
}

void ProfiledBackend::input_gradient(float* potential_below, const float* potential, const float* weight,
                                     const void* weight_backward, const uint8_t* times_below, const uint8_t* mask,
                                     float scale, int n, const NeuronParams& p, const NeuronParams& below,
                                     const StageShape& below_shape, const StageShape& s, float* d_neuron_below) {
  timed("input_gradient", s.layer, [&] {
    inner_->input_gradient(potential_below, potential, weight, weight_backward, times_below, mask, scale, n, p, below,
                           below_shape, s, d_neuron_below);
  });
}

void ProfiledBackend::analog_gradient(float* d_current, const float* gradient, bool sum_steps, int n, int timesteps,
                                      const StageShape& s) {
  timed("analog_gradient", s.layer, [&] { inner_->analog_gradient(d_current, gradient, sum_steps, n, timesteps, s); });
}

void ProfiledBackend::pack_input(float* padded, const float* src, int n, const StageShape& s) {
  timed("pack_input", s.layer, [&] { inner_->pack_input(padded, src, n, s); });
}

void ProfiledBackend::dense_forward(float* out, const float* padded, const float* weight, const void* weight_forward,
                                    const float* bias, bool relu, int n, const StageShape& s) {
  timed("dense_forward", s.layer,
        [&] { inner_->dense_forward(out, padded, weight, weight_forward, bias, relu, n, s); });
}

void ProfiledBackend::dense_weight_gradient(float* d_weight, const float* padded, const float* d_out, int n,
                                            const StageShape& s) {
  timed("dense_weight_gradient", s.layer, [&] { inner_->dense_weight_gradient(d_weight, padded, d_out, n, s); });
}

void ProfiledBackend::dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) {
  timed("dense_bias_gradient", s.layer, [&] { inner_->dense_bias_gradient(d_bias, d_out, n, s); });
}

void ProfiledBackend::dense_input_gradient(float* d_src, const float* d_out, const float* weight,
                                           const void* weight_backward, const float* activation, float scale, int n,
                                           const StageShape& s) {
  timed("dense_input_gradient", s.layer,
        [&] { inner_->dense_input_gradient(d_src, d_out, weight, weight_backward, activation, scale, n, s); });
}

void ProfiledBackend::read_out(const ReadoutTask& task, int n, const StageShape& s) {
  timed("read_out", s.layer, [&] { inner_->read_out(task, n, s); });
}

void ProfiledBackend::dropout_mask(uint8_t* mask, uint64_t seed, const StepInputs* inputs, int64_t first_image, int n,
                                   const StageShape& s) {
  timed("dropout_mask", s.layer, [&] { inner_->dropout_mask(mask, seed, inputs, first_image, n, s); });
}

void ProfiledBackend::apply_mask(uint8_t* to, const uint8_t* times, const uint8_t* mask, int64_t count) {
  timed("apply_mask", kWholeNetwork, [&] { inner_->apply_mask(to, times, mask, count); });
}

void ProfiledBackend::apply_mask(float* values, const uint8_t* mask, float scale, int64_t count) {
  timed("apply_mask", kWholeNetwork, [&] { inner_->apply_mask(values, mask, scale, count); });
}

void ProfiledBackend::pack_backward(void* to, const float* weight, bool dense, const StageShape& s) {
  timed("pack_backward", s.layer, [&] { inner_->pack_backward(to, weight, dense, s); });
}

void ProfiledBackend::pack_forward(void* to, const float* weight, const StageShape& s) {
  timed("pack_forward", s.layer, [&] { inner_->pack_forward(to, weight, s); });
}

void ProfiledBackend::squared_norm(double* total, const float* values, int64_t count) {
  timed("squared_norm", kWholeNetwork, [&] { inner_->squared_norm(total, values, count); });
}

void ProfiledBackend::finish_gradient(StepResult* result, const StepInputs* inputs) {
  timed("finish_gradient", kWholeNetwork, [&] { inner_->finish_gradient(result, inputs); });
}

void ProfiledBackend::update(float* weight, const float* gradient, float* slot0, float* slot1, float* slot2,
                             int64_t count, OptimizerKind kind, const UpdateParams* p, const StepResult* result) {
  timed("update", kWholeNetwork,
        [&] { inner_->update(weight, gradient, slot0, slot1, slot2, count, kind, p, result); });
}

void ProfiledBackend::clamp_neurons(float* neurons, int count, const StepResult* result) {
  timed("update", kWholeNetwork, [&] { inner_->clamp_neurons(neurons, count, result); });
}

}  // namespace onespike
