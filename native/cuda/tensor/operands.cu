#include "cuda/tensor/operands.h"

#include "cuda/device/fast_divide.h"
#include "cuda/neuron.cuh"
#include "cuda/tensor/tensor_core.h"
#include "cuda/tensor/tile.cuh"

namespace onespike::cuda {
namespace {

using tensor_core::GradientRecord;

constexpr int kBlock = 256;

unsigned blocks_for(int64_t threads) { return unsigned((threads + kBlock - 1) / kBlock); }

__device__ int64_t thread_index() { return int64_t(blockIdx.x) * kBlock + threadIdx.x; }

// The channel at a position of a slice; positions 2 i and 2 i + 1 are neighbours in both orders.
__device__ int channel_at(int position, ChannelOrder order) {
  return order == ChannelOrder::kSlice ? slice_channel(position) : position;
}

// A thread makes one chunk of 8 positions.
__global__ void halves_kernel(uint16_t* to, const float* from, int64_t cells, int cs, int stride, ChannelOrder order) {
  const int chunks = stride / kChunk;
  const int64_t i = thread_index();
  if (i >= cells * chunks) return;
  const int64_t cell = i / chunks;
  const int position = int(i % chunks) * kChunk, slice = position / kSlice * kSlice;
  uint32_t words[kChunk / 2];
#pragma unroll
  for (int k = 0; k < kChunk / 2; ++k) {
    const int channel = slice + channel_at(position - slice + 2 * k, order);
    float2 pair = make_float2(0, 0);
    if (channel < cs) pair = *reinterpret_cast<const float2*>(from + cell * cs + channel);
    words[k] = pack_bf16(pair.x, pair.y);
  }
  *reinterpret_cast<uint4*>(to + cell * stride + position) = make_uint4(words[0], words[1], words[2], words[3]);
}

// How many children of a pooled cell fire at every step, of at most 15 x 15. A thread makes 16 neighbouring positions
// of one cell for all steps; four channels are a word, whose bytes count by themselves. Bytes and channels as they
// come, or bf16 in either order.
template <bool kBytes>
__global__ void counts_kernel(unsigned char* to, const uint8_t* times, int n, int timesteps, StageShape s, int stride,
                              ChannelOrder order, FastDivide by_parts, FastDivide by_cells, FastDivide by_in_w,
                              Gate gate) {
  constexpr int kAtOnce = 5;  // steps; times are read again for the next ones
  if (gate.closed()) return;
  const int cells = s.in_h * s.in_w, parts = stride / 16, i = int(thread_index());
  if (i >= n * cells * parts) return;
  const int at = by_parts.quotient(i), position = (i - at * parts) * 16, slice = position / kSlice * kSlice;
  const int image = by_cells.quotient(at), cell = at - image * cells, y = by_in_w.quotient(cell), x = cell - y * s.in_w;
  // Words of a thread: neighbours, or those that kSlice puts side by side (slice_channel of tile.cuh).
  const bool plain = order == ChannelOrder::kPlain;
  const int first = plain ? position : slice + (position - slice) / 4, distance = plain ? 4 : 16;
  const uint8_t* children = times + ((int64_t(image) * s.src_h + y * s.pool) * s.src_w + x * s.pool) * s.src_cs + first;
  for (int step = 1; step <= timesteps; step += kAtOnce) {
    uint32_t counts[kAtOnce][4] = {};
    for (int a = 0; a < s.pool; ++a)
      for (int b = 0; b < s.pool; ++b)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          if (first + k * distance >= s.src_cs) continue;
          const uint32_t word =
              *reinterpret_cast<const uint32_t*>(children + (int64_t(a) * s.src_w + b) * s.src_cs + k * distance);
#pragma unroll
          for (int t = 0; t < kAtOnce; ++t)
            counts[t][k] += (0x40404040u - (word ^ uint32_t(step + t) * 0x01010101u)) >> 6 & 0x01010101u;
        }
#pragma unroll
    for (int t = 0; t < kAtOnce; ++t) {
      if (step + t > timesteps) break;
      const int64_t value = ((int64_t(image) * timesteps + step + t - 1) * cells + cell) * stride + position;
      if constexpr (kBytes) {
        *reinterpret_cast<uint4*>(to + value) = make_uint4(counts[t][0], counts[t][1], counts[t][2], counts[t][3]);
      } else {
        uint32_t low[4], high[4];
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const uint32_t word = counts[t][k];
          low[k] = pack_bf16(float(word & 255), float(word >> 8 & 255));
          high[k] = pack_bf16(float(word >> 16 & 255), float(word >> 24));
        }
        auto* words = reinterpret_cast<uint4*>(to + 2 * value);
        words[0] = plain ? make_uint4(low[0], high[0], low[1], high[1]) : make_uint4(low[0], low[1], low[2], low[3]);
        words[1] =
            plain ? make_uint4(low[2], high[2], low[3], high[3]) : make_uint4(high[0], high[1], high[2], high[3]);
      }
    }
  }
}

