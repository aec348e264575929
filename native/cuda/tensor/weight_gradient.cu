// Weight gradients: the product of weight_gemm.cuh.
#include <algorithm>

#include "cuda/tensor/gemm_task.h"
#include "cuda/tensor/operands.h"
#include "cuda/tensor/tensor_core.h"
#include "cuda/tensor/weight_gemm.cuh"

namespace onespike::cuda {
namespace {

size_t partial_bytes(const WeightTask& w) { return size_t(w.part_floats()) * sizeof(float); }
size_t output_bytes(int n, const StageShape& s) { return size_t(n) * size_t(s.out_size()) * sizeof(uint16_t); }
size_t source_bytes(int n, int timesteps, const StageShape& s) {
  return size_t(n) * timesteps * s.in_h * s.in_w * channel_stride(s.src_cs, ChannelOrder::kSlice) * sizeof(uint16_t);
}

// The workspace holds the parts, a bf16 source, and d_out in bf16.
struct WeightSpace {
  float* partial;
  uint16_t *source, *d_out;
  WeightSpace(void* workspace, const WeightTask& w) {
    auto* at = static_cast<unsigned char*>(workspace);
    partial = reinterpret_cast<float*>(at), at += partial_bytes(w);
    source = reinterpret_cast<uint16_t*>(at), at += source_bytes(w.images, w.timesteps, w.shape);
    d_out = reinterpret_cast<uint16_t*>(at);
  }
};

template <SourceFormat kFormat>
void launch_kernels(Stream& stream, const WeightTask& w, const char* name) {
  launch(stream, dim3(unsigned(w.workers)), dim3(kThreads), WeightTile<kFormat>::kShared, name, weight_kernel<kFormat>,
         w);
  if (!w.whole)
    launch(stream, dim3(unsigned(w.tiles()), 4 * kColumnTiles), dim3(kThreads), 0, "add_parts",
           add_parts_kernel<kFormat>, w);
}

void multiply(Stream& stream, const WeightTask& w, const char* name) {
  switch (w.format) {
    case SourceFormat::kTimes: return launch_kernels<SourceFormat::kTimes>(stream, w, name);
    case SourceFormat::kCounts: return launch_kernels<SourceFormat::kCounts>(stream, w, name);
    case SourceFormat::kHalves: return launch_kernels<SourceFormat::kHalves>(stream, w, name);
  }
}

SourceFormat source_format(const StageShape& s) {
  return s.pool == 1                   ? SourceFormat::kTimes
         : s.pool <= kLargestCountPool ? SourceFormat::kCounts
                                       : SourceFormat::kHalves;
}

}  // namespace

namespace tensor_core {

void weight_gradient(Stream& stream, void* workspace, const WeightGradientTask& task, const Gate& gate) {
  const StageShape& s = task.shape;
  WeightTask w = weight_task(task.n, task.timesteps, source_format(s), s);
  const WeightSpace space(workspace, w);
  w.partial = space.partial, w.d_weight = task.d_weight, w.gate = gate;
  w.source = space.source, w.scale = task.source.scale;
  switch (w.format) {
    case SourceFormat::kTimes: w.source = task.source.times, w.scale /= kSpikeValue; break;
    case SourceFormat::kCounts:
      make_byte_counts(stream, reinterpret_cast<uint8_t*>(space.source), task.source.times, task.n, task.timesteps, s,
                       gate);
      break;
    case SourceFormat::kHalves:
      make_counts(stream, space.source, task.source.times, task.n, task.timesteps, s, ChannelOrder::kPlain, gate);
      break;
  }
  const GradientRecord record(const_cast<float*>(task.gradient), task.timesteps, s);
  w.g = record.g(0), w.image_stride = record.image_stride();
  multiply(stream, w, "weight_gradient");
}

void dense_weight_gradient(Stream& stream, void* workspace, const DenseWeightGradientTask& task) {
  const StageShape& s = task.shape;
  WeightTask w = weight_task(task.n, 1, SourceFormat::kHalves, s);
  const WeightSpace space(workspace, w);
  make_halves(stream, space.source, task.packed, int64_t(task.n) * s.in_h * s.in_w, s.src_cs, ChannelOrder::kPlain);
  make_halves(stream, space.d_out, task.d_out, task.n * s.out_cells(), s.out_cs, ChannelOrder::kPlain);
  w.source = space.source, w.g = space.d_out, w.image_stride = s.out_size();
  w.partial = space.partial, w.d_weight = task.d_weight;
  multiply(stream, w, "dense_weight_gradient");
}

bool takes(const StageShape& s, int timesteps) {
  // Counts are bytes, up to 15 x 15 (operands.cu); spike times share bytes with one bit (tile.cuh).
  if (s.first || s.src_cs % kLane != 0 || s.pool > 15 || timesteps > kMaxByteStep) return false;
  GemmTask products[] = {forward_task(1, timesteps, s.pool == 1, s), backward_task(1, timesteps, s),
                         forward_task(1, 1, false, s), backward_task(1, 1, s)};
  for (GemmTask& g : products)
    if (plan_gemm(&g, &g == products && s.pool == 1) == 0) return false;
  return true;
}

size_t workspace_bytes(int n, int timesteps, const StageShape& s) {
  size_t most = 0;
  for (const bool dense : {false, true}) {
    const int T = dense ? 1 : timesteps;
    const WeightTask w = weight_task(n, T, dense ? SourceFormat::kHalves : source_format(s), s);
    GemmTask g = backward_task(n, T, s);
    plan_gemm(&g, false);
    const size_t source = source_bytes(n, T, s), map = size_t(n) * size_t(s.src_size()) * sizeof(float);
    const size_t forward =
        source + size_t(n) * size_t(s.out_size()) * sizeof(float);  // bf16 source and carried potentials
    const size_t backward = std::max(output_bytes(n, s), 2 * map) + size_t(g.blocks()) * sizeof(double2);
    most = std::max({most, partial_bytes(w) + source + (dense ? output_bytes(n, s) : 0), forward, backward});
  }
  return most;
}

}  // namespace tensor_core
}  // namespace onespike::cuda
