// Batch normalisation on the CPU: a task is a block of cells by a tile of channels; what blocks add up to is joined in
// their order. And the weights of currents that are averaged before the neuron: a task is a tap of a tile.
#include <algorithm>

#include "cpu/backend/backend.h"
#include "cpu/dense/norm.h"
#include "ops/pooled_weight.h"

namespace onespike::cpu {
namespace {

// A block, and where its first cell and channel lie.
struct Place {
  int64_t index;  // of the block of cells
  int channel;
  int64_t offset;
  NormBlock block;
};

int64_t blocks_of(int64_t rows) { return (rows + kNormRows - 1) / kNormRows; }

// Calls f(place) for every block and tile of a map of `n` images.
template <class F>
void each_block(ThreadPool& pool, int n, const StageShape& s, const F& f) {
  const int64_t rows = n * s.out_cells(), tiles = (s.out_cs + kNormTile - 1) / kNormTile;
  pool.parallel_for(blocks_of(rows) * tiles, [&](int64_t i) {
    Place place;
    place.index = i / tiles, place.channel = int(i % tiles) * kNormTile;
    const int64_t first = place.index * kNormRows;
    place.offset = first * s.out_cs + place.channel;
    place.block.rows = int(std::min<int64_t>(kNormRows, rows - first));
    place.block.width = std::min(kNormTile, s.out_cs - place.channel);
    place.block.stride = s.out_cs;
    f(place);
  });
}

NormChannels channels_of(const float* moments, const float* affine, int channel, int out_cs) {
  return {moments + channel, moments + out_cs + channel, affine ? affine + channel : nullptr,
          affine ? affine + out_cs + channel : nullptr};
}

}  // namespace

KernelChoice CpuBackend::execute(const NormStatisticsTask& task) {
  const StageShape& s = task.shape;
  const int64_t blocks = blocks_of(task.n * s.out_cells());
  Moments* parts = moments_.reserve(size_t(blocks * s.out_cs));
  each_block(pool_, task.n, s, [&](const Place& at) {
    norm_moments(parts + at.index * s.out_cs + at.channel, task.weighted + at.offset, at.block);
  });
  for (int c = 0; c < s.out_cs; ++c) {
    Moments all;
    for (int64_t block = 0; block < blocks; ++block) all = joined(all, parts[block * s.out_cs + c]);
    task.moments[c] = float(all.mean), task.moments[s.out_cs + c] = float(norm_inverse(all.variance()));
    task.sums[c] += float(all.mean), task.sums[s.out_cs + c] += float(all.unbiased());
  }
  return {};
}

KernelChoice CpuBackend::execute(const NormForwardTask& task) {
  const StageShape& s = task.shape;
  each_block(pool_, task.n, s, [&](const Place& at) {
    norm_rows(task.out + at.offset, task.weighted + at.offset,
              channels_of(task.moments, task.affine, at.channel, s.out_cs), task.relu, at.block);
  });
  return {};
}

KernelChoice CpuBackend::execute(const NormBackwardTask& task) {
  const StageShape& s = task.shape;
  const int64_t rows = task.n * s.out_cells(), blocks = blocks_of(rows);
  double* parts = sums_.reserve(size_t(blocks * 2 * s.out_cs));
  each_block(pool_, task.n, s, [&](const Place& at) {
    norm_sums(parts + 2 * (at.index * s.out_cs + at.channel), task.d_out + at.offset, task.weighted + at.offset,
              channels_of(task.moments, nullptr, at.channel, s.out_cs), at.block);
  });
  float *d_mean = norm_means_.reserve(2 * size_t(s.out_cs)), *d_standard = d_mean + s.out_cs;
  for (int c = 0; c < s.out_cs; ++c) {
    double sum = 0, product = 0;
    for (int64_t block = 0; block < blocks; ++block) {
      sum += parts[2 * (block * s.out_cs + c)];
      product += parts[2 * (block * s.out_cs + c) + 1];
    }
    task.d_affine[c] += float(product), task.d_affine[s.out_cs + c] += float(sum);
    d_mean[c] = float(sum / double(rows)), d_standard[c] = float(product / double(rows));
  }
  each_block(pool_, task.n, s, [&](const Place& at) {
    norm_gradient_rows(task.d_out + at.offset, task.weighted + at.offset,
                       channels_of(task.moments, task.affine, at.channel, s.out_cs), d_mean + at.channel,
                       d_standard + at.channel, at.block);
  });
  return {};
}

KernelChoice CpuBackend::execute(const RunningStatisticsTask& task) {
  for (int i = 0; task.result->finite && i < 2 * task.out_cs; ++i)
    task.running[i] = running_value(task.running[i], task.sums[i] / double(task.groups));
  return {};
}

KernelChoice CpuBackend::execute(const FoldNormTask& task) {
  const StageShape& s = task.shape;
  const int cs = s.out_cs;
  const int64_t depth = int64_t(s.taps()) * s.src_cs;
  filter_.forget(task.folded_weight, size_t(s.weights()) * sizeof(float));
  const std::vector<Tile> tiles = tiles_of(cs);
  pool_.parallel_for(int64_t(tiles.size()), [&](int64_t i) {
    const Tile tile = tiles[i];
    float scale[kMaxTile];
    for (int lane = 0; lane < tile.width; ++lane) {
      const int c = tile.begin + lane;
      const FoldedNorm folded = folded_norm(task.affine[c], task.affine[cs + c], task.running[c], task.running[cs + c],
                                            task.bias ? task.bias[c] : 0);
      scale[lane] = folded.scale, task.folded_bias[c] = folded.shift;
    }
    const int64_t start = tile.begin * depth;
    for (int64_t row = 0; row < depth; ++row)
      for (int lane = 0; lane < tile.width; ++lane) {
        const int64_t at = start + row * tile.width + lane;
        task.folded_weight[at] = task.weight[at] * scale[lane];
      }
  });
  return {};
}

KernelChoice CpuBackend::execute(const FoldNormBackwardTask& task) {
  const StageShape& s = task.shape;
  const int cs = s.out_cs;
  const int64_t depth = int64_t(s.taps()) * s.src_cs;
  const std::vector<Tile> tiles = tiles_of(cs);
  pool_.parallel_for(int64_t(tiles.size()), [&](int64_t i) {
    const Tile tile = tiles[i];
    float scale[kMaxTile];
    double product[kMaxTile] = {};
    for (int lane = 0; lane < tile.width; ++lane) {
      const int c = tile.begin + lane;
      scale[lane] = folded_norm(task.affine[c], 0, 0, task.running[cs + c], 0).scale;
    }
    const int64_t start = tile.begin * depth;
    for (int64_t row = 0; row < depth; ++row)
      for (int lane = 0; lane < tile.width; ++lane) {
        const int64_t at = start + row * tile.width + lane;
        product[lane] += double(task.d_weight[at]) * task.weight[at];
        task.d_weight[at] *= scale[lane];
      }
    for (int lane = 0; lane < tile.width; ++lane) {
      const int c = tile.begin + lane;
      const float shift = task.d_bias[c], bias = task.bias ? task.bias[c] : 0;
      task.d_affine[c] += float(folded_d_weight(product[lane], shift, task.running[c], task.running[cs + c], bias));
      task.d_affine[cs + c] += shift;
      task.d_bias[c] = task.bias ? shift * scale[lane] : 0;
    }
  });
  return {};
}

namespace {

// For every tile and tap of a kernel of `taps`, the mean of what `square_of` says of a kernel of `from_taps`, which is
// `from_w` wide: the same sums in the same order as pooled_mean, a row of all channels of the tile at a time.
template <class SquareOf>
void pool_rows(ThreadPool& pool, const StageShape& s, float* to, int taps, const float* from, int from_taps, int from_w,
               const SquareOf& square_of) {
  const std::vector<Tile> tiles = tiles_of(s.out_cs);
  pool.parallel_for(int64_t(tiles.size()) * taps, [&](int64_t i) {
    const Tile tile = tiles[size_t(i / taps)];
    const int tap = int(i % taps);
    const TapSquare square = square_of(s, tap);
    const int64_t row = int64_t(s.src_cs) * tile.width, start = int64_t(tile.begin) * s.src_cs;
    float* out = to + start * taps + tap * row;
    std::fill(out, out + row, 0.0f);
    for (int y = 0; y < square.y.count; ++y)
      for (int x = 0; x < square.x.count; ++x) {
        const float* in = from + start * from_taps + (int64_t(square.y.at(y)) * from_w + square.x.at(x)) * row;
        for (int64_t j = 0; j < row; ++j) out[j] += in[j];
      }
    for (int64_t j = 0; j < row; ++j) out[j] /= float(s.average * s.average);
  });
}

}  // namespace

KernelChoice CpuBackend::execute(const PoolWeightsTask& task) {
  const StageShape& s = task.shape;
  filter_.forget(task.pooled, size_t(s.weights()) * sizeof(float));
  pool_rows(pool_, s, task.pooled, s.taps(), task.parameter, s.parameter_taps(), s.parameter_w, parameter_square);
  return {};
}

KernelChoice CpuBackend::execute(const PoolWeightsBackwardTask& task) {
  const StageShape& s = task.shape;
  pool_rows(pool_, s, task.d_parameter, s.parameter_taps(), task.d_pooled, s.taps(), s.kernel_w, pooled_square);
  return {};
}

}  // namespace onespike::cpu
