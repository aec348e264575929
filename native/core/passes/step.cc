// Steps over batches: forward, loss, backward, update, all of it enqueued for all of them before the host reads a
// number.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <utility>

#include "core/guard.h"
#include "core/passes/loss.h"
#include "core/passes/norm.h"
#include "core/passes/passes.h"
#include "core/shards/linked_sums.h"
#include "core/shards/sums.h"

namespace onespike {
namespace {

// A step in which nothing answers the host: what the kernels read and write, and what they are told, depends on these
// alone.
struct StepKind {
  Mode mode;
  bool backward, traced;
  const LossOptions& loss;
  const OptimizerOptions* optimizer;  // null = no update
  bool averaged = false;              // of the parameters that are averages
  StepResult* early = nullptr;        // inference that ends early: its sums, on the host

  bool takes_average() const { return optimizer && optimizer->average > 0; }

  // Apart from those of the batch, and the contents of memory.
  uint64_t key(const StagedBatch& batch) const {
    const uint64_t update = optimizer ? 1 + uint64_t(optimizer->kind) * 2 + optimizer->amsgrad : 0;
    uint64_t key = (uint64_t(batch.count) * 8 + update) * 4 + uint64_t(mode);
    for (const bool yes : {backward, batch.labels != nullptr, batch.others != nullptr, averaged, takes_average()})
      key = key * 2 + yes;
    return key * 8 + loss_key(loss);
  }
};

// Copies of the weights, and zeros in what the step adds to.
void begin_step(NetworkState& net, const StepKind& kind) {
  Backend& backend = *net.backend;
  const std::vector<StageShape>& stages = net.plan.stages;
  static_assert(offsetof(StepResult, finite) + sizeof(StepResult::finite) == sizeof(StepResult),
                "what comes before `finite` is zeroed");
  backend.run(ZeroTask{net.result.data(), offsetof(StepResult, finite)});
  backend.run(ZeroTask{net.spikes.data(), stages.size() * sizeof(int64_t)});
  for (StageBuffers& b : net.stages) b.backward_choice = {};
  if (kind.optimizer) net.parameters.grow(TensorKind::kParameter);
  pack_weights(net);
  if (kind.mode == Mode::kCoded) fill_code_tables(net);
  if (!kind.backward) return;
  net.parameters.zero_gradients();
  zero_pooled_gradients(net);
  for (size_t i = 0; i < stages.size(); ++i)
    if (!net.plan.reads_pixels(i))
      backend.run(PackBackwardTask{net.stages[i].backward.data(), net.weight(i), is_dense(kind.mode), stages[i]});
}

Status forward_chunk(NetworkState& net, const StepKind& kind, const uint8_t* pixels, int n, int64_t first,
                     const Stop& stop) {
  if (kind.mode == Mode::kCoded) return coded_forward(net, pixels, n, first, kind.backward, stop);
  return kind.mode == Mode::kSnn ? snn_forward(net, pixels, n, first, kind.backward, net.plan.stages.size(), stop)
                                 : ann_forward(net, pixels, n, first, kind.backward, stop);
}

Status backward_chunk(NetworkState& net, const StepKind& kind, int n, bool ends_block, const Stop& stop) {
  if (kind.mode == Mode::kCoded) return coded_backward(net, n, stop);
  return kind.mode == Mode::kSnn ? snn_backward(net, n, ends_block, stop) : ann_backward(net, n, stop);
}

// A batch, and which of its images; their positions are those in the batch.
struct Images {
  const StagedBatch& batch;
  int64_t begin, end;
};

// Forward, loss and, if wanted, += the gradients of these images, chunk by chunk. `linked` is told of stages as their
// gradients become complete.
Status enqueue_images(NetworkState& net, const StepKind& kind, const Images& images, const ForwardOutputs* out,
                      const Stop& stop, LinkedSums* linked = nullptr) {
  Backend& backend = *net.backend;
  const bool spiking = kind.mode == Mode::kSnn, fires = spiking || kind.mode == Mode::kCoded;
  // As many at once as where the potentials are kept for a gradient.
  const bool as_in_training = spiking ? net.potentials(kind.backward) : kind.backward;
  const int64_t chunk = net.plan.chunk_of(kind.mode, as_in_training), pixels = net.plan.image_size();
  const StagedBatch& batch = images.batch;
  int n = 0;
  for (int64_t first = images.begin; first < images.end; first += n) {
    n = net.plan.chunk_at(kind.mode, as_in_training, first, images.end);
    const uint8_t* from = batch.pixels + first * pixels;
    if (kind.early) {
      if (Status status = snn_early_exit(net, batch, first, n, *out, stop, kind.early); !status.ok()) return status;
      continue;
    }
    Status status = forward_chunk(net, kind, from, n, batch.position(first), stop);
    if (!status.ok()) return status;
    read_out(net, kind.mode, kind.loss, kind.backward, batch, first, n);
    for (size_t i = 0; fires && i + 1 < net.plan.stages.size(); ++i)
      backend.run(CountEventsTask{.total = net.spikes.data() + i,
                                  .times = net.times(i),
                                  .count = n * net.plan.stages[i].out_size(),
                                  .bits = net.plan.spec.code.kind == CodeKind::kRadix});
    if (kind.traced) fetch_trace(net, first, n, *out);
    if (!kind.backward) continue;
    const bool last = first + n == images.end;
    net.stage_done = nullptr;
    if (linked && last) net.stage_done = [linked](size_t stage) { linked->stage_done(stage); };
    status = backward_chunk(net, kind, n, last || net.waiting + n + chunk > net.plan.block, stop);
    if (!status.ok()) return status;
  }
  return Status::success();
}

bool sums_by_link(const NetworkState& net, const StepGroup& group) { return group.link && net.backend->side_queue(); }

// Forward, loss and, if wanted, the gradients of the mean loss of this batch, in the parameters; with ranks those of
// the whole batch.
Status enqueue_gradients(NetworkState& net, const StepKind& kind, const StagedBatch& batch, const ForwardOutputs* out,
                         const StepGroup& group, const Stop& stop) {
  begin_step(net, kind);
  if (kind.backward) begin_activity(net, batch.images());
  if (!kind.backward || !batch.shards) return enqueue_images(net, kind, {batch, 0, batch.count}, out, stop);
  const std::vector<int64_t>& counts = batch.shards->counts;
  std::optional<LinkedSums> linked;
  begin_shards(net);
  if (sums_by_link(net, group)) {
    linked.emplace(net, *group.ranks, *group.link, counts);
    if (Status status = linked->begin(); !status.ok()) return status;
  }
  int64_t first = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    LinkedSums* const sums = linked && i + 1 == counts.size() ? &*linked : nullptr;
    if (i > 0) begin_shard(net);
    Status status = enqueue_images(net, kind, {batch, first, first + counts[i]}, out, stop, sums);
    if (!status.ok()) return status;
    if (sums) return sums->end();
    end_shard(net, i, counts.size(), counts[i]);
    first += counts[i];
  }
  return group.ranks ? add_ranks(net, *group.ranks) : Status::success();
}

// From the gradients that the parameters have now, of the whole batch: their norm, and the update if there is one.
Status enqueue_update(NetworkState& net, const StepKind& kind, const LossOptions& loss, const StagedBatch& batch,
                      const Stop& stop) {
  if (kind.backward) {
    end_weight_gradients(net);
    if (kind.mode == Mode::kCoded) add_code_penalties(net, loss);
    if (kind.optimizer && kind.mode == Mode::kCoded) scale_code_gradients(net);
    net.parameters.push_gene_gradients();
    net.parameters.squared_norm(&net.result.data()->squared_norm);
    net.backend->run(FinishGradientTask{net.result.data(), net.inputs.data()});
  }
  if (!kind.optimizer) return Status::success();
  if (stop) return aborted();
  net.parameters.optimise(kind.optimizer->kind, net.inputs.data(), net.result.data());
  update_running_statistics(net, batch.shards ? net.sums.groups : norm_groups(net.plan.spec.norm_group, batch.count));
  if (kind.takes_average()) net.parameters.average(net.inputs.data(), net.result.data());
  end_activity(net, batch.images());
  return Status::success();
}

// Enqueues step i of the group and keeps what it answers.
Status make_step(NetworkState& net, const StepGroup& group, size_t i, const StepKind& kind, const ForwardOutputs* out,
                 const Stop& stop, StagedBatch* made) {
  Backend& backend = *net.backend;
  const size_t stages = net.plan.stages.size();
  Batch batch;
  StagedBatch staged;
  if (Status status = group.batch(i, &batch); !status.ok()) return status;
  if (Status status = check_batch(batch, kind.backward); !status.ok()) return status;
  if (Status status = check_teacher(batch, kind.loss); !status.ok()) return status;
  if (batch.count > group.largest)
    return Status::error(Code::kShape, "Expected at most " + std::to_string(group.largest) + " images in the batch");
  if (group.ranks && !batch.shards)
    return Status::error(Code::kArg, "Expected a batch that is divided into shards where ranks share it");
  if (batch.shards)
    if (Status status = prepare_shards(net, batch.shards->counts.size(), group.ranks, sums_by_link(net, group));
        !status.ok())
      return status;
  backend.begin_batch();
  if (Status status = stage_batch(net, batch, group.capacity(), &staged); !status.ok()) return status;
  staged.shards = batch.shards;
  StepInputs inputs = kind.optimizer ? update_inputs(*kind.optimizer, net.optimizer_steps + int64_t(i) + 1,
                                                     net.parameters.genes().interaction_scale())
                                     : StepInputs();
  inputs.random_step = net.random_step + i;
  loss_inputs(group.loss, &inputs);
  backend.upload(net.inputs.data(), &inputs, sizeof inputs);
  const bool relaxed = kind.backward && draw_relaxed(net, group.loss.quantised, inputs.random_step);
  const auto calls = [&] {
    const Status status = enqueue_gradients(net, kind, staged, out, group, stop);
    return status.ok() ? enqueue_update(net, kind, group.loss, staged, stop) : status;
  };
  // A recording does the same every time, and nothing between ranks.
  if (Status status = kind.traced || relaxed || batch.shards ? calls()
                      : stop                                 ? aborted()
                                                             : backend.replay(kind.key(staged), calls);
      !status.ok())
    return status;
  backend.copy(net.results.data() + i, net.result.data(), sizeof(StepResult));
  backend.copy(net.counts.data() + i * stages, net.spikes.data(), stages * sizeof(int64_t));
  *made = staged;
  return Status::success();
}

// Enqueues the steps of the group up to one that cannot be made: `made` of them, the last on `staged`. The status is
// that of the first.
Status make_steps(NetworkState& net, const StepGroup& group, StepKind kind, const ForwardOutputs* out, const Stop& stop,
                  StagedBatch* staged, size_t* made) {
  const StepResult start;
  net.backend->upload(net.result.data(), &start, sizeof start);
  for (*made = 0; *made < group.count; ++*made) {
    if (!group.updates.empty()) kind.optimizer = &group.updates[*made];
    if (kind.optimizer) net.parameters.moved(kind.takes_average());
    Status status = guarded([&] { return make_step(net, group, *made, kind, out, stop, staged); });
    if (!status.ok()) return *made == 0 ? status : Status::success();
  }
  return Status::success();
}

// Where the host receives the answers of a group. All of it is allocated before the first step: once a step has updated
// the parameters nothing may fail until it is counted.
struct Answers {
  Answers(size_t steps, size_t stages) : results(steps), spikes(steps * stages), stats(steps) {
    for (StepStats& one : stats) one.spikes.resize(stages - 1);
  }

