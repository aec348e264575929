// The CPU's table of kernels: splits every operation into tasks for the pool. Scratch is kept between calls for its
// memory; the rounded weights of the filter alone for their contents, which every write to the weights forgets.
#pragma once

#include <functional>
#include <vector>

#include "core/backend/backend.h"
#include "core/thread_pool.h"
#include "cpu/backend/create.h"
#include "cpu/code/valued_events.h"
#include "cpu/dense/dense.h"
#include "cpu/dense/norm.h"
#include "cpu/events/event_buckets.h"
#include "cpu/events/event_lists.h"
#include "cpu/events/gradient_events.h"
#include "cpu/events/row_events.h"
#include "cpu/forward/spike_filter.h"
#include "cpu/forward/spike_tables.h"
#include "cpu/gradient/receiver.h"
#include "cpu/simd/scratch.h"

namespace onespike::cpu {

// A tile of destination channels of a dense product.
struct DenseTile {
  const float* weight;  // forward: packed weights of the tile; gradient: of the stage
  int64_t row;          // gradient: first row of every tap
  int width;
  int64_t shift;  // of its first channel in a destination cell
  const float* bias;
};

// What one thread of an operation has for itself.
struct Worker {
  explicit Worker(ScratchSet& set) : memory(set) {}
  float* floats() const { return static_cast<float*>(static_cast<void*>(memory.data())); }

  Scratch<uint32_t> memory;
  const DenseTile* packed = nullptr;  // whose panel it holds, in a dense product
};

// Distances in a destination map.
struct DenseStrides {
  int64_t image, row, column;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const CpuOptions& options);
  ChunkLimits limits() const override;

