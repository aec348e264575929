// The spiking network, one chunk of images: spike-time maps forward, sparse gradients back (docs/MATHEMATICS.md, "The
// neuron" and "Gradients through time").
#include <algorithm>
#include <utility>

#include "core/passes/norm.h"
#include "core/passes/passes.h"

namespace onespike {
namespace {

// Visits the buffers that stage `i` needs besides where steps may relax a stage, as ensure_buffers does.
template <class Visit>
void each_relaxed_buffer(NetworkState& net, size_t i, int64_t n, const Visit& need) {
  const StageShape& s = net.plan.stages[i];
  StageBuffers& b = net.stages[i];
  if (!s.output) need(b.activation, n * s.out_size());
  if (!net.plan.reads_pixels(i)) need(b.packed, n * s.padded_size()), need(b.weighted, n * s.out_size());
}

template <class Visit>
void each_snn_buffer(NetworkState& net, int64_t images, bool train, const Visit& need) {
  const Plan& plan = net.plan;
  const int64_t n = std::min<int64_t>(plan.chunk_of(Mode::kSnn, net.potentials(train)), images),
                block = std::min<int64_t>(plan.block, images);
  const int64_t T = plan.spec.timesteps, image = plan.stages[0].src_size();
  int64_t gradient = 0, workspace = 0, largest = 0;
  if (plan.needs_analog()) {
    need(net.analog, n * image);
    need(net.stages[0].packed, n * plan.stages[0].padded_size());
    need(net.current, n * plan.stages[0].out_size());
  }
  switch (plan.encoder().events_in(int(T))) {
    case InputEvents::kNone: break;
    case InputEvents::kSpikeTimes: need(net.coded, n * image); break;
    case InputEvents::kSigns:
    case InputEvents::kPowers: need(net.values, n * T * image); break;
  }
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StageShape& s = plan.stages[i];
    StageBuffers& b = net.stages[i];
    const int64_t kept = train && plan.keeps_block(i) ? block : n;
    need(b.times, kept * s.out_size());
    workspace = std::max(workspace, int64_t(net.backend->workspace_bytes(
                                        {train && plan.waits(i) ? block : n, int(T), train, s, plan.spec.schedules})));
    need(b.forward, int64_t(net.backend->forward_bytes(s)));
    each_weight_buffer(net, i, n, false, train, need);
    if (net.potentials(train) || s.output) need(b.potential, n * T * s.out_size());
    if (train && plan.keeps_potential(i)) need(b.received, n * T * s.out_size());
    if (train && plan.spec.schedules && s.output) need(net.d_activation[0], n * T * s.out_size());
    if (train && plan.waits(i)) need(b.gradient, block * T * s.grad_step());
    else if (train) gradient = std::max(gradient, n * T * s.grad_step());
    if (train && !plan.reads_pixels(i)) need(b.backward, int64_t(net.backend->backward_bytes(false, s)));
    need(b.density, int64_t(net.backend->density_bytes()));
    if (train && net.dropout(i)) need(b.sent, kept * s.out_size()), need(b.mask, n * s.out_size());
    if (!train || !net.relaxes) continue;
    each_relaxed_buffer(net, i, n, need);
    largest = std::max(largest, n * s.out_size());
    workspace = std::max(workspace, int64_t(net.backend->workspace_bytes({n, 1, train, s})));
  }
  if (largest > 0) need(net.d_activation[1], largest);
  need(net.gradient, gradient);
  need(net.workspace, workspace);
}

SpikeSource source_of(const NetworkState& net, size_t stage, bool train) {
  SpikeSource source;
  const StageShape& s = net.plan.stages[stage];
  source.scale = 1.0f / float(s.pool * s.pool);
  if (net.plan.reads_pixels(stage)) {
    switch (net.plan.encoder().events_in(net.plan.spec.timesteps)) {
      case InputEvents::kNone: break;
      case InputEvents::kSpikeTimes: source.times = net.coded.data(); break;
      case InputEvents::kSigns:
      case InputEvents::kPowers: source.values = net.values.data(); break;
    }
    source.scale *= event_unit(net.plan.spec.encoder, net.plan.spec.timesteps);
    return source;
  }
  const size_t from = size_t(net.plan.sources[stage]);
  const bool dropped = train && net.dropout(from) && !reads_relaxed(net, stage, train);
  source.times = dropped ? net.sent(from) : net.times(from);
  if (dropped) source.scale /= 1 - net.plan.stages[from].dropout;
  return source;
}

// The neurons that the gradient of a stage reaches; none if it reads the image.
ReceivingNeurons receivers(const NetworkState& net, size_t stage) {
  if (net.plan.reads_pixels(stage)) return {};
  const size_t from = size_t(net.plan.sources[stage]);
  const StageBuffers& below = net.stages[from];
  return {.a = net.spike_gradient(from),
          .add = net.plan.adds_gradient(stage),
          .d_neuron = net.parameters[from].d_neuron,
          .potential = below.potential.data(),
          .times = net.times(from),
          .mask = net.dropout(from) ? below.mask.data() : nullptr,
          .scale = source_of(net, stage, true).scale,
          .neuron = net.neuron(from),
          .cost = net.plan.adds_gradient(stage) ? nullptr : net.loss.cost(from)};
}

// += the gradients of weights and bias of a stage, of n images from the first of the block on if it waits.
void weight_gradients(NetworkState& net, size_t stage, const float* gradient, int n, bool counted) {
  const StageShape& s = net.plan.stages[stage];
  const StageParameters& p = net.parameters[stage];
  const int T = net.plan.spec.timesteps;
  // What a relaxed source sent is no event.
  if (!reads_relaxed(net, stage, true))
    net.backend->run(WeightGradientTask{.d_weight = net.d_weight(stage),
                                        .source = source_of(net, stage, true),
                                        .gradient = gradient,
                                        .density = net.stages[stage].density.data(),
                                        .counted = counted,
                                        .n = n,
                                        .timesteps = T,
                                        .shape = s});
  if (net.bias(stage))
    net.backend->run(BiasGradientTask{.d_bias = p.d_bias,
                                      .gradient = gradient,
                                      .kappa = net.neuron(stage).kappa,
                                      .n = n,
                                      .timesteps = T,
                                      .shape = s});
}

// The same of a stage that waited, for the `n` images of the block.
void block_gradients(NetworkState& net, size_t stage, int n) {
  const int64_t waiting = std::exchange(net.waiting, 0);  // the maps are those of the block, not of its last chunk
  // Of a block of one chunk the forward pass has counted what fires.
  weight_gradients(net, stage, net.stages[stage].gradient.data(), n, n <= net.plan.chunk);
  net.waiting = waiting;
}

// += the gradients of the schedules of a stage whose a(t) is complete.
void schedule_gradients(NetworkState& net, size_t stage, int n) {
  const StageBuffers& b = net.stages[stage];
  const StageShape& s = net.plan.stages[stage];
  const Schedules& schedules = net.parameters.schedules();
  net.backend->run(ScheduleGradientTask{.d_kappa = schedules.at(TensorKind::kGradient, stage, Schedule::kKappa),
                                        .d_theta = schedules.at(TensorKind::kGradient, stage, Schedule::kTheta),
                                        .potential = b.potential.data(),
                                        .a = net.spike_gradient(stage),
                                        .spike_a = s.output ? net.d_activation[0].data() : nullptr,
                                        .times = s.output ? nullptr : net.times(stage),
                                        .bias = net.bias(stage),
                                        .neuron = net.neuron(stage),
                                        .n = n,
                                        .shape = s});
}

// The currents of a stage whose source sent numbers, before its schedule.
void dense_currents(NetworkState& net, size_t stage, const float* sent, float* current, int n) {
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  net.backend->run(PackInputTask{.packed = b.packed.data(), .src = sent, .n = n, .shape = s});
  net.backend->run(DenseForwardTask{.out = current,
                                    .packed = b.packed.data(),
                                    .weight = net.weight(stage),
                                    .weight_forward = b.forward.data(),
                                    .n = n,
                                    .shape = s});
}

// The gradient at those currents, summed over the steps if they arrived at all of them, from kappa(t) g(t) of the
// stage; += that of the weights.
void dense_currents_backward(NetworkState& net, size_t stage, const float* gradient, bool sum_steps, float* d_current,
                             int n) {
  const StageShape& s = net.plan.stages[stage];
  net.backend->run(AnalogGradientTask{.d_current = d_current,
                                      .gradient = gradient,
                                      .sum_steps = sum_steps,
                                      .n = n,
                                      .timesteps = net.plan.spec.timesteps,
                                      .shape = s});
  net.backend->run(DenseWeightGradientTask{.d_weight = net.d_weight(stage),
                                           .packed = net.stages[stage].packed.data(),
                                           .d_out = d_current,
                                           .n = n,
                                           .shape = s});
}

// What a stage receives from a relaxed source, at step 1 alone.
void receive_relaxed(NetworkState& net, size_t stage, int n, SpikingForwardTask* task) {
  float* const current = net.stages[stage].weighted.data();
  dense_currents(net, stage, net.stages[size_t(net.plan.sources[stage])].activation.data(), current, n);
  task->current = current, task->current_always = false;
}

// What a relaxed stage sends, from its potentials.
void relax(NetworkState& net, size_t stage, int n) {
  const StageBuffers& b = net.stages[stage];
  net.backend->run(RelaxTask{.sent = b.activation.data(),
                             .potential = b.potential.data(),
                             .neuron = net.neuron(stage),
                             .n = n,
                             .shape = net.plan.stages[stage]});
}

// += the gradient of the weights of a stage that reads a relaxed source, and a(t) of that source, from kappa(t) g(t) of
// the stage.
void relaxed_backward(NetworkState& net, size_t stage, const float* gradient, int n) {
  Backend& backend = *net.backend;
  const size_t from = size_t(net.plan.sources[stage]);
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  dense_currents_backward(net, stage, gradient, false, b.weighted.data(), n);
  backend.run(DenseInputGradientTask{.d_src = net.d_activation[1].data(),
                                     .d_out = b.weighted.data(),
                                     .weight = net.weight(stage),
                                     .weight_backward = b.backward.data(),
                                     .n = n,
                                     .shape = s});
  backend.run(RelaxGradientTask{.a = net.spike_gradient(from),
                                .add = net.plan.adds_gradient(stage),
                                .d_neuron = net.parameters[from].d_neuron,
                                .d_sent = net.d_activation[1].data(),
                                .potential = net.stages[from].potential.data(),
                                .neuron = net.neuron(from),
                                .n = n,
                                .shape = net.plan.stages[from]});
}

}  // namespace

