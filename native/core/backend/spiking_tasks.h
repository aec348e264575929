// Operations of the spiking network: one task each. What a task writes is overwritten unless it says `+=`.
// core/backend/values.h has the layouts.
#pragma once

#include <cstdint>

#include "core/backend/values.h"
#include "ops/shape.h"

namespace onespike {

// LIF over all steps of the neurons of a stage, along the events of its source.
struct SpikingForwardTask {
  static constexpr const char* kOperation = "spiking_forward";
  uint8_t* times = nullptr;    // (n, out map)
  float* potential = nullptr;  // (n, T, out map) U(t); null = not kept
  void* density = nullptr;     // density_bytes(): what was counted of the source, for the weight gradient of the images
  SpikeSource source = {};
  const float* weight = nullptr;
  const void* weight_forward = nullptr;  // of PackForwardTask
  const float* bias = nullptr;           // (out_cs), or null
  const float* current = nullptr;        // (n, out map) analog input current, or null
  bool current_always = false;           // it is added at every step, not at the first alone
  NeuronParams neuron = {};
  int n = 0;
  StageShape shape = {};
};

// The neurons that an input gradient reaches: those of the stage that fired the source.
struct ReceivingNeurons {
  float* a = nullptr;                // (n, T, src map) a(t)
  bool add = false;                  // to `a`, which another stage that reads the same map has written
  float* d_neuron = nullptr;         // += gradients of threshold and leak
  const float* potential = nullptr;  // (n, T, src map) U(t): may be `a` itself unless `add`
  const uint8_t* times = nullptr;    // (n, src map)
  const uint8_t* mask = nullptr;     // (n, src map) of the dropout, or null
  float scale = 1;                   // of an event: SpikeSource::scale
  NeuronParams neuron = {};
  const float* cost = nullptr;  // the part of dL/dO(t) that comes from no reader, the same for all; null: none
};

// From a(t) of a stage to g(t) = a(t) + leak * g(t+1), and from there to a(t) of the neurons below it: kappa(t) Wt g
// times their surrogate. A stage with several readers has the sum of what each of them gives.
struct SpikingBackwardTask {
  static constexpr const char* kOperation = "spiking_backward";
  float* gradient = nullptr;    // kappa(t) g(t) with its border of zeros
  ReceivingNeurons below = {};  // without `a`: the stage reads the image
  const float* a = nullptr;     // (n, T, out map)
  const float* weight = nullptr;
  const void* weight_backward = nullptr;  // of PackBackwardTask
  NeuronParams neuron = {};
  KernelChoice last = {};  // what this operation returned for the chunk before in the batch; nothing for the first
  int n = 0;
  StageShape shape = {};
};

// What the neurons of a relaxed stage send: the share of their threshold that U(T) reaches, between 0 and 1.
struct RelaxTask {
  static constexpr const char* kOperation = "relax";
  float* sent = nullptr;             // (n, out map)
  const float* potential = nullptr;  // (n, T, out map) U(t) of neurons that do not fire
  NeuronParams neuron = {};
  int n = 0;
  StageShape shape = {};
};

// From the gradient at what they sent to a(t), which is zero before step T.
struct RelaxGradientTask {
  static constexpr const char* kOperation = "relax_gradient";
  float* a = nullptr;                // (n, T, out map)
  bool add = false;                  // to `a`, which another stage that reads the same map has written
  float* d_neuron = nullptr;         // += gradients of threshold and leak
  const float* d_sent = nullptr;     // (n, out map)
  const float* potential = nullptr;  // (n, T, out map) U(t): may be `a` itself unless `add`
  NeuronParams neuron = {};
  int n = 0;
  StageShape shape = {};
};

// Gradients of the schedules of a stage: of kappa(t) the sum over neurons of g(t) times what arrived at step t before
// it was weighed, of theta(t) minus the sum of a(t) U(t) / theta(t).
struct ScheduleGradientTask {
  static constexpr const char* kOperation = "schedule_gradient";
  float* d_kappa = nullptr;          // (T) +=
  float* d_theta = nullptr;          // (T) +=
  const float* potential = nullptr;  // (n, T, out map) U(t)
  const float* a = nullptr;          // (n, T, out map)
  const float* spike_a = nullptr;    // (n, T, out map) the part of a(t) that comes through the spike; null: all of it
  const uint8_t* times = nullptr;    // (n, out map) of neurons that are spent after their spike; null: none is
  const float* bias = nullptr;       // (out_cs), or null
  NeuronParams neuron = {};          // with schedules
  int n = 0;
  StageShape shape = {};
};

// The sum over events of kappa(t) g(t), which is `gradient`, at the time and place of the event, times source.scale.
struct WeightGradientTask {
  static constexpr const char* kOperation = "weight_gradient";
  float* d_weight = nullptr;  // +=
  SpikeSource source = {};
  const float* gradient = nullptr;
  void* density = nullptr;  // density_bytes()
  bool counted = false;     // the forward pass of the same images left its count there; else this task counts
  int n = 0;                // of a linear stage perhaps those of several chunks: it costs a pass over all weights
  int timesteps = 0;
  StageShape shape = {};
};

struct BiasGradientTask {
  static constexpr const char* kOperation = "bias_gradient";
  float* d_bias = nullptr;  // +=
  const float* gradient = nullptr;
  const float* kappa = nullptr;  // (T) of the stage, which weighs `gradient` and not the bias; null: all are 1
  int n = 0, timesteps = 0;
  StageShape shape = {};
};

// The gradient of a stage's analog current: kappa(1) g(1), or the sum over all steps.
struct AnalogGradientTask {
  static constexpr const char* kOperation = "analog_gradient";
  float* d_current = nullptr;  // (n, out map)
  const float* gradient = nullptr;
  bool sum_steps = false;
  int n = 0, timesteps = 0;
  StageShape shape = {};
};

}  // namespace onespike
