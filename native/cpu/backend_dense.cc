// Dense operations of the CPU backend: how each is split into tasks.
#include <algorithm>
#include <cstring>

#include "cpu/backend.h"
#include "cpu/kernels.h"

namespace onespike::cpu {
namespace {

constexpr int64_t kRowGroup = 48;        // output rows of one forward task, a multiple of the register block
constexpr int64_t kGradientRows = 256;   // rows summed per visit of a weight block: their gradients fit the L2 cache
constexpr int kDepthGroup = 24;          // source channels of one weight-gradient task, a multiple of the register block

// Offsets of the output cells' first tap in the zero-bordered input, for n images.
std::vector<int64_t> cell_offsets(int n, int out_h, int out_w, int stride, int row_cells, int64_t image_size, int cs) {
  std::vector<int64_t> base;
  base.reserve(size_t(n) * out_h * out_w);
  for (int i = 0; i < n; ++i)
    for (int y = 0; y < out_h; ++y)
      for (int x = 0; x < out_w; ++x) base.push_back(i * image_size + (int64_t(y) * stride * row_cells + x * stride) * cs);
  return base;
}

std::vector<int64_t> tap_offsets(int kernel_h, int kernel_w, int row_cells, int cs) {
  std::vector<int64_t> offsets;
  for (int y = 0; y < kernel_h; ++y)
    for (int x = 0; x < kernel_w; ++x) offsets.push_back((int64_t(y) * row_cells + x) * cs);
  return offsets;
}

std::vector<int64_t> stage_cells(int n, const StageShape& s) {
  return cell_offsets(n, s.out_h, s.out_w, s.stride, s.padded_w(), s.padded_size(), s.src_cs);
}

}  // namespace

void CpuBackend::pack_input(float* padded, const float* src, int n, const StageShape& s) {
  const float share = 1.0f / (s.pool * s.pool);
  pool_.parallel_for(int64_t(n) * s.in_h, [&](int64_t i) {
    const int64_t image = i / s.in_h;
    const int y = int(i % s.in_h);
    float* out = padded + image * s.padded_size() + (int64_t(y + s.pad) * s.padded_w() + s.pad) * s.src_cs;
    const float* from = src + image * s.src_size() + int64_t(y) * s.pool * s.src_w * s.src_cs;
    if (s.pool == 1) {
      std::memcpy(out, from, sizeof(float) * s.in_w * s.src_cs);
      return;
    }
    for (int x = 0; x < s.in_w; ++x, out += s.src_cs)
      for (int c = 0; c < s.src_cs; ++c) {
        float sum = 0;
        for (int a = 0; a < s.pool; ++a)
          for (int b = 0; b < s.pool; ++b) sum += from[(int64_t(a) * s.src_w + x * s.pool + b) * s.src_cs + c];
        out[c] = sum * share;
      }
  });
}

void CpuBackend::dense_forward(float* out, const float* padded, const float* weight, const float* bias, bool relu, int n, const StageShape& s) {
  const std::vector<int64_t> base = stage_cells(n, s), taps = tap_offsets(s.kernel_h, s.kernel_w, s.padded_w(), s.src_cs);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int64_t rows = int64_t(base.size()), groups = (rows + kRowGroup - 1) / kRowGroup;
  pool_.parallel_for(int64_t(tiles.size()) * groups, [&](int64_t i) {
    const Tile tile = tiles[i / groups];
    const int64_t first = i % groups * kRowGroup;
    const DenseTask task{padded, base.data(), taps.data(), s.taps(), s.src_cs, weight + int64_t(tile.begin) * s.taps() * s.src_cs,
                         bias ? bias + tile.begin : nullptr, out + tile.begin, s.out_cs, relu};
    dense_rows(task, first, std::min(kRowGroup, rows - first), tile.width);
  });
}

void CpuBackend::dense_weight_gradient(float* d_weight, const float* padded, const float* d_out, int n, const StageShape& s) {
  const std::vector<int64_t> base = stage_cells(n, s), taps = tap_offsets(s.kernel_h, s.kernel_w, s.padded_w(), s.src_cs);
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  const int64_t rows = int64_t(base.size()), groups = (s.src_cs + kDepthGroup - 1) / kDepthGroup;
  pool_.parallel_for(int64_t(tiles.size()) * groups * s.taps(), [&](int64_t i) {
    const Tile tile = tiles[i / (groups * s.taps())];
    const int64_t tap = i % s.taps();
    const int begin = int(i / s.taps() % groups) * kDepthGroup, end = std::min(begin + kDepthGroup, s.src_cs);
    float* out = d_weight + (int64_t(tile.begin) * s.taps() + tap * tile.width) * s.src_cs;
    for (int64_t first = 0; first < rows; first += kGradientRows)
      dense_weight_rows(out, padded, base.data() + first, taps[tap], begin, end, d_out + first * s.out_cs + tile.begin, s.out_cs,
                        std::min(kGradientRows, rows - first), tile.width);
  });
}

void CpuBackend::dense_bias_gradient(float* d_bias, const float* d_out, int n, const StageShape& s) {
  pool_.parallel_for(s.out_cs / kLane, [&](int64_t lane) {
    double sum[kLane] = {};
    for (int64_t i = 0; i < n * s.out_cells(); ++i)
      for (int c = 0; c < kLane; ++c) sum[c] += d_out[i * s.out_cs + lane * kLane + c];
    for (int c = 0; c < kLane; ++c) d_bias[lane * kLane + c] += float(sum[c]);
  });
}

void CpuBackend::dense_input_gradient(float* d_src, const float* d_out, const float*, const void* weight_backward, const float* activation,
                                      float scale, int n, const StageShape& s) {
  const float* weight_flipped = static_cast<const float*>(weight_backward);
  // The gradient map, dilated by the stride and bordered, so that the input gradient is a plain convolution over it. A
  // linear layer needs neither: each source cell has one tap.
  const int rows_h = s.linear ? 1 : s.in_h + s.kernel_h - 1, rows_w = s.linear ? 1 : s.in_w + s.kernel_w - 1;
  const int64_t padded_size = int64_t(rows_h) * rows_w * s.out_cs;
  const float* padded = d_out;
  if (!s.linear) {
    float* to = padded_gradient_.reserve(size_t(n * padded_size));
    padded = to;
    pool_.parallel_for(n, [&](int64_t image) {
      float* map = to + image * padded_size;
      std::memset(map, 0, sizeof(float) * padded_size);
      for (int y = 0; y < s.out_h; ++y)
        for (int x = 0; x < s.out_w; ++x) {
          const int py = y * s.stride + s.kernel_h - 1 - s.pad, px = x * s.stride + s.kernel_w - 1 - s.pad;
          if (py < 0 || px < 0 || py >= rows_h || px >= rows_w) continue;  // reads border zeros alone
          std::memcpy(map + (int64_t(py) * rows_w + px) * s.out_cs, d_out + ((image * s.out_h + y) * s.out_w + x) * s.out_cs,
                      sizeof(float) * s.out_cs);
        }
    });
  }

  float* pooled = pooled_gradient_.reserve(size_t(n) * s.in_h * s.in_w * s.src_cs);
  const std::vector<Tile> tiles = tiles_of(s.src_cs);
  const int cells_h = s.linear ? 1 : s.in_h, cells_w = s.linear ? 1 : s.in_w;
  const std::vector<int64_t> base = cell_offsets(n, cells_h, cells_w, 1, rows_w, padded_size, s.out_cs);
  const std::vector<int64_t> taps = s.linear ? std::vector<int64_t>{0} : tap_offsets(s.kernel_h, s.kernel_w, rows_w, s.out_cs);
  const int64_t rows = int64_t(base.size()), groups = (rows + kRowGroup - 1) / kRowGroup;
  const int64_t cells = s.linear ? s.taps() : 1;  // source cells that have a weight block of their own
  pool_.parallel_for(int64_t(tiles.size()) * cells * groups, [&](int64_t i) {
    const Tile tile = tiles[i / (cells * groups)];
    const int64_t cell = i / groups % cells, first = i % groups * kRowGroup;
    const float* weight = weight_flipped + (int64_t(tile.begin) * s.taps() + (s.linear ? cells - 1 - cell : 0) * tile.width) * s.out_cs;
    const DenseTask task{padded, base.data(), taps.data(), int(taps.size()), s.out_cs, weight, nullptr,
                         pooled + cell * s.src_cs + tile.begin, s.linear ? s.taps() * int64_t(s.src_cs) : s.src_cs, false};
    dense_rows(task, first, std::min(kRowGroup, rows - first), tile.width);
  });

  const float share = scale / (s.pool * s.pool);
  pool_.parallel_for(int64_t(n) * s.src_h, [&](int64_t i) {
    const int64_t image = i / s.src_h, y = i % s.src_h, py = y / s.pool;
    for (int x = 0; x < s.src_w; ++x) {
      const int64_t at = (i * s.src_w + x) * s.src_cs;
      const bool dropped = py >= s.in_h || x / s.pool >= s.in_w;
      const float* from = pooled + ((image * s.in_h + py) * s.in_w + x / s.pool) * s.src_cs;
      for (int c = 0; c < s.src_cs; ++c)
        d_src[at + c] = dropped || !(activation[at + c] > 0) ? 0 : from[c] * share;
    }
  });
}

size_t CpuBackend::backward_bytes(bool dense, const StageShape& s) const {
  return s.linear && !dense ? 0 : size_t(s.weights()) * sizeof(float);  // linear_input_gradient reads the weights themselves
}

void CpuBackend::pack_backward(void* memory, const float* weight, bool flipped, const StageShape& s) {
  if (backward_bytes(flipped, s) == 0) return;
  float* to = static_cast<float*>(memory);
  const std::vector<int> order_y = backward_taps(s.kernel_h, flipped || s.linear ? 1 : s.stride);
  const std::vector<int> order_x = backward_taps(s.kernel_w, flipped || s.linear ? 1 : s.stride);
  const std::vector<Tile> outputs = tiles_of(s.out_cs), sources = tiles_of(s.src_cs);
  pool_.parallel_for(int64_t(sources.size()) * s.taps(), [&](int64_t i) {
    const Tile source = sources[i / s.taps()];
    const int position = int(i % s.taps());
    const int64_t tap = int64_t(order_y[position / s.kernel_w]) * s.kernel_w + order_x[position % s.kernel_w];
    float* block = to + (int64_t(source.begin) * s.taps() + int64_t(position) * source.width) * s.out_cs;
    for (const Tile& out : outputs)
      for (int c = 0; c < source.width; ++c) {
        const float* from = weight + int64_t(out.begin) * s.taps() * s.src_cs + (tap * s.src_cs + source.begin + c) * out.width;
        for (int o = 0; o < out.width; ++o) block[int64_t(out.begin + o) * source.width + c] = from[o];
      }
  });
}

}  // namespace onespike::cpu