Status prepare_snn(NetworkState& net, int64_t images, bool train, bool keeps_potentials) {
  net.waiting = 0;
  net.keeps_potentials = keeps_potentials;
  net.prepare(Mode::kSnn, train);
  return ensure_buffers(*net.backend, images,
                        [&](int64_t n, const auto& visit) { each_snn_buffer(net, n, train, visit); });
}

SpikingForwardTask snn_forward_task(NetworkState& net, size_t stage, int n, bool train) {
  const StageShape& s = net.plan.stages[stage];
  const StageBuffers& b = net.stages[stage];
  return {.times = net.times(stage),
          .potential = net.potentials(train) || s.output ? b.potential.data() : nullptr,
          .density = b.density.data(),
          .source = source_of(net, stage, train),
          .weight = net.weight(stage),
          .weight_forward = b.forward.data(),
          .bias = net.bias(stage),
          .current = net.plan.reads_pixels(stage) && net.plan.needs_analog() ? net.current.data() : nullptr,
          .current_always = net.plan.encoder().analog == AnalogSteps::kAll,
          .neuron = net.neuron(stage),
          .n = n,
          .shape = s};
}

Status snn_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, size_t stages,
                   const Stop& stop) {
  Backend& backend = *net.backend;
  backend.run(EncodeTask{.analog = net.analog.data(),
                         .times = net.coded.data(),
                         .values = net.values.data(),
                         .pixels = pixels,
                         .params = net.encoding(net.plan.spec.encoder),
                         .n = n,
                         .first_image = first});
  if (net.plan.needs_analog()) dense_currents(net, 0, net.analog.data(), net.current.data(), n);
  for (size_t i = 0; i < stages; ++i) {
    if (stop) return aborted();
    SpikingForwardTask task = snn_forward_task(net, i, n, train);
    const bool relaxed = train && net.relaxed[i];
    if (relaxed) task.neuron.fires = false;
    if (reads_relaxed(net, i, train)) receive_relaxed(net, i, n, &task);
    backend.run(task);
    if (relaxed) {
      relax(net, i, n);
    } else if (train && net.dropout(i)) {
      backend.run(net.dropout_mask(i, n, first));
      backend.run(MaskTimesTask{.to = net.sent(i),
                                .times = net.times(i),
                                .mask = net.stages[i].mask.data(),
                                .count = n * net.plan.stages[i].out_size()});
    }
  }
  return Status::success();
}

