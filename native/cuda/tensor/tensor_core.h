// The products on tensor cores: bf16 operands, fp32 sums. Names and tasks are those of core/backend; the results do
// not depend on the device, for every sum has one order that the shape alone decides.
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

// Copies of the weights: for forward passes, and for input gradients.
size_t forward_bytes(const StageShape& s);
void pack_forward(Stream& stream, const PackForwardTask& task);
size_t backward_bytes(const StageShape& s);
void pack_backward(Stream& stream, const PackBackwardTask& task);

void spiking_forward(Stream& stream, void* workspace, const SpikingForwardTask& task, const Gate& gate = {});
// The two parts of a SpikingBackwardTask: from a(t) to the GradientRecord that `gradient` is, which the operations that
// follow read, and from there to the neurons below.
void accumulate_gradient(Stream& stream, const SpikingBackwardTask& task);
void input_gradient(Stream& stream, void* workspace, const SpikingBackwardTask& task);
void weight_gradient(Stream& stream, void* workspace, const WeightGradientTask& task, const Gate& gate = {});

// `packed` is (n, in_h, in_w, src_cs).
void dense_forward(Stream& stream, void* workspace, const DenseForwardTask& task);
void dense_input_gradient(Stream& stream, void* workspace, const DenseInputGradientTask& task);
void dense_weight_gradient(Stream& stream, void* workspace, const DenseWeightGradientTask& task);

}  // namespace onespike::cuda::tensor_core
