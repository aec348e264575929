// The weight gradient on AMX. The sum over the cells of a map becomes one long row for all taps: rows of cells follow
// each other with as many columns of zeros between them as a tap can shift, so that a tap is an offset into the source
// (docs/design/dense.md, "AMX"). Channels of the source are rows there, which transposes it; where the stride is s,
// every s-th column and row makes a plane of its own.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu/dense/amx.h"

#if defined(__x86_64__)

#include "cpu/dense/amx_tile-inl.h"

namespace onespike::cpu {
namespace {

constexpr int kCells = 288;  // of the gradient in a chunk: with 64 channels 90 KiB of source and 72 KiB of gradient

struct Geometry {
  explicit Geometry(const StageShape& s)
      : shift_y((s.kernel_h - 1) / s.stride),
        shift_x((s.kernel_w - 1) / s.stride),
        columns(s.out_w + shift_x),
        rows(std::clamp(kCells / columns, 1, s.out_h)),
        cells(round_up(rows * columns, kAmxPairs)),
        images(std::max(1, kCells / cells)),
        plane(round_up(cells + shift_y * columns + shift_x, kLane) + kLane) {}

  int shift_y, shift_x;  // how far taps reach, in cells of a plane
  int columns, rows;     // of a chunk, with the zeros
  int cells;             // of an image in a chunk, in whole steps
  int images;            // pairs of images in a chunk
  int64_t plane;         // words of a channel; the last 16 take what a row writes past its end

  // Words of a pair of images.
  int64_t source_words(const StageShape& s, int channels) const {
    return int64_t(s.stride) * s.stride * channels * plane;
  }
  int64_t gradient_words(int width) const { return int64_t(cells) * width; }
};

// Gradients of output rows [y, y + rows) of a pair of images: [cell][channel of the tile].
void gather_gradient(uint32_t* to, const AmxWeightTask& task, const Geometry& g, int pair, int y, int rows) {
  const StageShape& s = *task.shape;
  const int width = task.tile.width;
  const float* from = task.d_out + 2 * pair * s.out_size() + task.tile.begin;
  const float* second = 2 * pair + 1 < task.n ? from + s.out_size() : nullptr;
  uint32_t* const end = to + g.gradient_words(width);
  for (int row = y; row < y + rows; ++row, to += int64_t(g.columns) * width) {
    const int64_t at = row * int64_t(s.out_w) * s.out_cs;
    gather_pairs(to, from + at, second ? second + at : nullptr, s.out_cs, s.out_w, width);
    std::memset(to + int64_t(s.out_w) * width, 0, size_t(g.shift_x) * width * sizeof(uint32_t));
  }
  std::memset(to, 0, size_t(end - to) * sizeof(uint32_t));
}

// What these rows read of the source: [phase][channel][cell].
void gather_source(uint32_t* to, const AmxWeightTask& task, const Geometry& g, int pair, int y, int rows) {
  const StageShape& s = *task.shape;
  const int channels = task.end - task.begin;
  const int64_t image = int64_t(s.in_h) * s.in_w * s.src_cs;
  std::memset(to, 0, size_t(g.source_words(s, channels)) * sizeof(uint32_t));
  const uint16_t* from = task.source + 2 * pair * image + task.begin;
  const int64_t second = 2 * pair + 1 < task.n ? image : 0;
  for (int plane_y = 0; plane_y < rows + g.shift_y; ++plane_y)
    for (int phase = 0; phase < s.stride * s.stride; ++phase) {
      const int source_y = (y + plane_y) * s.stride - s.pad + phase / s.stride;
      if (source_y < 0 || source_y >= s.in_h) continue;
      // The first column of the phase that is no padding, and how many follow.
      const int shift = phase % s.stride - s.pad, first = shift < 0 ? (s.stride - 1 - shift) / s.stride : 0;
      const int x = first * s.stride + shift;
      if (x >= s.in_w) continue;
      const int count = std::min((s.in_w - x - 1) / s.stride + 1, g.columns - first);
      const uint16_t* at = from + (int64_t(source_y) * s.in_w + x) * s.src_cs;
      transpose_pairs(to + (int64_t(phase) * channels) * g.plane + int64_t(plane_y) * g.columns + first, g.plane, at,
                      second ? at + second : nullptr, int64_t(s.stride) * s.src_cs, count, channels);
    }
}

template <int kRows, int kColumns>
void add_tap(float* d_weight, const Geometry& g, const uint32_t* source, int64_t source_image, const uint32_t* gradient,
             int width, int images) {
  const int64_t stride = int64_t(width) * 4;
  load_sums<kRows, kColumns>(d_weight, stride, 16 * stride);
  for (int image = 0; image < images; ++image)
    multiply_tiles<kRows, kColumns>({reinterpret_cast<const char*>(source + image * source_image),
                                     reinterpret_cast<const char*>(gradient + image * g.gradient_words(width)),
                                     g.plane * 4, stride, 16 * g.plane * 4, kTileBytes, kTileBytes, 16 * stride,
                                     g.cells / kAmxPairs});
  store_sums<kRows, kColumns>(d_weight, stride, 16 * stride);
}

void add_chunk(const AmxWeightTask& task, const Geometry& g, const uint32_t* source, const uint32_t* gradient,
               int images) {
  const StageShape& s = *task.shape;
  const int channels = task.end - task.begin, width = task.tile.width;
  const int64_t image = g.source_words(s, channels);
  const AmxTiles tiles;
  each_two(channels / kLane, [&](int rows, auto row_tiles) {
    each_two(width / kLane, [&](int lanes, auto lane_tiles) {
      for (int ky = task.first; ky < task.last; ++ky)
        for (int kx = 0; kx < s.kernel_w; ++kx) {
          const int phase = ky % s.stride * s.stride + kx % s.stride;
          const int64_t offset = int64_t(ky / s.stride) * g.columns + kx / s.stride;
          const int64_t row = (int64_t(ky) * s.kernel_w + kx) * s.src_cs + task.begin + rows * kLane;
          add_tap<row_tiles, lane_tiles>(task.d_weight + row * width + lanes * kLane, g,
                                         source + (int64_t(phase) * channels + rows * kLane) * g.plane + offset, image,
                                         gradient + lanes * kLane, width, images);
        }
    });
  });
}

}  // namespace

int64_t amx_weight_words(const StageShape& s) {
  const Geometry g(s);
  return g.images * (g.source_words(s, kAmxChannels) + g.gradient_words(kMaxTile));
}

void amx_weight(const AmxWeightTask& task, uint32_t* memory) {
  const StageShape& s = *task.shape;
  const Geometry g(s);
  const int channels = task.end - task.begin, pairs = (task.n + 1) / 2;
  const int64_t source_image = g.source_words(s, channels), gradient_image = g.gradient_words(task.tile.width);
  uint32_t *source = memory, *gradient = memory + g.images * source_image;
  for (int first = 0; first < pairs; first += g.images)
    for (int y = 0; y < s.out_h; y += g.rows) {
      const int rows = std::min(g.rows, s.out_h - y), images = std::min(g.images, pairs - first);
      for (int i = 0; i < images; ++i) {
        gather_source(source + i * source_image, task, g, first + i, y, rows);
        gather_gradient(gradient + i * gradient_image, task, g, first + i, y, rows);
      }
      add_chunk(task, g, source, gradient, images);
    }
}

}  // namespace onespike::cpu

#else

// Never called: dense_takes_amx() is false here.
namespace onespike::cpu {
int64_t amx_weight_words(const StageShape&) { return 0; }
void amx_weight(const AmxWeightTask&, uint32_t*) {}
}  // namespace onespike::cpu

#endif
