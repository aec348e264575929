#include "core/tensors/genes.h"

#include <algorithm>
#include <cmath>

#include "ops/rng.h"

namespace onespike {
namespace {

int64_t square(int64_t side) { return side * side; }

// The numbers of the product of a stage's genes that is largest.
int64_t largest_product(const Plan& plan, int gs) {
  int64_t largest = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i)
    if (plan.genetic(i))
      largest = std::max(largest, int64_t(plan.stages[i].parameter_taps()) * plan.stages[i].src_cs * gs);
  return largest;
}

int64_t expression_numbers(const Plan& plan, int gs) {
  int64_t count = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i)
    if (plan.expresses(i)) count += int64_t(plan.stages[i].out_cs) * gs;
  return count;
}

int64_t interaction_numbers(const Plan& plan, int gs) {
  int64_t count = 0;
  for (const int kernel : plan.gene_kernels) count += square(kernel) * square(gs);
  return count;
}

// The root of the mean variance that the weights of all stages with genes begin with.
double mean_deviation(const Plan& plan) {
  double sum = 0;
  int count = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i)
    if (plan.genetic(i)) sum += initial_variance(plan.stages[i]), ++count;
  return count > 0 ? std::sqrt(sum / count) : 1;
}

// Calls f(packed weights of the tile, tile).
template <class F>
void each_tile(const StageShape& s, const F& f) {
  for (const Tile& tile : tiles_of(s.out_cs)) f(int64_t(tile.begin) * s.parameter_taps() * s.src_cs, tile);
}

}  // namespace

Genes::Genes(const Plan& plan, Backend& backend)
    : plan_(plan),
      backend_(backend),
      g_(plan.spec.genes),
      gs_(round_up(plan.spec.genes, kLane)),
      interaction_scale_(mean_deviation(plan)),
      expressions_(backend, expression_numbers(plan, gs_), "genes"),
      interactions_(backend, interaction_numbers(plan, gs_), "genes"),
      scales_(backend, g_ > 0 ? round_up(int(plan.stages.size()), kLane) : 0, "genes"),
      product_(backend),
      received_(backend) {
  int64_t at = 0;
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    expression_at_.push_back(plan.expresses(i) ? at : -1);
    if (plan.expresses(i)) at += int64_t(plan.stages[i].out_cs) * gs_;
  }
  at = 0;
  for (const int kernel : plan.gene_kernels) {
    interaction_at_.push_back(at);
    at += square(kernel) * square(gs_);
  }
}

// Expressions with variance 1/G, interactions with variance 1, so that weights have the variance of their scale:
// 2/fan_in as in dense layers.
Status Genes::allocate() {
  if (g_ == 0) return Status::success();
  for (ParameterArray* array : {&expressions_, &interactions_, &scales_})
    if (Status status = array->allocate(TensorKind::kParameter); !status.ok()) return status;
  if (Status status = product_.ensure(largest_product(plan_, gs_)); !status.ok()) return status;
  const auto draw = [&](const GeneMatrix& to, int64_t rows, int64_t packed_rows, int stream, float deviation) {
    const Rng rng = Rng::of(plan_.spec.seed, Stream::kGenes, int(to.part), stream);
    std::vector<float> values(size_t(packed_rows * gs_), 0.0f);
    for (int64_t i = 0; i < rows * g_; ++i) values[size_t(place(to, i))] = deviation * rng.normal(uint64_t(i));
    backend_.upload(matrix(TensorKind::kParameter, to), values.data(), values.size() * sizeof(float));
  };
  std::vector<float> scales(size_t(scales_.count()), 1.0f);
  for (size_t i = 0; i < plan_.stages.size(); ++i) {
    const StageShape& s = plan_.stages[i];
    if (plan_.expresses(i))
      draw({GeneMatrix::Part::kExpression, i}, s.out_c, s.out_cs, s.layer, std::sqrt(1.0f / float(g_)));
    if (plan_.genetic(i)) scales[i] = std::sqrt(initial_variance(s));
  }
  for (size_t k = 0; k < interaction_at_.size(); ++k) {
    const int kernel = plan_.gene_kernels[k];
    draw({GeneMatrix::Part::kInteraction, k}, square(kernel) * g_, square(kernel) * gs_, kernel, 1);
  }
  backend_.upload(scales_.at(TensorKind::kParameter), scales.data(), scales.size() * sizeof(float));
  return backend_.finish();
}

Status Genes::allocate_gradients() { return received_.ensure(g_ > 0 ? largest_product(plan_, gs_) : 0); }

float* Genes::matrix(TensorKind kind, const GeneMatrix& of) const {
  const bool expression = of.part == GeneMatrix::Part::kExpression;
  float* const all = (expression ? expressions_ : interactions_).at(kind);
  return all ? all + (expression ? expression_at_ : interaction_at_)[of.index] : nullptr;
}

float* Genes::expression(TensorKind kind, size_t stage) const {
  return matrix(kind, {GeneMatrix::Part::kExpression, stage});
}

