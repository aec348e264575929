// The products on tensor cores: bf16 operands, fp32 sums. Names and arguments are those of core/backend/backend.h; the
// results do not depend on the device, for every sum has one order that the shape alone decides.
//
// `workspace` is device memory of workspace_bytes, shared by all calls on one stream; what it holds before and after a
// call means nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/backend/backend.h"
#include "cuda/device/gate.h"
#include "cuda/device/launch.h"

namespace onespike::cuda::tensor_core {

// Where g(t) and a(t) of a stage lie, in bf16 within the floats of its gradient: of every image first g (T, out_h,
// out_w, out_cs), then a.
struct GradientRecord {
  uint16_t* first;
  int64_t map;  // values of one of the two

  GradientRecord(float* gradient, int timesteps, const StageShape& s)
      : first(reinterpret_cast<uint16_t*>(gradient)), map(timesteps * s.out_size()) {}
  ONESPIKE_HD int64_t image_stride() const { return 2 * map; }
  ONESPIKE_HD uint16_t* g(int64_t image) const { return first + image * image_stride(); }
  ONESPIKE_HD uint16_t* a(int64_t image) const { return g(image) + map; }
};

// Whether the kernels accept the stage. The first stage stays in 32 bits: it reads the analog image.
bool takes(const StageShape& s, int timesteps);
// Enough for every call below on n images.
size_t workspace_bytes(int n, int timesteps, const StageShape& s);

// Copies of the weights: for spiking_forward and dense_forward, and for input_gradient and dense_input_gradient.
size_t forward_bytes(const StageShape& s);
void pack_forward(Stream& stream, void* to, const float* weight, const StageShape& s);
size_t backward_bytes(const StageShape& s);
void pack_backward(Stream& stream, void* to, const float* weight, const StageShape& s);

void spiking_forward(Stream& stream, void* workspace, uint8_t* times, float* potential, const SpikeSource& source,
                     const void* weight_forward, const float* bias, const float* current, bool current_always, int n,
                     const NeuronParams& p, const StageShape& s, const Gate& gate = {});
// From a(t) to GradientRecord, which is what the operations below read as `gradient`.
void accumulate_gradient(Stream& stream, float* gradient, const float* potential, int n, const NeuronParams& p,
                         const StageShape& s);
void input_gradient(Stream& stream, void* workspace, float* potential_below, const float* gradient,
                    const void* weight_backward, const uint8_t* times_below, const uint8_t* mask, float scale, int n,
                    const NeuronParams& p, const NeuronParams& below, const StageShape& below_shape,
                    const StageShape& s, float* d_neuron_below);
void weight_gradient(Stream& stream, void* workspace, float* d_weight, const SpikeSource& source, const float* gradient,
                     int n, int timesteps, const StageShape& s, const Gate& gate = {});

// `padded` is (n, in_h, in_w, src_cs).
void dense_forward(Stream& stream, void* workspace, float* out, const float* padded, const void* weight_forward,
                   const float* bias, bool relu, int n, const StageShape& s);
void dense_input_gradient(Stream& stream, void* workspace, float* d_src, const float* d_out,
                          const void* weight_backward, const float* activation, float scale, int n,
                          const StageShape& s);
void dense_weight_gradient(Stream& stream, void* workspace, float* d_weight, const float* padded, const float* d_out,
                           int n, const StageShape& s);

}  // namespace onespike::cuda::tensor_core
