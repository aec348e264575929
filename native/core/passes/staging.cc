// What steps find in the backend's memory: the buffers of a group, and batches on their way to the kernels, which are
// arrays of the host or rows of a data set.
#include <algorithm>

#include "core/passes/loss.h"
#include "core/passes/passes.h"

namespace onespike {
namespace {

Status check_labels(const NetworkState& net, const int32_t* labels, int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (labels[i] < 0 || labels[i] >= net.plan.classes())
      return Status::error(Code::kArg, "Expected labels[" + std::to_string(i) + "] between 0 and " +
                                           std::to_string(net.plan.classes() - 1) + " but received " +
                                           std::to_string(labels[i]));
  return Status::success();
}

bool is_refused(const NetworkState& net, const Dataset& data) {
  return std::any_of(net.refused.begin(), net.refused.end(), [&](const auto& d) { return d.lock().get() == &data; });
}

// The data set in the backend's memory: uploaded at its first use, freed when nothing else refers to it any more. Null
// if there is no memory for it.
Status make_resident(NetworkState& net, const std::shared_ptr<const Dataset>& data, const ResidentDataset** found) {
  std::erase_if(net.datasets, [](const auto& d) { return d->source.expired(); });
  std::erase_if(net.refused, [](const auto& d) { return d.expired(); });
  *found = nullptr;
  if (is_refused(net, *data)) return Status::success();
  for (const auto& d : net.datasets)
    if (d->source.lock() == data) {
      *found = d.get();
      return Status::success();
    }
  if (Status status = check_labels(net, data->labels.data(), int64_t(data->labels.size())); !status.ok()) return status;
  auto resident = std::make_unique<ResidentDataset>(*net.backend);
  Status status = resident->pixels.ensure(int64_t(data->pixels.size()));
  if (status.ok()) status = resident->labels.ensure(int64_t(data->labels.size()));
  if (status.code == Code::kOom) return net.refused.push_back(data), Status::success();
  if (!status.ok()) return status;
  net.backend->upload(resident->pixels.data(), data->pixels.data(), data->pixels.size());
  if (!data->labels.empty())
    net.backend->upload(resident->labels.data(), data->labels.data(), data->labels.size() * sizeof(int32_t));
  resident->source = data;
  *found = resident.get();
  net.datasets.push_back(std::move(resident));
  return Status::success();
}

void send_batch(NetworkState& net, const Batch& batch) {
  const size_t n = size_t(batch.count);
  net.backend->upload(net.pixels.data(), batch.pixels, n * size_t(net.plan.image_size()));
  if (batch.labels) net.backend->upload(net.labels.data(), batch.labels, n * sizeof(int32_t));
  if (!batch.others) return;
  net.backend->upload(net.others.data(), batch.others, n * sizeof(int32_t));
  net.backend->upload(net.shares.data(), batch.shares, n * sizeof(float));
}

// On the device if the images are in its memory, or else here.
Status draw_rows(NetworkState& net, const Rows& rows, int64_t capacity) {
  if (Status status = check_rows(*rows.data, rows.indices); !status.ok()) return status;
  const ResidentDataset* resident = nullptr;
  if (Status status = make_resident(net, rows.data, &resident); !status.ok()) return status;
  if (!resident) {
    BatchStorage drawn;
    if (Status status = draw_batch(rows, &drawn); !status.ok()) return status;
    send_batch(net, drawn.view());
    return Status::success();
  }
  const int64_t n = int64_t(rows.indices.size());
  const Dataset& data = *rows.data;
  Status status = net.indices.ensure(capacity);
  if (status.ok()) status = net.drawn.ensure(capacity);
  if (status.ok() && rows.augment.trivial) status = net.tables.ensure(capacity * data.channels * 256);
  if (!status.ok()) return status;
  const std::vector<DrawnImage> drawn = draw_augmentations(rows.augment, n, rows.shards, data.height, data.width);
  net.backend->upload(net.indices.data(), rows.indices.data(), size_t(n) * sizeof(uint32_t));
  net.backend->upload(net.drawn.data(), drawn.data(), drawn.size() * sizeof(DrawnImage));
  const bool labelled = !data.labels.empty(), mixed = labelled && rows.augment.mixes();
  net.backend->run(DrawTask{.pixels = resident->pixels.data(),
                            .labels = resident->labels.data(),
                            .channels = data.channels,
                            .height = data.height,
                            .width = data.width,
                            .indices = net.indices.data(),
                            .n = n,
                            .drawn = net.drawn.data(),
                            .tables = rows.augment.trivial ? net.tables.data() : nullptr,
                            .to_pixels = net.pixels.data(),
                            .to_labels = labelled ? net.labels.data() : nullptr,
                            .to_others = mixed ? net.others.data() : nullptr,
                            .to_shares = mixed ? net.shares.data() : nullptr});
  return Status::success();
}

}  // namespace

Status prepare_group(NetworkState& net, const StepGroup& group, Mode mode, bool backward, bool keeps_potentials) {
  const int64_t steps = int64_t(group.count), stages = int64_t(net.plan.stages.size()), largest = group.capacity();
  Status status;
  for (const OptimizerOptions& o : group.updates) {
    if (status.ok()) status = net.parameters.allocate_slots(o.kind == OptimizerKind::kSgd ? 1 : o.amsgrad ? 3 : 2);
    if (status.ok() && o.average > 0) status = net.parameters.start_average();
  }
  if (group.updates.empty()) net.parameters.refresh(TensorKind::kParameter);
  net.relaxes = backward && group.loss.quantised < 1;
  if (status.ok())
    status = mode == Mode::kSnn     ? prepare_snn(net, largest, backward, keeps_potentials)
             : mode == Mode::kCoded ? prepare_coded(net, largest, backward)
                                    : prepare_ann(net, mode, largest, backward);
  if (status.ok()) status = net.logits.ensure(largest * net.plan.classes());
  if (status.ok() && backward) status = net.parameters.allocate_gradients();
  if (status.ok()) status = net.results.ensure(steps);
  if (status.ok()) status = net.counts.ensure(steps * stages);
  return status.ok() ? prepare_loss(net, group.loss) : status;
}

Status check_batch(const Batch& batch, bool labels) {
  if (batch.shards) {
    if (Status status = batch.shards->check(batch.count); !status.ok() || batch.count == 0) return status;
  }
  if (batch.count < 1) return Status::error(Code::kShape, "Expected at least one image in the batch");
  return labels && !batch.labelled() ? Status::error(Code::kArg, "Expected labels") : Status::success();
}

Status stage_batch(NetworkState& net, const Batch& batch, int64_t capacity, StagedBatch* staged) {
  for (const int32_t* labels : {batch.labels, batch.others})
    if (labels)
      if (Status status = check_labels(net, labels, batch.count); !status.ok()) return status;
  if (!batch.rows && net.backend->host_memory()) {
    *staged = {batch.pixels, batch.labels, batch.count, batch.others, batch.shares, batch.teacher};
    return Status::success();
  }
  const int64_t image = net.plan.image_size();
  if (Status status = net.pixels.ensure(capacity * image); !status.ok()) return status;
  if (Status status = net.labels.ensure(capacity); !status.ok()) return status;
  *staged = {net.pixels.data(), batch.labelled() ? net.labels.data() : nullptr, batch.count};
  if (batch.mixed()) {
    if (Status status = net.others.ensure(capacity); !status.ok()) return status;
    if (Status status = net.shares.ensure(capacity); !status.ok()) return status;
    staged->others = net.others.data(), staged->shares = net.shares.data();
  }
  if (batch.teacher) {
    const int64_t classes = net.plan.classes();
    if (Status status = net.loss.teacher.ensure(capacity * classes); !status.ok()) return status;
    net.backend->upload(net.loss.teacher.data(), batch.teacher, size_t(batch.count * classes) * sizeof(float));
    staged->teacher = net.loss.teacher.data();
  }
  if (batch.rows) return draw_rows(net, *batch.rows, capacity);
  send_batch(net, batch);
  return Status::success();
}

bool keeps_dataset(const NetworkState& net, const Dataset& data) {
  return int64_t(data.pixels.size()) <= net.backend->resident_bytes() && !is_refused(net, data);
}

bool give_up_datasets(NetworkState& net) {
  if (net.datasets.empty()) return false;
  for (const auto& d : net.datasets) net.refused.push_back(d->source);
  net.datasets.clear();
  return true;
}

}  // namespace onespike