  void* allocate(size_t bytes) override;
  void release(void* memory) override;
  void upload(void* to, const void* from_host, size_t bytes) override;
  void download(void* to_host, const void* from, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void release_scratch() override;
  int64_t workspace_held() const override { return scratch_.bytes(); }
  size_t backward_bytes(bool dense, const StageShape& s) const override;

 protected:
  KernelChoice execute(const ZeroTask& task) override;
  KernelChoice execute(const EncodeTask& task) override;
  KernelChoice execute(const DrawTask& task) override;
  KernelChoice execute(const DropoutMaskTask& task) override;
  KernelChoice execute(const MaskTimesTask& task) override;
  KernelChoice execute(const MaskValuesTask& task) override;
  KernelChoice execute(const CountEventsTask& task) override;
  KernelChoice execute(const SpikingForwardTask& task) override;
  KernelChoice execute(const SpikingBackwardTask& task) override;
  KernelChoice execute(const RelaxTask& task) override;
  KernelChoice execute(const RelaxGradientTask& task) override;
  KernelChoice execute(const ScheduleGradientTask& task) override;
  KernelChoice execute(const WeightGradientTask& task) override;
  KernelChoice execute(const BiasGradientTask& task) override;
  KernelChoice execute(const AnalogGradientTask& task) override;
  KernelChoice execute(const PackInputTask& task) override;
  KernelChoice execute(const DenseForwardTask& task) override;
  KernelChoice execute(const DenseWeightGradientTask& task) override;
  KernelChoice execute(const DenseBiasGradientTask& task) override;
  KernelChoice execute(const DenseInputGradientTask& task) override;
  KernelChoice execute(const NormStatisticsTask& task) override;
  KernelChoice execute(const NormForwardTask& task) override;
  KernelChoice execute(const NormBackwardTask& task) override;
  KernelChoice execute(const BinaryForwardTask& task) override;
  KernelChoice execute(const BinaryBackwardTask& task) override;
  KernelChoice execute(const CodeTablesTask& task) override;
  KernelChoice execute(const PixelLevelsTask& task) override;
  KernelChoice execute(const MaxPoolTask& task) override;
  KernelChoice execute(const MaxPoolBackwardTask& task) override;
  KernelChoice execute(const CodedForwardTask& task) override;
  KernelChoice execute(const QuantiseTask& task) override;
  KernelChoice execute(const CodeGradientTask& task) override;
  KernelChoice execute(const PullPairTask& task) override;
  KernelChoice execute(const SendingPenaltyTask& task) override;
  KernelChoice execute(const RoundWeightsTask& task) override;
  KernelChoice execute(const ScaleTask& task) override;
  KernelChoice execute(const RunningStatisticsTask& task) override;
  KernelChoice execute(const FoldNormTask& task) override;
  KernelChoice execute(const FoldNormBackwardTask& task) override;
  KernelChoice execute(const ProductTask& task) override;
  KernelChoice execute(const DotTask& task) override;
  KernelChoice execute(const PoolWeightsTask& task) override;
  KernelChoice execute(const PoolWeightsBackwardTask& task) override;
  KernelChoice execute(const PackForwardTask& task) override;
  KernelChoice execute(const PackBackwardTask& task) override;
  KernelChoice execute(const ReadoutTask& task) override;
  KernelChoice execute(const SquaredNormTask& task) override;
  KernelChoice execute(const FinishGradientTask& task) override;
  KernelChoice execute(const UpdateTask& task) override;
  KernelChoice execute(const ClampNeuronsTask& task) override;
  KernelChoice execute(const AddTask& task) override;
  KernelChoice execute(const AddResultTask& task) override;
  KernelChoice execute(const AverageTask& task) override;
  KernelChoice execute(const SpikeCostTask& task) override;
  KernelChoice execute(const ActivityTask& task) override;

 private:
  // Three ways through the events of a stage.
  void table_forward(const ForwardTask& forward, int n);
  void event_forward(const ForwardTask& forward, int n);
  KernelChoice filter_forward(const ForwardTask& exact, const FilterWeights& rounded, int n);
  // Lists the valued events of a stage, and counts them.
  double share_of_events(const CodedForwardTask& task);
  void valued_forward(const CodedForwardTask& task);
  // The share of the source's neurons that fired.
  double density_of(const uint8_t* times, int64_t count);
  // Of a stage whose gradient_events_ are ready: both return the number of tasks, each with its part of the neuron
  // gradients in partial_.
  int64_t linear_input_gradient(const Receiver& receiver, const float* weight, int n);
  int64_t conv_input_gradient(const Receiver& receiver, const SpikingBackwardTask& backward, bool dense);
  // Rows of whole lanes as bf16, in halves_, which the next call overwrites.
  const uint16_t* as_halves(const float* values, int64_t rows, int64_t row);
  // Whether dense products of the stage read image blocks (cpu/dense/dense.h).
  bool in_blocks(const StageShape& s, int n) const;
  bool packed_in_blocks(const StageShape& s, int n) const;  // what PackInputTask writes
  const uint16_t* as_blocks(Scratch<uint16_t>& scratch, const float* values, int n, int rows, int64_t row);
  // Whether the stage's input gradient is a dense product on AMX, in place of gradient events.
  bool gradient_on_amx(const StageShape& s) const;
  // Whether the stage's gradient events go in pairs of bf16.
  bool gradient_pairs(const StageShape& s) const;
  void linear_weight_gradient(const WeightGradientTask& task);
  void conv_weight_gradient(const WeightGradientTask& task);
  using PackPanel = std::function<void(uint32_t* panel, const DenseTile& tile)>;
  // The first stage reads images: its products are few and stay in 32 bits, as do the weighted inputs of a pass with a
  // code, whose borders decide what is sent.
  Precision forward_precision(const StageShape& s) const;
  Precision gradient_precision(const StageShape& s) const;
  // Runs every task(worker, i), a worker on one thread at a time and with as many words of memory as asked for.
  void each_worker(int64_t tasks, int64_t words, const std::function<void(Worker& worker, int64_t i)>& task);
  void dense_product(const DenseTask& common, const DenseWalk& walk, const std::vector<DenseTile>& tiles, int n,
                     int64_t source_image, const DenseStrides& to, int64_t panel_words, const PackPanel& pack);

  ThreadPool pool_;
  Precision precision_;
  GradientKernel gradient_kernel_;
  bool amx_;                      // as the processor has it when the backend is made
  ScratchSet scratch_;            // of all members below
  FilterStore filter_{scratch_};  // rounded weights, forgotten when the weights are written
  ValuedEvents valued_events_{scratch_};
  EventLists forward_events_{scratch_};
  WindowBits window_bits_{scratch_};
  Scratch<float> tables_{scratch_};
  Scratch<float> filter_scalars_{scratch_};
  Scratch<Doubt> doubts_{scratch_};
  GradientEvents gradient_events_{scratch_};
  EventBuckets buckets_{scratch_};
  RowEvents row_events_{scratch_};
  std::vector<Worker> workers_;  // one per thread
  Scratch<uint16_t> halves_{scratch_};
  Scratch<uint16_t> source_halves_{scratch_};
  Scratch<NeuronGradient> partial_{scratch_};
  Scratch<double> sums_{scratch_};
  Scratch<Moments> moments_{scratch_};   // of blocks of cells
  Scratch<float> norm_means_{scratch_};  // of gradients, per channel
  Scratch<int64_t> counts_{scratch_};
  Scratch<float> d_logits_{scratch_};  // of one image
};

}  // namespace onespike::cpu