// A thread makes kappa(t) g(t) and a(t) of two neighbouring neurons.
__global__ void accumulate_kernel(GradientRecord record, const float* potential, int n, NeuronParams params,
                                  int64_t size) {
  const int timesteps = params.timesteps;
  const int64_t i = thread_index() * 2;
  if (i >= n * size) return;
  const int64_t image = i / size, at = i % size;
  const float* a = potential + image * timesteps * size + at;
  uint16_t *g_to = record.g(image) + at, *a_to = record.a(image) + at;
  const float leak = params.leak();
  float2 g = make_float2(0, 0);
  for (int t = timesteps - 1; t >= 0; --t) {
    const float2 now = *reinterpret_cast<const float2*>(a + t * size);
    g = make_float2(carry_leak<Float>(leak, g.x, now.x), carry_leak<Float>(leak, g.y, now.y));
    *reinterpret_cast<uint32_t*>(a_to + t * size) = pack_bf16(now.x, now.y);
    const float weight = params.input_weight(t + 1);
    *reinterpret_cast<uint32_t*>(g_to + t * size) = pack_bf16(g.x * weight, g.y * weight);
  }
}

__global__ void zero_dropped_kernel(float* map, int64_t planes, StageShape s) {
  const int64_t size = s.src_size(), i = thread_index();
  if (i >= planes * size) return;
  const int64_t cell = i % size / s.src_cs;
  if (cell / s.src_w >= s.in_h * s.pool || cell % s.src_w >= s.in_w * s.pool) map[i] = 0;
}

// Weights as gemm.cuh reads them: (column tile, tap, slice) tiles of 64 positions of the inner dimension by 64 columns,
// swizzled as they lie in shared memory. A thread makes one chunk.
//   forward:  columns are output channels, the inner dimension (tap, source channel)
//   backward: columns are source channels, the inner dimension (tap, output channel), channels as they come; of a
//   linear layer, which
//             has weights of its own for every source cell, columns are (tap, source channel)
__global__ void pack_kernel(unsigned char* to, const float* weight, StageShape s, bool backward, int column_tiles,
                            int inner_taps, int slices) {
  constexpr int kChunks = kTileBytes / 16;
  const int64_t i = thread_index();
  if (i >= int64_t(column_tiles) * inner_taps * slices * kChunks) return;
  const int64_t tile = i / kChunks;
  const int position = int(i % kChunks) / (kColumns / kChunk), chunk = int(i % (kColumns / kChunk));
  const int slice = int(tile % slices), inner = slice * kSlice + (backward ? position : slice_channel(position));
  int tap = int(tile / slices % inner_taps), column_tile = int(tile / slices / inner_taps);
  if (backward && s.linear) {
    const int per_tap = (s.src_cs + kColumns - 1) / kColumns;
    tap = column_tile / per_tap, column_tile %= per_tap;
  }
  // Neighbouring output channels lie side by side, and a chunk of them within one tile.
  static_assert(kLane % kChunk == 0);
  const int column = column_tile * kColumns + chunk * kChunk;
  const int out = backward ? inner : column, source = backward ? column : inner;
  const bool inside = out < s.out_cs && source < s.src_cs;
  const PackedChannel packed(s, inside ? out : 0);
  const float* from = weight + (inside ? packed.index(tap, source) : 0);
  const int stride = backward ? packed.width : 1;
  uint32_t words[kChunk / 2];
#pragma unroll
  for (int k = 0; k < kChunk / 2; ++k)
    words[k] = inside ? pack_bf16(from[2 * k * stride], from[(2 * k + 1) * stride]) : 0;
  *reinterpret_cast<uint4*>(to + tile * kTileBytes + chunk_offset(position, chunk)) =
      make_uint4(words[0], words[1], words[2], words[3]);
}

