// The weight gradient on AMX, from image blocks. The sum runs over images and cells: a step is one cell of two blocks,
// whose images of the same number make the pairs. So a tap is another cell of the source, no step works on padding, and
// any stride goes. Source channels are rows of a tile there, which transposes the source; a chunk of cells is
// transposed once for all taps and columns (docs/design/dense.md, "AMX").
#include <algorithm>
#include <type_traits>

#include "cpu/dense/amx.h"

#if defined(__x86_64__)

#include "cpu/dense/amx_tile-inl.h"

namespace onespike::cpu {
namespace {

// Gradient cells of a chunk, times the pairs of blocks in it: with 64 channels 256 KiB, and as much or twice as much of
// the source, which stay in the L2 cache.
constexpr int kCells = 64;

struct Geometry {
  explicit Geometry(const StageShape& s)
      : rows(std::clamp(kCells / s.out_w, 1, s.out_h)),
        source_rows(std::min(s.in_h, (rows - 1) * s.stride + s.kernel_h)),
        pairs(std::max(1, kCells / (rows * s.out_w))) {}

  int rows, source_rows;  // of a chunk
  int pairs;              // of blocks in a chunk
};

// The source rows that output rows [y, y + rows) read.
struct Rows {
  Rows(const StageShape& s, int y, int rows)
      : begin(std::clamp(y * s.stride - s.pad, 0, s.in_h)),
        end(std::clamp((y + rows - 1) * s.stride - s.pad + s.kernel_h, begin, s.in_h)) {}
  int begin, end;
};

// One chunk: [pair of blocks][cell][channel][word], a word the pair of an image of either block.
struct Operand {
  uint32_t* words;
  int64_t pair, cell;  // distances, in words

  const char* at(int64_t of_pair, int64_t of_cell, int64_t shift) const {
    return reinterpret_cast<const char*>(words + of_pair * pair + of_cell * cell + shift);
  }
};

// Calls f(to, a, b) for all cells and steps of 32 channels of a pair of blocks, b null where there is no second block.
template <class F>
void each_tile(uint32_t* to, const uint16_t* map, int64_t block, int64_t cs, int pair, int blocks, int64_t first_cell,
               int64_t cells, int begin, int end, const F& f) {
  const uint16_t* a = map + 2 * pair * block;
  const bool second = 2 * pair + 1 < blocks;
  for (int64_t cell = first_cell; cell < first_cell + cells; ++cell)
    for (int c = begin; c < end; c += kBlockChannels, to += kBlockChannels * kAmxPairs) {
      const uint16_t* from = a + (cell * cs + c) * kBlockImages;
      f(to, from, second ? from + block : nullptr);
    }
}

// The output columns [first, last) whose tap kx is no padding.
struct Columns {
  Columns(const StageShape& s, int kx)
      : first(std::max(0, (s.pad - kx + s.stride - 1) / s.stride)),
        last(std::min(s.out_w, (s.in_w - 1 + s.pad - kx + s.stride) / s.stride)) {}
  int first, last;
};

void add_chunk(const AmxWeightTask& task, const Operand& source, const Operand& gradient, int pairs, int y, int rows) {
  const StageShape& s = *task.shape;
  const int width = task.tile.width, source_begin = Rows(s, y, rows).begin;
  const int64_t stride = int64_t(width) * 4, tile = 16 * kTileBytes;
  const AmxTiles tiles;
  each_two((task.end - task.begin) / 16, [&](int row, auto row_tiles) {
    each_two(width / 16, [&](int lane, auto lane_tiles) {
      for (int ky = task.first; ky < task.last; ++ky)
        for (int kx = 0; kx < s.kernel_w; ++kx) {
          const Columns columns(s, kx);
          if (columns.first >= columns.last) continue;
          const int64_t weight_row = (int64_t(ky) * s.kernel_w + kx) * s.src_cs + task.begin + row * 16;
          float* const sums = task.d_weight + weight_row * width + lane * 16;
          load_sums<row_tiles, lane_tiles>(sums, stride, 16 * stride);
          for (int pair = 0; pair < pairs; ++pair)
            for (int out_y = y; out_y < y + rows; ++out_y) {
              const int in_y = out_y * s.stride - s.pad + ky;
              if (in_y < 0 || in_y >= s.in_h) continue;
              const int64_t cell = int64_t(in_y - source_begin) * s.in_w + columns.first * s.stride - s.pad + kx;
              multiply_tiles<row_tiles, lane_tiles>(
                  {source.at(pair, cell, row * 256),
                   gradient.at(pair, int64_t(out_y - y) * s.out_w + columns.first, lane * 256), kTileBytes,
                   2 * kTileBytes, tile, kTileBytes, source.cell * 4 * s.stride, gradient.cell * 4,
                   columns.last - columns.first});
            }
          store_sums<row_tiles, lane_tiles>(sums, stride, 16 * stride);
        }
    });
  });
}

}  // namespace

int64_t amx_weight_words(const StageShape& s) {
  const Geometry g(s);
  return int64_t(g.pairs) * kAmxPairs *
         (int64_t(g.source_rows) * s.in_w * kAmxChannels + int64_t(g.rows) * s.out_w * kMaxTile);
}

void amx_weight(const AmxWeightTask& task, uint32_t* memory) {
  const StageShape& s = *task.shape;
  const Geometry g(s);
  const int channels = task.end - task.begin, blocks = image_blocks(task.n), all = (blocks + 1) / 2;
  const int64_t source_cell = int64_t(channels) * kAmxPairs, gradient_cell = int64_t(task.tile.width) * kAmxPairs;
  const Operand source{memory, g.source_rows * s.in_w * source_cell, source_cell};
  const Operand gradient{memory + g.pairs * source.pair, g.rows * s.out_w * gradient_cell, gradient_cell};
  const int64_t source_block = int64_t(s.in_h) * s.in_w * s.src_cs * kBlockImages,
                gradient_block = s.out_size() * kBlockImages;
  for (int first = 0; first < all; first += g.pairs)
    for (int y = 0; y < s.out_h; y += g.rows) {
      const int rows = std::min(g.rows, s.out_h - y), pairs = std::min(g.pairs, all - first);
      const Rows read(s, y, rows);
      for (int i = 0; i < pairs; ++i) {
        each_tile(source.words + i * source.pair, task.source, source_block, s.src_cs, first + i, blocks,
                  int64_t(read.begin) * s.in_w, int64_t(read.end - read.begin) * s.in_w, task.begin, task.end,
                  [&](uint32_t* to, const uint16_t* a, const uint16_t* b) {
                    transpose_pairs(to, kAmxPairs, a, b, kBlockChannels, kBlockImages, kBlockChannels);
                  });
        each_tile(gradient.words + i * gradient.pair, task.gradient, gradient_block, s.out_cs, first + i, blocks,
                  int64_t(y) * s.out_w, int64_t(rows) * s.out_w, task.tile.begin, task.tile.begin + task.tile.width,
                  [&](uint32_t* to, const uint16_t* a, const uint16_t* b) {
                    gather_pairs(to, a, b, kBlockChannels, kBlockImages, kBlockChannels);
                  });
      }
      add_chunk(task, source, gradient, pairs, y, rows);
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
