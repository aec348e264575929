// Which variant the operations of every stage take, by the density of its source map: counted and decided on the
// device.
//
// Nothing is remembered from one chunk to the next, so a batch has the same result in a resumed run. Hysteresis would
// be for choices that are dear to change or made from a noisy number; here both kernels are enqueued every time and the
// count is exact.
#pragma once

#include <cstdint>

#include "core/backend/backend.h"
#include "cuda/device/gate.h"
#include "cuda/device/launch.h"
#include "cuda/device/workspace.h"

namespace onespike::cuda {

struct Decision {
  int64_t fired;
  Variant forward, weight_gradient;
};

class Choices {
 public:
  void create(Stream& stream);
  void destroy();
  // Before a batch: no decision is known.
  void forget();
  // Decides for a stage that reads n images of spike times.
  void decide(Stream& stream, Workspace& workspace, const uint8_t* times, int n, int timesteps, const StageShape& s);
  // Whether the last decision for the stage was about these images: the weight gradient of a convolution follows the
  // forward pass, and needs no count of its own; that of a linear stage may have more chunks to sum.
  bool knows(const uint8_t* times, int n, const StageShape& s) const;
  Gate forward(const StageShape& s, Variant variant) const { return {&decisions_[slot(s.layer)].forward, variant}; }
  Gate weight_gradient(const StageShape& s, Variant variant) const {
    return {&decisions_[slot(s.layer)].weight_gradient, variant};
  }
  // What was decided last for a layer. Waits for the device; one that failed says nothing here.
  KernelChoice read(const Stream& stream, int layer, bool weight_gradient) const;

 private:
  static constexpr int kSlots = 256;  // layers beyond take turns, and count anew
  struct Counted {
    const uint8_t* times = nullptr;
    int64_t values = 0;
  };

  static int slot(int layer) { return layer % kSlots; }

  Decision* decisions_ = nullptr;
  Counted counted_[kSlots];
};

}  // namespace onespike::cuda