  std::vector<StepResult> results;
  std::vector<int64_t> spikes;
  std::vector<StepStats> stats;
};

bool is_finite(const StepStats& stats) { return std::isfinite(stats.loss) && std::isfinite(stats.gradient_norm); }

// Waits for the steps, and returns the results of those up to the first that is not finite.
Status read_answers(NetworkState& net, size_t made, bool labelled, bool backward, Answers* answers) {
  const size_t stages = net.plan.stages.size();
  net.backend->download(answers->results.data(), net.results.data(), made * sizeof(StepResult));
  net.backend->download(answers->spikes.data(), net.counts.data(), made * stages * sizeof(int64_t));
  if (net.loss.costly) net.backend->download(&net.loss.activity, net.loss.mean.data(), sizeof(double));
  if (Status status = net.backend->finish(); !status.ok()) return status;
  size_t answered = 0;
  for (bool ends = false; answered < made && !ends; ++answered) {
    const StepResult& result = answers->results[answered];
    StepStats& stats = answers->stats[answered];
    std::copy_n(&answers->spikes[answered * stages], stages - 1, stats.spikes.begin());
    stats.correct = result.correct;
    stats.gradient_norm = backward ? std::sqrt(result.squared_norm) : 0;
    stats.loss = labelled ? result.loss : std::numeric_limits<double>::quiet_NaN();
    ends = labelled && !is_finite(stats);
  }
  answers->stats.resize(answered);
  return Status::success();
}

// find_bad_layer for step i of a group whose later steps have left their numbers where its own were: it is made once
// more, without an update. The counters stand where they stood for it, and so do the parameters.
Status find_bad_layer_again(NetworkState& net, const StepGroup& group, size_t i, Mode mode, int* layer) {
  const StepGroup again{1,         group.largest, [&](size_t, Batch* batch) { return group.batch(i, batch); },
                        {},        group.loss,    group.ranks,
                        group.link};
  const Stop never{false};
  std::vector<StepStats> stats;
  if (Status status = run_steps(net, again, mode, true, nullptr, never, &stats); !status.ok()) return status;
  *layer = stats.front().bad_layer;
  return Status::success();
}

}  // namespace