template <bool kBytes>
void launch_counts(Stream& stream, unsigned char* to, const uint8_t* times, int n, int timesteps, const StageShape& s,
                   ChannelOrder order, const Gate& gate) {
  const int stride = channel_stride(s.src_cs, order), parts = stride / 16;
  launch(stream, dim3(blocks_for(int64_t(n) * s.in_h * s.in_w * parts)), dim3(kBlock), 0, "make_counts",
         counts_kernel<kBytes>, to, times, n, timesteps, s, stride, order, FastDivide(parts),
         FastDivide(s.in_h * s.in_w), FastDivide(s.in_w), gate);
}

int tiles(int channels) { return (channels + kSlice - 1) / kSlice; }

}  // namespace

void make_halves(Stream& stream, uint16_t* to, const float* from, int64_t cells, int cs, ChannelOrder order) {
  const int stride = channel_stride(cs, order);
  launch(stream, dim3(blocks_for(cells * (stride / kChunk))), dim3(kBlock), 0, "make_halves", halves_kernel, to, from,
         cells, cs, stride, order);
}

void make_counts(Stream& stream, uint16_t* to, const uint8_t* times, int n, int timesteps, const StageShape& s,
                 ChannelOrder order, const Gate& gate) {
  launch_counts<false>(stream, reinterpret_cast<unsigned char*>(to), times, n, timesteps, s, order, gate);
}

void make_byte_counts(Stream& stream, uint8_t* to, const uint8_t* times, int n, int timesteps, const StageShape& s,
                      const Gate& gate) {
  launch_counts<true>(stream, to, times, n, timesteps, s, ChannelOrder::kPlain, gate);
}

void zero_dropped(Stream& stream, float* map, int64_t planes, const StageShape& s) {
  if (s.in_h * s.pool == s.src_h && s.in_w * s.pool == s.src_w) return;
  launch(stream, dim3(blocks_for(planes * s.src_size())), dim3(kBlock), 0, "zero_dropped", zero_dropped_kernel, map,
         planes, s);
}

namespace tensor_core {
namespace {

int64_t packed_tiles(const StageShape& s) { return int64_t(tiles(s.out_cs)) * tiles(s.src_cs) * s.taps(); }

void pack(Stream& stream, void* to, const float* weight, bool backward, const StageShape& s) {
  const bool columns_have_taps = backward && s.linear;
  const int columns = (backward ? tiles(s.src_cs) : tiles(s.out_cs)) * (columns_have_taps ? s.taps() : 1);
  launch(stream, dim3(blocks_for(packed_tiles(s) * (kTileBytes / 16))), dim3(kBlock), 0,
         backward ? "pack_backward" : "pack_forward", pack_kernel, static_cast<unsigned char*>(to), weight, s, backward,
         columns, columns_have_taps ? 1 : s.taps(), backward ? tiles(s.out_cs) : tiles(s.src_cs));
}

}  // namespace

size_t forward_bytes(const StageShape& s) { return size_t(packed_tiles(s)) * kTileBytes; }
size_t backward_bytes(const StageShape& s) { return size_t(packed_tiles(s)) * kTileBytes; }
void accumulate_gradient(Stream& stream, const SpikingBackwardTask& task) {
  const int64_t size = task.shape.out_size();
  const int T = task.neuron.timesteps;
  launch(stream, dim3(blocks_for(task.n * size / 2)), dim3(kBlock), 0, "accumulate_gradient", accumulate_kernel,
         GradientRecord(task.gradient, T, task.shape), task.a, task.n, task.neuron, size);
}

void pack_forward(Stream& stream, const PackForwardTask& task) {
  pack(stream, task.to, task.weight, false, task.shape);
}
void pack_backward(Stream& stream, const PackBackwardTask& task) {
  pack(stream, task.to, task.weight, true, task.shape);
}

}  // namespace tensor_core
}  // namespace onespike::cuda
