// The spiking network, one chunk of images: spike-time maps forward, sparse gradients back (docs/MATHEMATICS.md, "The
// neuron" and "Gradients through time").
#include <algorithm>

#include "core/passes/passes.h"

namespace onespike {
namespace {

template <class Visit>
void each_buffer(NetworkState& net, int64_t images, bool train, const Visit& need) {
  const Plan& plan = net.plan;
  const int64_t n = std::min<int64_t>(plan.chunk_of(Mode::kSnn, train), images),
                block = std::min<int64_t>(plan.block, images);
  const int64_t T = plan.spec.timesteps, image = plan.stages[0].src_size();
  int64_t gradient = 0, workspace = 0;
  if (plan.needs_analog()) {
    need(net.analog, n * image);
    need(net.stages[0].padded, n * plan.stages[0].padded_size());
    need(net.current, n * plan.stages[0].out_size());
  }
  switch (plan.encoder().events_in(int(T))) {
    case InputEvents::kNone: break;
    case InputEvents::kSpikeTimes: need(net.coded, n * image); break;
    case InputEvents::kSigns: need(net.rate, n * T * image); break;
  }
  for (size_t i = 0; i < plan.stages.size(); ++i) {
    const StageShape& s = plan.stages[i];
    StageBuffers& b = net.stages[i];
    const int64_t kept = train && plan.keeps_block(i) ? block : n;
    need(b.times, kept * s.out_size());
    workspace = std::max(workspace,
                         int64_t(net.backend->workspace_bytes(train && plan.waits(i) ? block : n, int(T), train, s)));
    need(b.forward, int64_t(net.backend->forward_bytes(s)));
    if (train || s.output) need(b.potential, n * T * s.out_size());
    if (train && plan.waits(i)) need(b.gradient, block * T * s.grad_step());
    else if (train) gradient = std::max(gradient, n * T * s.grad_step());
    if (train && i > 0) need(b.backward, int64_t(net.backend->backward_bytes(false, s)));
    if (train && net.dropout(i)) need(b.sent, kept * s.out_size()), need(b.mask, n * s.out_size());
  }
  need(net.gradient, gradient);
  need(net.workspace, workspace);
}

}  // namespace

Status prepare_snn(NetworkState& net, int64_t images, bool train) {
  net.waiting = 0;
  net.prepare(Mode::kSnn, train);
  return make_room(*net.backend, images, [&](int64_t n, const auto& visit) { each_buffer(net, n, train, visit); });
}

SpikeSource snn_source(NetworkState& net, size_t stage, bool train) {
  SpikeSource source;
  const StageShape& s = net.plan.stages[stage];
  source.scale = 1.0f / float(s.pool * s.pool);
  if (stage == 0) {
    switch (net.plan.encoder().events_in(net.plan.spec.timesteps)) {
      case InputEvents::kNone: break;
      case InputEvents::kSpikeTimes: source.times = net.coded.data(); break;
      case InputEvents::kSigns: source.rate = net.rate.data(); break;
    }
    return source;
  }
  const bool dropped = train && net.dropout(stage - 1);
  source.times = dropped ? net.sent(stage - 1) : net.times(stage - 1);
  if (dropped) source.scale /= 1 - net.plan.stages[stage - 1].dropout;
  return source;
}

Status snn_forward(NetworkState& net, const uint8_t* pixels, int n, int64_t first, bool train, size_t stages,
                   const Stop& stop) {
  Backend& backend = *net.backend;
  const NetworkSpec& spec = net.plan.spec;
  backend.encode(net.analog.data(), net.coded.data(), net.rate.data(), pixels, n, first, net.encoding(spec.encoder));
  const float* current = nullptr;
  const bool always = net.plan.encoder().analog == AnalogSteps::kAll;
  if (net.plan.needs_analog()) {
    backend.pack_input(net.stages[0].padded.data(), net.analog.data(), n, net.plan.stages[0]);
    backend.dense_forward(net.current.data(), net.stages[0].padded.data(), net.parameters[0].weight,
                          net.stages[0].forward.data(), nullptr, false, n, net.plan.stages[0]);
    current = net.current.data();
  }
  for (size_t i = 0; i < stages; ++i) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    StageBuffers& b = net.stages[i];
    backend.sort_events(snn_source(net, i, train), n, net.steps, s);
    backend.spiking_forward(net.times(i), train || s.output ? b.potential.data() : nullptr, net.parameters[i].weight,
                            b.forward.data(), net.bias(i), i == 0 ? current : nullptr, always, n, net.neuron(i), s);
    if (train && net.dropout(i)) {
      backend.dropout_mask(b.mask.data(), spec.seed, net.inputs.data(), first, n, s);
      backend.apply_mask(net.sent(i), net.times(i), b.mask.data(), n * s.out_size());
    }
  }
  return Status::success();
}

Status snn_backward(NetworkState& net, int n, const Stop& stop) {
  Backend& backend = *net.backend;
  const int T = net.plan.spec.timesteps;
  for (size_t i = net.plan.stages.size(); i-- > 0;) {
    if (stop) return aborted();
    const StageShape& s = net.plan.stages[i];
    StageBuffers& b = net.stages[i];
    StageParameters& p = net.parameters[i];
    const SpikeSource source = snn_source(net, i, true);
    float* gradient = net.plan.waits(i) ? b.gradient.data() + net.waiting * T * s.grad_step() : net.gradient.data();
    backend.accumulate_gradient(gradient, b.potential.data(), n, i > 0, net.neuron(i), s);
    if (!net.plan.waits(i)) {
      backend.weight_gradient(p.d_weight, source, gradient, n, T, s);
      if (s.bias) backend.bias_gradient(p.d_bias, gradient, n, T, s);
    }
    if (i > 0) {
      backend.input_gradient(net.stages[i - 1].potential.data(), b.potential.data(), p.weight, b.backward.data(),
                             net.times(i - 1), net.dropout(i - 1) ? net.stages[i - 1].mask.data() : nullptr,
                             source.scale, n, net.neuron(i), net.neuron(i - 1), net.plan.stages[i - 1], s,
                             net.parameters[i - 1].d_neuron);
    } else if (net.plan.needs_analog()) {
      const bool always = net.plan.encoder().analog == AnalogSteps::kAll;
      backend.analog_gradient(net.current.data(), gradient, always, n, T, s);
      backend.dense_weight_gradient(p.d_weight, b.padded.data(), net.current.data(), n, s);
    }
  }
  net.waiting += n;
  return Status::success();
}

void snn_end_block(NetworkState& net) {
  const int n = int(net.waiting), T = net.plan.spec.timesteps;
  net.waiting = 0;
  for (size_t i = net.plan.stages.size(); i-- > 1;) {
    if (!net.plan.waits(i)) continue;
    const StageShape& s = net.plan.stages[i];
    const float* gradient = net.stages[i].gradient.data();
    net.backend->weight_gradient(net.parameters[i].d_weight, snn_source(net, i, true), gradient, n, T, s);
    if (s.bias) net.backend->bias_gradient(net.parameters[i].d_bias, gradient, n, T, s);
  }
}

}  // namespace onespike