Status snn_backward(NetworkState& net, int n, bool ends_block, const Stop& stop) {
  Backend& backend = *net.backend;
  const int T = net.plan.spec.timesteps;
  for (size_t i = net.plan.stages.size(); i-- > 0;) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    StageBuffers& b = net.stages[i];
    if (net.plan.spec.schedules) schedule_gradients(net, i, n);
    const bool waits = net.plan.waits(i), relaxed = reads_relaxed(net, i, true);
    float* gradient = waits ? b.gradient.data() + net.waiting * T * s.grad_step() : net.gradient.data();
    b.backward_choice = backend.run(SpikingBackwardTask{.gradient = gradient,
                                                        .below = relaxed ? ReceivingNeurons() : receivers(net, i),
                                                        .a = net.spike_gradient(i),
                                                        .weight = net.weight(i),
                                                        .weight_backward = b.backward.data(),
                                                        .neuron = net.neuron(i),
                                                        .last = b.backward_choice,
                                                        .n = n,
                                                        .shape = s});
    if (!waits) weight_gradients(net, i, gradient, n, true);
    else if (ends_block) block_gradients(net, i, int(net.waiting) + n);
    if (relaxed) relaxed_backward(net, i, gradient, n);
    if (net.plan.reads_pixels(i) && net.plan.needs_analog()) {
      const bool always = net.plan.encoder().analog == AnalogSteps::kAll;
      dense_currents_backward(net, i, gradient, always, net.current.data(), n);
    }
    if (net.stage_done) net.stage_done(i);
  }
  net.waiting = ends_block ? 0 : net.waiting + n;
  return Status::success();
}

}  // namespace onespike
