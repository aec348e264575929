// Weight gradients: the product of weight_gemm.cuh in parts, added in one order.
#include <algorithm>

#include "cuda/tensor/gemm_task.h"
#include "cuda/tensor/operands.h"
#include "cuda/tensor/tensor_core.h"
#include "cuda/tensor/weight_gemm.cuh"

namespace onespike::cuda {
namespace {

// Blocks that fill a large device (132 SMs, two blocks each), and the fewest stages that pay for the partial sums of a
// split: writing and adding 64 x 64 floats takes as long as some 8 stages. By the shape alone, so that results repeat.
constexpr int64_t kWantedBlocks = 264;
constexpr int64_t kStagesPerSplit = 16;

int choose_splits(int64_t blocks, int64_t stages) {
  return int(std::clamp<int64_t>(std::min((kWantedBlocks + blocks - 1) / blocks, stages / kStagesPerSplit), 1, 64));
}

WeightTask weight_task(int n, int timesteps, bool times, const StageShape& s) {
  WeightTask w{};
  w.images = n, w.timesteps = timesteps, w.shape = s;
  const int blocks = (timesteps + kMaxStageSteps - 1) / kMaxStageSteps;
  w.stage_steps = times ? (timesteps + blocks - 1) / blocks : 1;
  w.splits =
      choose_splits(int64_t(w.groups()) * w.out_tiles(), (w.cells() + kStageCells - 1) / kStageCells * w.step_blocks());
  return w;
}

// d_weight += scale * the parts; a thread takes 4 neighbours, for packed tensors are multiples of 16.
__global__ void add_parts_kernel(float* d_weight, const float* partial, int64_t count, int splits, float scale,
                                 Gate gate) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (i >= count || gate.closed()) return;
  float4 sum = *reinterpret_cast<const float4*>(partial + i);
  for (int split = 1; split < splits; ++split) {
    const float4 part = *reinterpret_cast<const float4*>(partial + split * count + i);
    sum = make_float4(sum.x + part.x, sum.y + part.y, sum.z + part.z, sum.w + part.w);
  }
  auto* to = reinterpret_cast<float4*>(d_weight + i);
  const float4 old = *to;
  *to = make_float4(fmaf(scale, sum.x, old.x), fmaf(scale, sum.y, old.y), fmaf(scale, sum.z, old.z),
                    fmaf(scale, sum.w, old.w));
}

size_t partial_bytes(const WeightTask& w) { return size_t(w.splits) * size_t(w.shape.weights()) * sizeof(float); }
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

void multiply(Stream& stream, WeightTask& w, bool times, float* d_weight, const WeightSpace& space, float scale,
              const char* name) {
  w.partial = space.partial;
  const dim3 grid(unsigned(w.groups() * w.out_tiles()), unsigned(w.splits));
  if (times) launch(stream, grid, dim3(kThreads), WeightTile<true>::kShared, name, weight_kernel<true>, w);
  else launch(stream, grid, dim3(kThreads), WeightTile<false>::kShared, name, weight_kernel<false>, w);
  const int64_t count = w.shape.weights();
  launch(stream, dim3(unsigned((count / 4 + 255) / 256)), dim3(256), 0, "add_parts", add_parts_kernel, d_weight,
         w.partial, count, w.splits, scale, w.gate);
}

}  // namespace

namespace tensor_core {

void weight_gradient(Stream& stream, void* workspace, const WeightGradientTask& task, const Gate& gate) {
  const StageShape& s = task.shape;
  const bool times = s.pool == 1;
  WeightTask w = weight_task(task.n, task.timesteps, times, s);
  const WeightSpace space(workspace, w);
  w.source = task.source.times, w.gate = gate;
  if (!times) {
    make_counts(stream, space.source, task.source.times, task.n, task.timesteps, s, ChannelOrder::kPlain, gate);
    w.source = space.source;
  }
  const GradientRecord record(const_cast<float*>(task.gradient), task.timesteps, s);
  w.g = record.g(0), w.image_stride = record.image_stride();
  const float scale = times ? task.source.scale / kSpikeValue : task.source.scale;
  multiply(stream, w, times, task.d_weight, space, scale, "weight_gradient");
}

void dense_weight_gradient(Stream& stream, void* workspace, const DenseWeightGradientTask& task) {
  const StageShape& s = task.shape;
  WeightTask w = weight_task(task.n, 1, false, s);
  const WeightSpace space(workspace, w);
  make_halves(stream, space.source, task.packed, int64_t(task.n) * s.in_h * s.in_w, s.src_cs, ChannelOrder::kPlain);
  make_halves(stream, space.d_out, task.d_out, task.n * s.out_cells(), s.out_cs, ChannelOrder::kPlain);
  w.source = space.source, w.g = space.d_out, w.image_stride = s.out_size();
  multiply(stream, w, false, task.d_weight, space, 1, "dense_weight_gradient");
}

bool takes(const StageShape& s, int timesteps) {
  // bf16 holds counts up to 256; spike times share bytes with one bit (tile.cuh).
  if (s.first || s.src_cs % kLane != 0 || s.pool > 16 || timesteps > kMaxByteStep) return false;
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
    const WeightTask w = weight_task(n, T, !dense && s.pool == 1, s);
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