float* Genes::interaction(TensorKind kind, size_t stage) const {
  const auto& kernels = plan_.gene_kernels;
  const auto found = std::find(kernels.begin(), kernels.end(), plan_.stages[stage].parameter_h);
  return matrix(kind, {GeneMatrix::Part::kInteraction, size_t(found - kernels.begin())});
}

float* Genes::scale(TensorKind kind, size_t stage) const {
  return scales_.at(kind) ? scales_.at(kind) + stage : nullptr;
}

int64_t Genes::place(const GeneMatrix& of, int64_t i) const {
  const int64_t row = i / g_;
  const bool squares = of.part == GeneMatrix::Part::kInteraction;
  return (squares ? row / g_ * gs_ + row % g_ : row) * gs_ + i % g_;
}

void Genes::express_input(TensorKind kind, size_t i) const {
  const StageShape& s = plan_.stages[i];
  const int64_t size = int64_t(s.src_cs) * gs_;
  backend_.run(ProductTask{.out = product_.data(),
                           .out_row = gs_,
                           .out_batch = size,
                           .a = {expression(kind, size_t(plan_.sources[i])), gs_, 1},
                           .b = {interaction(kind, i), 1, gs_, square(gs_)},
                           .batches = s.parameter_taps(),
                           .rows = s.src_cs,
                           .depth = gs_,
                           .columns = gs_});
}

void Genes::grow(TensorKind kind, size_t i, float* weight, bool add) const {
  const StageShape& s = plan_.stages[i];
  express_input(kind, i);
  each_tile(s, [&](int64_t place, const Tile& tile) {
    backend_.run(ProductTask{.out = weight + place,
                             .out_row = tile.width,
                             .out_batch = int64_t(s.src_cs) * tile.width,
                             .add = add,
                             .scale = scale(kind, i),
                             .a = {product_.data(), gs_, 1, int64_t(s.src_cs) * gs_},
                             .b = {expression(kind, i) + int64_t(tile.begin) * gs_, 1, gs_},
                             .batches = s.parameter_taps(),
                             .rows = s.src_cs,
                             .depth = gs_,
                             .columns = tile.width});
  });
}

// With the gradient D_u (c, o) of a tap, P_u of express_input and X of the outputs: E_u = D_u X is what the input side
// receives, dO_u += s E_u^T X_in, dX_in += s sum E_u O_u, dX += s sum D_u^T P_u, ds += <E, P>.
void Genes::push(size_t i, const float* d_weight) const {
  constexpr TensorKind kValue = TensorKind::kParameter, kSlope = TensorKind::kGradient;
  const StageShape& s = plan_.stages[i];
  const size_t source = size_t(plan_.sources[i]);
  const int64_t size = int64_t(s.src_cs) * gs_;
  const float* const factor = scale(kValue, i);
  express_input(kValue, i);
  each_tile(s, [&](int64_t place, const Tile& tile) {
    const int64_t from = int64_t(tile.begin) * gs_, tap = int64_t(s.src_cs) * tile.width;
    backend_.run(ProductTask{.out = received_.data(),
                             .out_row = gs_,
                             .out_batch = size,
                             .add = tile.begin > 0,
                             .a = {d_weight + place, tile.width, 1, tap},
                             .b = {expression(kValue, i) + from, gs_, 1},
                             .batches = s.parameter_taps(),
                             .rows = s.src_cs,
                             .depth = tile.width,
                             .columns = gs_});
    backend_.run(ProductTask{.out = expression(kSlope, i) + from,
                             .out_row = gs_,
                             .add = true,
                             .scale = factor,
                             .a = {d_weight + place, 1, tile.width, 0, tap},
                             .b = {product_.data(), gs_, 1, 0, size},
                             .terms = s.parameter_taps(),
                             .rows = tile.width,
                             .depth = s.src_cs,
                             .columns = gs_});
  });
  backend_.run(ProductTask{.out = interaction(kSlope, i),
                           .out_row = gs_,
                           .out_batch = square(gs_),
                           .add = true,
                           .scale = factor,
                           .a = {received_.data(), 1, gs_, size},
                           .b = {expression(kValue, source), gs_, 1},
                           .batches = s.parameter_taps(),
                           .rows = gs_,
                           .depth = s.src_cs,
                           .columns = gs_});
  backend_.run(ProductTask{.out = expression(kSlope, source),
                           .out_row = gs_,
                           .add = true,
                           .scale = factor,
                           .a = {received_.data(), gs_, 1, 0, size},
                           .b = {interaction(kValue, i), gs_, 1, 0, square(gs_)},
                           .terms = s.parameter_taps(),
                           .rows = s.src_cs,
                           .depth = gs_,
                           .columns = gs_});
  backend_.run(DotTask{scale(kSlope, i), received_.data(), product_.data(), s.parameter_taps() * size});
}

}  // namespace onespike
