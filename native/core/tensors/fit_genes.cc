#include "core/tensors/fit_genes.h"

#include <cmath>
#include <numbers>
#include <vector>

#include "core/guard.h"
#include "core/passes/passes.h"

namespace onespike {
namespace {

// What genes are fitted to, by Adam on the squared distance of the weights that follow from them: the weights of the
// stages that have genes.
struct GivenWeights {
  std::vector<size_t> stages;
  std::vector<Buffer<float>> negated;  // packed; by stage of the list
  double squares = 0;
};

// Takes the weights from where gradients are.
Status take_weights(NetworkState& net, GivenWeights* given) {
  Backend& backend = *net.backend;
  std::vector<float> host;
  for (size_t i = 0; i < net.plan.stages.size(); ++i) {
    if (!net.plan.genetic(i)) continue;
    host.resize(size_t(net.plan.stages[i].parameters()));
    backend.download(host.data(), net.parameters[i].d_weight, host.size() * sizeof(float));
    if (Status status = backend.finish(); !status.ok()) return status;
    for (float& weight : host) given->squares += double(weight) * weight, weight = -weight;
    Buffer<float>& negated = given->negated.emplace_back(backend);
    if (Status status = negated.ensure(int64_t(host.size())); !status.ok()) return status;
    backend.upload(negated.data(), host.data(), host.size() * sizeof(float));
    if (Status status = backend.finish(); !status.ok()) return status;
    given->stages.push_back(i);
  }
  return given->squares > 0 ? Status::success()
                            : Status::error(Code::kState, "Expected weights to fit genes to but all of them are 0");
}

// The gradient of half the squared distance is the difference of the weights.
void subtract(NetworkState& net, const GivenWeights& given) {
  for (size_t at = 0; at < given.stages.size(); ++at) {
    const size_t i = given.stages[at];
    float* const difference = net.parameters[i].d_weight;
    net.backend->copy(difference, given.negated[at].data(), size_t(net.plan.stages[i].parameters()) * sizeof(float));
    net.parameters.genes().grow(TensorKind::kParameter, i, difference, true);
  }
}

Status fit(NetworkState& net, const GivenWeights& given, const GeneFitOptions& options, const Stop& stop,
           std::atomic<int64_t>* progress, double* residual) {
  Backend& backend = *net.backend;
  Genes& genes = net.parameters.genes();
  StepResult result;
  backend.upload(net.result.data(), &result, sizeof result);
  for (*progress = 0; *progress < options.steps; ++*progress) {
    if (stop) return aborted();
    OptimizerOptions adam;
    const double done = double(*progress) / double(options.steps);
    adam.learning_rate = float(options.learning_rate * (1 + std::cos(std::numbers::pi * done)) / 2);
    const StepInputs inputs = update_inputs(adam, *progress + 1);
    backend.upload(net.inputs.data(), &inputs, sizeof inputs);
    genes.each_array([](ParameterArray& array) { array.zero(TensorKind::kGradient); });
    subtract(net, given);
    net.parameters.push_gene_gradients();
    genes.optimise(OptimizerKind::kAdam, net.inputs.data(), net.result.data());
    if (Status status = backend.finish(); !status.ok()) return status;
  }
  subtract(net, given);
  for (const size_t i : given.stages)
    backend.run(
        SquaredNormTask{&net.result.data()->squared_norm, net.parameters[i].d_weight, net.plan.stages[i].parameters()});
  backend.download(&result, net.result.data(), sizeof result);
  if (Status status = backend.finish(); !status.ok()) return status;
  *residual = result.squared_norm / given.squares;
  if (std::isfinite(*residual)) return Status::success();
  return Status::error(Code::kState, "Expected weights to which genes can be fitted but their distance became " +
                                         std::to_string(*residual));
}

}  // namespace

Status fit_genes(NetworkState& net, const GeneFitOptions& options, const Stop& stop, std::atomic<int64_t>* progress,
                 double* residual) {
  Backend& backend = *net.backend;
  Genes& genes = net.parameters.genes();
  backend.begin_batch();
  GivenWeights given;
  Status status = net.parameters.allocate_gradients();
  genes.each_array([&](ParameterArray& array) {
    if (status.ok()) status = array.allocate_slots(2);
  });
  if (status.ok()) status = take_weights(net, &given);
  if (!status.ok()) return status;
  std::vector<std::vector<float>> before;
  genes.each_array([&](ParameterArray& array) {
    std::vector<float>& values = before.emplace_back(size_t(array.count()));
    backend.download(values.data(), array.at(TensorKind::kParameter), values.size() * sizeof(float));
  });
  if (status = backend.finish(); !status.ok()) return status;
  net.parameters.moved(false);
  status = guarded([&] { return fit(net, given, options, stop, progress, residual); });
  if (status.ok()) return status;
  size_t at = 0;
  genes.each_array([&](ParameterArray& array) {
    const std::vector<float>& values = before[at++];
    backend.upload(array.at(TensorKind::kParameter), values.data(), values.size() * sizeof(float));
  });
  (void)backend.finish();  // why it failed is known
  return status;
}

}  // namespace onespike