Status run_steps(NetworkState& net, const StepGroup& group, Mode mode, bool backward, const ForwardOutputs* out,
                 const Stop& stop, std::vector<StepStats>* stats) {
  stats->clear();
  StepResult early;
  const bool ends_early = out && out->decision_steps, margins = out && out->margins,
             traced = ends_early || margins || (out && (!out->spike_times.empty() || out->potentials));
  const StepKind kind{mode, backward, traced, group.loss, nullptr, out && out->averaged, ends_early ? &early : nullptr};
  StagedBatch staged;
  Answers answers(group.count, net.plan.stages.size());
  BegunAverage average(net.parameters);
  size_t made = 0;
  Status status = check_loss(net, mode, group.loss);
  if (status.ok()) status = prepare_group(net, group, mode, backward, margins);
  if (status.code == Code::kOom && give_up_datasets(net)) status = prepare_group(net, group, mode, backward, margins);
  if (status.ok()) status = make_steps(net, group, kind, out, stop, &staged, &made);
  if (!status.ok()) return status;
  if (out && out->logits && !ends_early)
    net.backend->download(out->logits, net.logits.data(), size_t(staged.count * net.plan.classes()) * sizeof(float));
  const bool labelled = staged.labels != nullptr || backward;
  if (status = read_answers(net, made, labelled, backward, &answers); !status.ok()) return status;
  *stats = std::move(answers.stats);
  if (ends_early) stats->front().correct = early.correct;
  if (ends_early && labelled) stats->front().loss = early.loss;

  const bool failed = labelled && !is_finite(stats->back());
  if (!group.updates.empty()) {
    const size_t updated = stats->size() - failed;  // the caller decides about the one that failed; the parameters stay
    net.optimizer_steps += int64_t(updated);
    net.random_step += updated;
    if (updated > 0) average.stays();
  }
  if (!failed) return status;
  status = guarded([&] {
    int* const layer = &stats->back().bad_layer;
    if (stats->size() < group.count) return find_bad_layer_again(net, group, stats->size() - 1, mode, layer);
    *layer = find_bad_layer(net, kind.mode, kind.backward);
    const Status found = net.backend->finish();
    return found.ok() && group.ranks ? first_layer_of(*group.ranks, layer) : found;
  });
  if (status.ok()) return status;
  // Without its layer the last step is not reported: the call that begins with it is.
  stats->pop_back();
  return stats->empty() ? status : Status::success();
}

Status aborted() {
  return Status::error(Code::kAborted, "The operation was aborted; parameters are as they were before it");
}

}  // namespace onespike
